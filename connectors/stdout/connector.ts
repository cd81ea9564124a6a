/** What the `stdout` sink is: records on the standard output, for people and for the next program in a pipe. */
import { z } from "zod";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { OPERATIONS } from "../../formats/data/record.ts";
import { avroType } from "../../formats/files/avro_encoder.ts";
import { type ConnectorDefinition, defineConnector } from "../contract.ts";
import example from "./example.gen.ts";

const FORMATS = ["pretty", "json", "tsv", "text", "avrojson", "avrobinary", "avrohex"] as const;

const config = z.strictObject({
  format: z.enum(FORMATS).default("pretty").describe(
    "How a record looks: `pretty` is a block for reading, `json` one line in the layout of `envelope`, " +
      "`tsv` time, operation, stream and data with tabs between, `text` the same as a sentence; `avrojson` and `avrohex` a line with the row by an Avro schema, `avrobinary` its bytes",
  ),
  pretty: z.boolean().default(false).describe(
    "With `format: json`: indented over several lines instead of one line a record",
  ),
  envelope: z.enum(LAYOUTS).optional().describe(
    "With `format: json`: the layout of a record. Without it `standard` for changes and `rivven` for records that are no changes",
  ),
  include_metadata: z.boolean().default(true).describe(
    "With `format: pretty`: shows what the source adds, such as transaction and position, below the data. With an Avro format: columns with operation, time and position; without them deletes are left out",
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
  avro_schema: z.string().superRefine((text, context) => {
    const message = schemaProblem(text);
    if (message) context.addIssue({ code: "custom", message, input: text });
  }).optional().describe(
    "With an Avro format: the schema, a record in JSON text. Columns that it does not name are left out. Without it the schema is made of the table's columns",
  ),
  confluent_wire_format: z.boolean().default(false).describe(
    "With `format: avrobinary` or `avrohex`: a zero byte and `schema_id` in front of each record",
  ),
  schema_id: z.int().min(0).max(0xffff_ffff).optional().describe(
    "With `confluent_wire_format`: the number of the schema in the registry",
  ),
}).refine(({ format, pretty }) => !pretty || format === "json" || format === "pretty", {
  path: ["pretty"],
  error: "`pretty` indents JSON: it needs `format: json`",
}).refine(({ format, avro_schema }) => avro_schema === undefined || format.startsWith("avro"), {
  path: ["avro_schema"],
  error: "A schema needs one of the formats avrojson, avrobinary and avrohex",
}).refine(
  ({ format, confluent_wire_format }) =>
    !confluent_wire_format || format === "avrobinary" || format === "avrohex",
  {
    path: ["confluent_wire_format"],
    error: "The wire format is bytes: it needs `format: avrobinary` or `avrohex`",
  },
).refine(({ confluent_wire_format, schema_id }) => confluent_wire_format === (schema_id !== undefined), {
  path: ["schema_id"],
  error: "`confluent_wire_format: true` and `schema_id` need each other",
});

function schemaProblem(text: string): string | undefined {
  try {
    avroType(JSON.parse(text));
  } catch (error) {
    return `No schema of a record: ${(error as Error).message}`;
  }
}

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
