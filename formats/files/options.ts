/**
 * The keys of file formats in a connector's config, with their defaults. Only definitions import this (it needs zod);
 * what the keys become is in formats.ts.
 */
import { z } from "zod";
import { avroType } from "./avro_encoder.ts";
import {
  AVRO_COMPRESSIONS,
  AVRO_DEFAULTS,
  type AvroCompression,
  COMPRESSIONS,
  CSV_DEFAULTS,
  DELIMITERS,
  FORMATS,
  PARQUET_COMPRESSIONS,
  PARQUET_DEFAULTS,
} from "./formats.ts";

const character = z.string().refine((text) => text.length === 1 && !/[\r\n\w]/.test(text), {
  error: "One character that is no letter, digit or line end",
});

const csv = z.strictObject({
  delimiter: z.string().refine(
    (text) => Object.hasOwn(DELIMITERS, text) || character.safeParse(text).success,
    {
      error: `One character, or one of ${Object.keys(DELIMITERS).join(", ")}`,
    },
  ).optional().describe(
    `What stands between cells: ${
      Object.keys(DELIMITERS).join(", ")
    } or the character itself. Without it comma, in \`tsv\` tab`,
  ),
  include_header: z.boolean().default(CSV_DEFAULTS.include_header).describe(
    "The names of the columns in the first line",
  ),
  quote_char: character.default(CSV_DEFAULTS.quote_char).describe(
    "What surrounds a cell that holds a delimiter, a line end or this character, which is then doubled",
  ),
  always_quote: z.boolean().default(CSV_DEFAULTS.always_quote).describe(
    "Every cell in quotes, but for NULL",
  ),
  line_ending: z.enum(["lf", "crlf"]).default(CSV_DEFAULTS.line_ending).describe("What ends a line"),
  null_value: z.string().regex(/^[^\r\n]*$/, "No line ends").default(CSV_DEFAULTS.null_value).describe(
    "What stands for NULL. A text that says the same is put in quotes, an empty one as well",
  ),
  columns: z.array(z.string().min(1)).min(1).optional().describe(
    "Only these columns, in this order. Without it those of the table; where the source knows no columns, the names in the file's first record",
  ),
  escape_formulas: z.boolean().default(CSV_DEFAULTS.escape_formulas).describe(
    "Puts ' in front of texts that a spreadsheet would run: those that begin with =, +, -, @, a tab or a return",
  ),
}).refine(({ delimiter, quote_char }) => (DELIMITERS[delimiter ?? ""] ?? delimiter) !== quote_char, {
  path: ["quote_char"],
  error: "The quote can't be the delimiter",
});

const json = z.strictObject({
  pretty: z.boolean().default(false).describe("Each record indented over several lines"),
});

const avroName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "Letters, digits and _, no digit first");
const namespace = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/,
  "Names of letters, digits and _ with points between",
);

const avro = z.strictObject({
  compression: z.enum(Object.keys(AVRO_COMPRESSIONS) as AvroCompression[]).optional().describe(
    "Compression of the blocks inside the file. Without it `compression` of the sink",
  ),
  schema: z.string().superRefine((text, context) => {
    const message = avroSchemaProblem(text);
    if (message) context.addIssue({ code: "custom", message, input: text });
  }).optional().describe(
    "The schema, a record in JSON text. Columns find their fields by name (or by `rivven.name` of the field); those that it does not name are left out, and a value that does not fit is an error of its record (on_error). Without it the schema is made of the table's columns; where the source knows none, of the names in the file's first record, each with a union of what JSON has",
  ),
  namespace: namespace.default(AVRO_DEFAULTS.namespace).describe("Namespace of a schema made of columns"),
  record_name: avroName.default(AVRO_DEFAULTS.record_name).describe("Its record's name"),
  confluent_wire_format: z.literal(false, {
    error: "Belongs to messages: a file with such a header can't be read by any tool",
  }).default(false).describe("For messages only: files hold their schema themselves"),
});

function avroSchemaProblem(text: string): string | undefined {
  try {
    avroType(JSON.parse(text));
  } catch (error) {
    return `No schema of a record: ${(error as Error).message}`;
  }
}

const parquet = z.strictObject({
  compression: z.enum(PARQUET_COMPRESSIONS).optional().describe(
    "Compression of the pages inside the file. Without it `compression` of the sink, or snappy where that is none",
  ),
  row_group_size: z.int().min(1).max(1_000_000).default(PARQUET_DEFAULTS.row_group_size).describe(
    "Rows of a row group; one whose values take 8 MiB of memory is ended earlier",
  ),
  enable_statistics: z.boolean().default(PARQUET_DEFAULTS.enable_statistics).describe(
    "Smallest and largest value of each column of a row group, which lets readers skip row groups",
  ),
  data_page_size: z.int().min(1024).max(64 << 20).default(PARQUET_DEFAULTS.data_page_size).describe(
    "Size of a page before compression, in bytes",
  ),
  dictionary_page_size: z.int().min(1024).max(64 << 20).default(PARQUET_DEFAULTS.dictionary_page_size)
    .describe(
      "A column of a row group whose distinct values take more bytes than this is written without a dictionary",
    ),
  max_string_size: z.int().min(1).max(256 << 20).default(PARQUET_DEFAULTS.max_string_size).describe(
    "The largest text or binary value, in bytes; a longer one is an error of its record (on_error)",
  ),
});

