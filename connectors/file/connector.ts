/** What the `file` connector is: records appended to local files, exactly once, and files read as records. */
import { z } from "zod";
import { COLUMN_TYPE_NAMES, parseColumnType } from "../../formats/data/column_type.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { type CompletedConfig, type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";
import { COMPRESSIONS } from "../../formats/files/formats.ts";
import { STREAM_PLACEHOLDERS } from "../_files/placeholders.ts";
import { baseFolder, templateProblem } from "./path_template.ts";
import { FORMATS } from "./source_kind.ts";
import { parseSourcePath, sourcePathProblem } from "./source_path.ts";

const placeholders = Object.keys(STREAM_PLACEHOLDERS).map((name) => `{${name}}`).join(" ");

/** Keys of one side, which would do nothing on the other. */
const SINK_KEYS = ["rotation"];
const SOURCE_KEYS = [
  "compression",
  "stream",
  "key",
  "follow",
  "start",
  "order_by",
  "csv",
  "max_line_bytes",
  "poll_interval_ms",
];

const columnType = z.string().superRefine((text, context) => {
  if (parseColumnType(text)) return;
  const message = `"${text}" is no type: write one of ${COLUMN_TYPE_NAMES}`;
  context.addIssue({ code: "custom", message, input: text });
});

const oneCharacter = z.string().refine((text) => /^[\x20-\x7e\t]$/.test(text), {
  message: "Give one character, of ASCII",
});

const config = z.strictObject({
  path: z.string().min(1).superRefine((path, context) => {
    // Which side it is for only the rest of the file says.
    const message = templateProblem(path);
    if (message && sourcePathProblem(path)) context.addIssue({ code: "custom", message, input: path });
  }).describe(
    `Sink: the file to append to; made when missing, with its folders. Placeholders give one file each: ${placeholders}. ` +
      "It has rights to the folder before the first placeholder and to nothing else. Source: a file, a folder, or a " +
      "pattern with *, ** and ?; it may read the folder before the first of these, or that of the file",
  ),
  format: z.enum(FORMATS).optional().describe(
    "What is in the files. Sink: jsonl, one JSON text a line, is the only one. Source: without it what the ending of " +
      "each file says",
  ),
  envelope: z.enum([...LAYOUTS, "none"]).optional().describe(
    "Sink: the layout of a record; without it `standard` for changes and `rivven` for records that are no changes. " +
      "Source: `auto` (as without it) turns what is recognised as one of these layouts back into the record that it " +
      "was, `none` gives every text as it is",
  ),
  rotation: z.strictObject({
    max_size_mb: z.number().positive().default(100).describe(
      "A file that has reached this size (1 MB = 1,048,576 bytes) is left and the next one begun",
    ),
    max_age_hours: z.number().positive().default(24).describe(
      "A file that was begun this long ago is left when the next record comes",
    ),
  }).optional().describe(
    "Sink: several files instead of one that grows for ever, each with the time of its beginning in its name. Without it there is one file for each path",
  ),
  if_shortened: z.enum(["stop", "continue"]).default("stop").describe(
    "What to do when a file is missing or shorter than what was written to it: `stop` with an error, or `continue` " +
      "behind what is left. Of a source: when a file is shorter than what was read of it, or was written anew; " +
      "`continue` reads it from its beginning",
  ),
  compression: z.enum(["auto", ...COMPRESSIONS]).optional().describe(
    "Source: around jsonl, json, csv and tsv files. `auto`, as without it, goes by the ending: .gz, .zst, .snappy, .lz4",
  ),
  stream: z.string().min(1).optional().describe(
    "Source: the stream of records that don't say theirs; without it the file's name without its endings",
  ),
  key: z.array(z.string().min(1)).min(1).optional().describe(
    "Source: names of the columns that are the key of each record; files don't say it",
  ),
  follow: z.boolean().optional().describe(
    "Source: true waits at the end for files to grow and for new ones; false, as without it, ends there",
  ),
  start: z.enum(["earliest", "latest"]).optional().describe(
    "Source: where a first run begins; `latest`, with follow: true, passes over what is there. Without it `earliest`",
  ),
  order_by: z.enum(["name", "time"]).optional().describe(
    "Source: the order of files, by name (as without it) or by the time of their last change",
  ),
  csv: z.strictObject({
    delimiter: oneCharacter.optional().describe("Between cells; without it a comma, for tsv a tab"),
    include_header: z.boolean().optional().describe(
      "Whether the first line of each file has the names of its columns; without it true. With false they are " +
        "`columns`, or column_1, column_2, …",
    ),
    columns: z.array(z.string().min(1)).min(1).optional().describe(
      "Names of the columns of files without a header",
    ),
    quote_char: oneCharacter.optional().describe('Around cells with a delimiter in them; without it `"`'),
    null_value: z.string().optional().describe(
      "The cell without quotes that is NULL; without it the empty one",
    ),
    types: z.record(z.string(), columnType).optional().describe(
      "Types of columns by name, as in {id: int64, total: 'decimal(12,2)', at: timestamptz}; the others are text",
    ),
  }).optional().describe("Source: how csv and tsv files are written"),
  max_line_bytes: z.int().min(1024).max(256 << 20).optional().describe(
    "Source: the largest text of one record; longer ones are refused as a whole. Without it 16777216",
  ),
  poll_interval_ms: z.int().min(10).optional().describe(
    "Source: how often files are looked at with follow: true, in milliseconds; without it 250",
  ),
});

