/**
 * The formats of files by the names that pipeline files use. Sinks that write files call `fileFormat()`; what its keys
 * are and what they mean is in options.ts, which definitions use and no worker loads.
 */
import type { AvroOptions } from "./avro.ts";
import type { CsvOptions } from "./csv.ts";
import type { FileFormat } from "./file_format.ts";
import type { ParquetOptions } from "./parquet.ts";

/** Names of the formats that a build has. */
export const FORMATS = ["jsonl", "json", "csv", "tsv", "avro", "parquet"] as const;
export type FormatName = (typeof FORMATS)[number];

/** Compressions around a file. Their code is in compression.ts. */
export const COMPRESSIONS = ["none", "gzip", "zstd", "snappy", "lz4"] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** What a file's name ends in behind its format's own ending. */
export const COMPRESSION_SUFFIX: Readonly<Record<Compression, string>> = {
  none: "",
  gzip: ".gz",
  zstd: ".zst",
  snappy: ".snappy",
  lz4: ".lz4",
};

/** What `csv` means where it leaves something out. */
export const CSV_DEFAULTS = {
  include_header: true,
  quote_char: '"',
  always_quote: false,
  line_ending: "lf",
  null_value: "",
  escape_formulas: false,
} as const;

/** How pages of Parquet files are compressed. */
export const PARQUET_COMPRESSIONS = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"] as const;
export type ParquetCompression = (typeof PARQUET_COMPRESSIONS)[number];

/** What `parquet` means where it leaves something out. */
export const PARQUET_DEFAULTS = {
  row_group_size: 10_000,
  enable_statistics: true,
  data_page_size: 1 << 20,
  dictionary_page_size: 1 << 20,
  max_string_size: 1 << 20,
} as const;

/** How blocks of Avro files are compressed, by Avro's names. */
export type AvroCodec = "null" | "deflate" | "snappy" | "zstandard";

/** What compressions are called, here and elsewhere → how an Avro file has them inside. */
export const AVRO_COMPRESSIONS = {
  none: "null",
  null: "null",
  deflate: "deflate",
  snappy: "snappy",
  zstd: "zstandard",
  zstandard: "zstandard",
} as const satisfies Record<string, AvroCodec>;
export type AvroCompression = keyof typeof AVRO_COMPRESSIONS;

/** What `avro` means where it leaves something out. */
export const AVRO_DEFAULTS = { namespace: "rivven.events", record_name: "Event" } as const;

/** What the characters between cells are called. The character itself is a name, too. */
export const DELIMITERS: Readonly<Record<string, string>> = {
  comma: ",",
  tab: "\t",
  semicolon: ";",
  pipe: "|",
};

/** The keys of formats as they stand in a connector's config, once options.ts has filled in what they leave out. */
export interface FormatKeys {
  readonly metadata_columns: boolean;
  readonly json?: { readonly pretty: boolean };
  readonly csv?: {
    readonly delimiter?: string;
    readonly include_header: boolean;
    readonly quote_char: string;
    readonly always_quote: boolean;
    readonly line_ending: "lf" | "crlf";
    readonly null_value: string;
    readonly columns?: readonly string[];
    readonly escape_formulas: boolean;
  };
  readonly avro?: {
    readonly compression?: AvroCompression;
    readonly schema?: string;
    readonly namespace: string;
    readonly record_name: string;
  };
  /** Around text files; Avro and Parquet have it inside. */
  readonly compression?: Compression;
  readonly compression_level?: number;
  readonly parquet?: {
    readonly compression?: ParquetCompression;
    readonly row_group_size: number;
    readonly enable_statistics: boolean;
    readonly data_page_size: number;
    readonly dictionary_page_size: number;
    readonly max_string_size: number;
  };
}

/**
 * A format with its options. Loads the code of this format and of no other.
 *
 * @param keys the whole config of a connector will do: only the keys of formats are looked at
 */
export async function fileFormat(name: FormatName, keys: FormatKeys): Promise<FileFormat> {
  switch (name) {
    case "jsonl":
      return (await import("./json_lines.ts")).JSON_LINES;
    case "json":
      return (await import("./json_lines.ts")).jsonArray(keys.json?.pretty ?? false);
    case "csv":
      return (await import("./csv.ts")).csvFormat(csvOptions(keys, "comma"));
    case "tsv":
      return (await import("./csv.ts")).csvFormat(csvOptions(keys, "tab"));
    case "avro":
      return (await import("./avro.ts")).avroFormat(avroOptions(keys));
    case "parquet":
      return (await import("./parquet.ts")).parquetFormat(parquetOptions(keys));
  }
}

/** Nobody can read an Avro file that is compressed as a whole, so `compression` of the sink means its blocks. */
function avroOptions(keys: FormatKeys): AvroOptions {
  const { avro = AVRO_DEFAULTS, compression = "none", metadata_columns: metadataColumns } = keys;
  return {
    codec: AVRO_COMPRESSIONS[keys.avro?.compression ?? compression as AvroCompression],
    level: keys.compression_level,
    namespace: avro.namespace,
    recordName: avro.record_name,
    schema: keys.avro?.schema,
    metadataColumns,
  };
}

function csvOptions({ csv, metadata_columns: metadataColumns }: FormatKeys, delimiter: string): CsvOptions {
  const keys = csv ?? CSV_DEFAULTS;
  const name = csv?.delimiter ?? delimiter;
  return {
    delimiter: Object.hasOwn(DELIMITERS, name) ? DELIMITERS[name] : name,
    includeHeader: keys.include_header,
    quote: keys.quote_char,
    alwaysQuote: keys.always_quote,
    lineEnding: keys.line_ending === "crlf" ? "\r\n" : "\n",
    nullValue: keys.null_value,
    columns: csv?.columns,
    escapeFormulas: keys.escape_formulas,
    metadataColumns,
  };
}

function parquetOptions(keys: FormatKeys): ParquetOptions {
  const { parquet = PARQUET_DEFAULTS, compression = "none", metadata_columns: metadataColumns } = keys;
  return {
    // Nobody can read a Parquet file that is compressed as a whole, so `compression` of the sink means its pages.
    compression: keys.parquet?.compression ?? (compression === "none" ? "snappy" : compression),
    rowGroupSize: parquet.row_group_size,
    enableStatistics: parquet.enable_statistics,
    dataPageSize: parquet.data_page_size,
    dictionaryPageSize: parquet.dictionary_page_size,
    maxStringSize: parquet.max_string_size,
    metadataColumns,
  };
}