/** The keys, for a connector to put among its own. With `formatProblems` behind them. */
export const formatKeys = {
  format: z.enum(FORMATS).default("jsonl").describe(
    "`jsonl`: a JSON text a line. `json`: one array. `csv`, `tsv`: the rows of one table, with commas or tabs. `avro`, `parquet`: the rows of one table in typed columns",
  ),
  compression: z.enum(COMPRESSIONS).default("none").describe(
    "Compression around the file; its name ends in .gz, .zst, .snappy (the framing format) or .lz4 (frames). With `avro` and `parquet` it is inside and the name stays",
  ),
  compression_level: z.int().min(1).max(22).optional().describe(
    "Level of gzip (1 to 9, 6 when left out) or zstd (1 to 22, 3 when left out)",
  ),
  metadata_columns: z.boolean().default(false).describe(
    "Formats of rows get columns with the operation, the time and the position of the change, and then hold deletes as well",
  ),
  json: json.optional().describe("Keys of format `json`"),
  csv: csv.optional().describe("Keys of the formats `csv` and `tsv`"),
  avro: avro.optional().describe("Keys of format `avro`"),
  parquet: parquet.optional().describe("Keys of format `parquet`"),
};

/** What `formatKeys` come out as. */
export type FormatConfig = z.output<z.ZodObject<typeof formatKeys>>;

/** The block of keys that a format has. */
const BLOCKS: Readonly<Record<FormatConfig["format"], "json" | "csv" | "avro" | "parquet" | undefined>> = {
  jsonl: undefined,
  json: "json",
  csv: "csv",
  tsv: "csv",
  avro: "avro",
  parquet: "parquet",
};

/** What does not go together in the keys of formats: each with the key to say it at. */
export function formatProblems(config: FormatConfig): { path: string[]; message: string }[] {
  const problems: { path: string[]; message: string }[] = [];
  const wrong = (path: string, message: string) => problems.push({ path: [path], message });
  const { format, compression, compression_level } = config;
  for (const block of ["json", "csv", "avro", "parquet"] as const) {
    if (config[block] !== undefined && BLOCKS[format] !== block) {
      wrong(block, `These are keys of format ${block}, but the format is ${format}`);
    }
  }
  if (config.metadata_columns && (format === "jsonl" || format === "json")) {
    wrong(
      "metadata_columns",
      `${format} has no columns: what they hold is in the layout (envelope: standard)`,
    );
  }
  if (compression_level !== undefined && format === "parquet") {
    wrong("compression_level", "Compression inside of Parquet files has no level to choose");
  } else if (
    compression_level !== undefined && compression !== "gzip" && compression !== "zstd" &&
    !["deflate", "zstandard", "zstd"].includes(config.avro?.compression ?? "")
  ) {
    wrong("compression_level", "Only gzip and zstd have levels");
  }
  if (format === "avro" && config.avro?.compression === undefined && !(compression in AVRO_COMPRESSIONS)) {
    wrong(
      "compression",
      `Avro files have no ${compression} inside: use zstd or snappy, or avro.compression: deflate`,
    );
  }
  const isDeflate = compression === "gzip" || config.avro?.compression === "deflate";
  if (isDeflate && (compression_level ?? 1) > 9) {
    wrong("compression_level", "Levels of gzip and deflate are 1 to 9");
  }
  return problems;
}

/**
 * Other spellings of the same keys → those above: upper case, `null` for no compression. For `upgradeConfig`.
 *
 * @returns the config, and a note for each key whose meaning was moved
 */
export function upgradeFormatKeys(
  given: Record<string, unknown>,
): { config: Record<string, unknown>; notes: string[] } {
  const config = { ...given };
  for (const key of ["format", "compression"]) {
    const value = config[key];
    if (typeof value === "string") config[key] = value.toLowerCase();
  }
  if (config.format === "ndjson") config.format = "jsonl";
  if (config.compression === null || config.compression === false) config.compression = "none";
  if (config.compression === "zstandard") config.compression = "zstd";
  if (isMap(config.avro)) config.avro = upgradeAvro(config.avro);
  const notes: string[] = [];
  const { format, compression } = config;
  if (
    (format === "avro" || format === "parquet") && typeof compression === "string" && compression !== "none"
  ) {
    notes.push(
      `compression: ${compression} is inside of ${format} files, as readers expect, not around them`,
    );
  }
  return { config, notes };
}

function upgradeAvro(given: Record<string, unknown>): Record<string, unknown> {
  const { wire_format, ...avro } = given;
  if (wire_format !== undefined) avro.confluent_wire_format ??= wire_format;
  if (avro.compression === null) avro.compression = "none";
  // As YAML, where somebody wrote it so.
  if (isMap(avro.schema)) avro.schema = JSON.stringify(avro.schema);
  return avro;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
