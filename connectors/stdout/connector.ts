/** What the `stdout` sink is: records on the standard output, for people and for the next program in a pipe. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";

const FORMATS = ["pretty", "json", "tsv", "text"] as const;
const AVRO_FORMATS = ["avrojson", "avrobinary", "avrohex"];

const config = z.strictObject({
  format: z.enum(FORMATS, {
    error: ({ input }) =>
      AVRO_FORMATS.includes(input as string)
        ? `Format "${input}" is not in this build yet: use one of ${FORMATS.join(", ")}`
        : undefined,
  }).default("pretty").describe(
    "How a record looks: `pretty` is a block for reading, `json` one line in the layout of `envelope`, " +
      "`tsv` time, operation, stream and data with tabs between, `text` the same as a sentence",
  ),
  pretty: z.boolean().default(false).describe(
    "With `format: json`: indented over several lines instead of one line a record",
  ),
  envelope: z.enum(LAYOUTS).optional().describe(
    "With `format: json`: the layout of a record. Without it `standard` for changes and `rivven` for records that are no changes",
  ),
  include_metadata: z.boolean().default(true).describe(
    "With `format: pretty`: shows what the source adds, such as transaction and position, below the data",
  ),
  include_timestamp: z.boolean().default(true).describe(
    "Shows the time of the change (UTC); not with `format: json`, where the layout has it",
  ),
  color: z.boolean().default(true).describe(
    "Colours in `pretty` and `text`, on a terminal only: a pipe or a file never gets them",
  ),
  rate_limit: z.int().min(0).max(100_000).default(0).describe(
    "Most records a second; the source waits. 0: as fast as they come",
  ),
}).refine(({ format, pretty }) => !pretty || format === "json" || format === "pretty", {
  path: ["pretty"],
  error: "`pretty` indents JSON: it needs `format: json`",
});

export type StdoutConfig = z.output<typeof config>;

const definition: ConnectorDefinition<StdoutConfig> = defineConnector<StdoutConfig>({
  type: "stdout",
  aliases: { console: {}, print: {}, log: {} },
  version: "1.0.0",
  category: "utility_debug",
  tags: ["debugging", "console", "pipe"],
  title: "Standard output",
  summary: "Writes records to the standard output",
  description:
    "Shows records to a person, or hands them to the next program in a pipe as JSON lines. Nothing but " +
    "records goes there. When the reader goes away, the pipeline ends cleanly.",
  config,
  upgradeConfig: (config) =>
    config.envelope === "source_event"
      ? {
        config: { ...config, envelope: "rivven" },
        notes: ["envelope: source_event is now called rivven"],
      }
      : { config, notes: [] },
  permissions: () => ({}),
  sink: {
    guarantee: "at_least_once",
    accepts: OPERATIONS,
    layout: "auto",
    batch: { cheap: true, minIntervalMs: 20, maxRecords: 100_000, maxBytes: 16 << 20, maxWaitMs: 1000 },
  },
  example,
});

export default definition;
