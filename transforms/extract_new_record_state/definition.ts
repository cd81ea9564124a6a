/** What extract_new_record_state is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { eventField } from "../_shared/event_fields.ts";
import { booleanOf, listOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";
import { splitAlias } from "./added_fields.ts";

const fields = z.array(z.string().min(1)).default([]);
const flag = z.boolean().default(false);

const config = z.strictObject({
  delete_handling: z.enum([
    "rewrite",
    "rewrite_with_tombstone",
    "tombstone",
    "delete_to_tombstone",
    "drop",
    "none",
  ])
    .optional().describe(
      "What becomes of deletes and of the tombstones behind them. rewrite: the row as it was, with `__deleted: true`, " +
        "no tombstone; rewrite_with_tombstone: the same, and tombstones stay; tombstone: only the tombstones of the " +
        "source stay; delete_to_tombstone: each delete becomes a tombstone; drop: neither; none: deletes stay in their " +
        "envelope. Left out: as rewrite_with_tombstone, but `__deleted` stands only in deleted rows",
    ),
  drop_tombstones: flag.describe("Tombstones go; deletes too, where delete_handling is left out"),
  deleted_field: z.string().min(1).default("__deleted").describe("Name of the field that tells deleted rows"),
  deleted_as_string: flag.describe('`__deleted` is the text "true" or "false", as Debezium writes it'),
  add_table: flag.describe("Adds `__table`: the table's name"),
  add_schema: flag.describe("Adds `__schema`: the name of the table's schema"),
  add_op: flag.describe("Adds `__op`: c, u, d or r"),
  add_ts: flag.describe("Adds `__ts_ms`: the commit time in milliseconds since 1970"),
  ts_field_name: z.string().min(1).optional().describe(
    "With add_ts: a second name for it, without the prefix",
  ),
  add_fields: fields.describe(
    "More fields, each with an own name behind a colon where it shall have one: op, table, ts_ms, transaction.id, " +
      "source.lsn, before.status:old_status",
  ),
  add_fields_prefix: z.string().default("__").describe("Stands before the names of added fields"),
  add_headers: fields.describe("The same as headers of the message, for sinks that have some"),
  add_headers_prefix: z.string().default("__").describe("Stands before the names of added headers"),
  non_row_events: z.enum(["pass", "drop"]).default("pass").describe(
    "Whether truncations, schema changes and logical messages, which are no rows, go on",
  ),
});

export type ExtractNewRecordStateConfig = z.output<typeof config>;

const definition: TransformDefinition<ExtractNewRecordStateConfig> = defineTransform({
  type: "extract_new_record_state",
  title: "The row instead of its envelope",
  summary: "Writes the row after the change by itself, with chosen facts about the change",
  description:
    "The value becomes the row itself, whatever the layout. The operation and the key stay, so that sinks of tables " +
    "still insert, update and delete; a delete that is rewritten becomes an update with `__deleted`, and columns that " +
    "the source did not send with it count as not sent. By default no delete is lost. Times are commit times, so that " +
    "reading again gives the same rows.",
  config,
  upgradeConfig(config) {
    const debezium = (value: unknown, config: Record<string, unknown>) => {
      const mode = typeof value === "string" ? value.replaceAll("-", "_") : value;
      return {
        ...config,
        delete_handling: mode,
        ...(/^rewrite/.test(String(mode)) && config.deleted_as_string === undefined
          ? { deleted_as_string: true }
          : {}),
      };
    };
    const upgraded = upgradeKeys(config, {
      "delete.tombstone.handling.mode": debezium,
      "delete.handling.mode": debezium,
      "drop.tombstones": (value, config) => ({ ...config, drop_tombstones: booleanOf(value) }),
      "add.fields": "add_fields",
      "add.headers": "add_headers",
      "add.fields.prefix": "add_fields_prefix",
      "add.headers.prefix": "add_headers_prefix",
      "delete_handling_mode": "delete_handling",
      "header_prefix": "add_fields_prefix",
      "replace.null.with.default": (_value, config) => config,
    });
    for (const key of ["add_fields", "add_headers"]) {
      const value = upgraded.config[key];
      if (typeof value === "string") upgraded.config = { ...upgraded.config, [key]: listOf(value) };
    }
    return upgraded;
  },
  checkConfig({ add_fields, add_headers, ts_field_name, add_ts, drop_tombstones, delete_handling }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    for (const [key, list] of Object.entries({ add_fields, add_headers })) {
      list.forEach((text, i) => {
        try {
          eventField(splitAlias(text).field);
        } catch (error) {
          problems.push({ key: `${key}.${i}`, message: (error as Error).message });
        }
      });
    }
    if (ts_field_name !== undefined && !add_ts) {
      problems.push({ key: "ts_field_name", message: "Has a meaning only with add_ts: true" });
    }
    if (drop_tombstones && /tombstone/.test(delete_handling ?? "")) {
      problems.push({
        key: "drop_tombstones",
        message: `Says the opposite of delete_handling: ${delete_handling}, which keeps tombstones`,
        hint: "Leave one of them out",
      });
    }
    return problems;
  },
  unwraps: true,
  example,
});

export default definition;