export type FileConfig = z.output<typeof config>;

const definition: ConnectorDefinition<FileConfig> = defineConnector<FileConfig>({
  type: "file",
  version: "1.0.0",
  category: "storage_file",
  tags: ["files", "jsonl", "csv", "avro", "parquet", "local", "replay"],
  title: "Files",
  summary: "Appends records to local files, exactly once, and reads files",
  description:
    "One growing JSON Lines file for each path, synced at every commit and cut back to its committed " +
    "length at the start, so that after a crash no record is missing and none is there twice. Paths may " +
    "depend on the table and on the time of the change; files can be rotated by size and age. The source reads " +
    "such files and others, to their end or as they grow, and goes on exactly where it was.",
  config,
  upgradeConfig: (config) =>
    config.envelope === "source_event"
      ? {
        config: { ...config, envelope: "rivven" },
        notes: ["envelope: source_event is now called rivven"],
      }
      : { config, notes: [] },
  completeConfig: (config, _machine, role) => ({ config, notes: [], problems: problemsOf(config, role) }),
  permissions: ({ path }, role) =>
    role === "source"
      ? { read: [parseSourcePath(path).base] }
      : { read: [baseFolder(path)], write: [baseFolder(path)] },
  source: {
    guarantee: "exactly_once",
    ordering: "per_lane",
    mode: "singleton",
    syncModes: ["incremental"],
    discover: true,
  },
  sink: {
    guarantee: "exactly_once",
    technique: "truncate",
    accepts: OPERATIONS,
    layout: "auto",
    batch: { cheap: true, minIntervalMs: 5, maxRecords: 100_000, maxBytes: 16 << 20, maxWaitMs: 200 },
  },
  example,
});

export default definition;

/** What is right for the other side only. */
function problemsOf(config: Record<string, unknown>, role: "source" | "sink"): CompletedConfig["problems"] {
  const problems: { key: string; message: string; hint?: string }[] = [];
  const isSource = role === "source";
  for (const key of isSource ? SINK_KEYS : SOURCE_KEYS) {
    if (config[key] === undefined) continue;
    problems.push({
      key,
      message: `${key} is a key of the ${isSource ? "sink" : "source"}`,
      hint: "Remove it",
    });
  }
  const { path, format, envelope, follow, start } = config;
  if (typeof path === "string") {
    const message = isSource ? sourcePathProblem(path) : templateProblem(path);
    if (message) problems.push({ key: "path", message });
  }
  if (isSource && envelope !== undefined && envelope !== "auto" && envelope !== "none") {
    problems.push({
      key: "envelope",
      message: "Of a source this is auto or none; the layout belongs to the sink",
    });
  }
  if (isSource && start === "latest" && follow !== true) {
    problems.push({ key: "start", message: "Without follow: true there is nothing behind the end to read" });
  }
  if (!isSource && envelope === "none") {
    problems.push({ key: "envelope", message: `A sink writes one of ${LAYOUTS.join(", ")}` });
  }
  if (!isSource && format !== undefined && format !== "jsonl") {
    problems.push({
      key: "format",
      message: `The sink can't append to ${format} files`,
      hint:
        "Use jsonl here, or connector: object-storage with provider: local for whole files of other formats",
    });
  }
  return problems;
}
