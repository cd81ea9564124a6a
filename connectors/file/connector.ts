/** What the `file` sink is: records appended to local files, exactly once. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";
import { baseFolder, PLACEHOLDERS, templateProblem } from "./path_template.ts";

const LATER_FORMATS = ["json", "csv", "avro", "parquet"];
const placeholders = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`).join(" ");

const config = z.strictObject({
  path: z.string().min(1).superRefine((path, context) => {
    const message = templateProblem(path);
    if (message) context.addIssue({ code: "custom", message, input: path });
  }).describe(
    `The file to append to; made when missing, with its folders. Placeholders give one file each: ${placeholders}. ` +
      "The sink has rights to the folder before the first placeholder and to nothing else",
  ),
  format: z.enum(["jsonl"], {
    error: ({ input }) =>
      LATER_FORMATS.includes(input as string)
        ? `Format "${input}" is not in this build yet: use jsonl`
        : undefined,
  }).default("jsonl").describe("How records are written: one JSON text a line"),
  envelope: z.enum(LAYOUTS).optional().describe(
    "The layout of a record. Without it `standard` for changes and `rivven` for records that are no changes",
  ),
  rotation: z.strictObject({
    max_size_mb: z.number().positive().default(100).describe(
      "A file that has reached this size (1 MB = 1,048,576 bytes) is left and the next one begun",
    ),
    max_age_hours: z.number().positive().default(24).describe(
      "A file that was begun this long ago is left when the next record comes",
    ),
  }).optional().describe(
    "Several files instead of one that grows for ever, each with the time of its beginning in its name. Without it there is one file for each path",
  ),
  if_shortened: z.enum(["stop", "continue"]).default("stop").describe(
    "What to do when a file is missing or shorter than what was written to it: `stop` with an error, or `continue` behind what is left",
  ),
});

export type FileConfig = z.output<typeof config>;

const definition: ConnectorDefinition<FileConfig> = defineConnector<FileConfig>({
  type: "file",
  version: "1.0.0",
  category: "storage_file",
  tags: ["files", "jsonl", "local"],
  title: "Files",
  summary: "Appends records to local files, exactly once",
  description:
    "One growing JSON Lines file for each path, synced at every commit and cut back to its committed " +
    "length at the start, so that after a crash no record is missing and none is there twice. Paths may " +
    "depend on the table and on the time of the change; files can be rotated by size and age.",
  config,
  upgradeConfig: (config) =>
    config.envelope === "source_event"
      ? {
        config: { ...config, envelope: "rivven" },
        notes: ["envelope: source_event is now called rivven"],
      }
      : { config, notes: [] },
  permissions: ({ path }) => ({ read: [baseFolder(path)], write: [baseFolder(path)] }),
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
