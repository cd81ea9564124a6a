/** The facts about a change that are added to its row or its headers, under their names. */
import type { Origin } from "../../formats/data/batch.ts";
import { type EventField, eventField } from "../_shared/event_fields.ts";
import type { ExtractNewRecordStateConfig } from "./definition.ts";

export interface Added {
  readonly name: string;
  readonly field: EventField;
}

/** `source.lsn:position` → the field and its own name. */
export function splitAlias(text: string): { field: string; alias?: string } {
  const colon = text.lastIndexOf(":");
  return colon < 1 || colon === text.length - 1
    ? { field: text.trim() }
    : { field: text.slice(0, colon).trim(), alias: text.slice(colon + 1).trim() };
}

/** What is added to rows, in the order of the keys' descriptions. */
export function addedFields(config: ExtractNewRecordStateConfig, origin: Origin | undefined): Added[] {
  const { add_table, add_schema, add_op, add_ts, ts_field_name, add_fields, add_fields_prefix } = config;
  const flags = Object.entries({ table: add_table, schema: add_schema, op: add_op, ts_ms: add_ts });
  const added = [...flags.filter(([, isOn]) => isOn).map(([name]) => name), ...add_fields]
    .map((text) => addedOne(text, add_fields_prefix, origin));
  if (add_ts && ts_field_name !== undefined) {
    added.push({ name: ts_field_name, field: eventField("ts_ms") });
  }
  // Named twice, by a flag and in the list, a field is added once.
  return [...new Map(added.map((one) => [one.name, one])).values()];
}

export function addedHeaders(config: ExtractNewRecordStateConfig, origin: Origin | undefined): Added[] {
  return config.add_headers.map((text) => addedOne(text, config.add_headers_prefix, origin));
}

function addedOne(text: string, prefix: string, origin: Origin | undefined): Added {
  const { field, alias } = splitAlias(text);
  return { name: prefix + (alias ?? field.replaceAll(".", "_")), field: eventField(field, origin) };
}
