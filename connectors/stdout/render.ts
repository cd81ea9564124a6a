/** Records as people read them: the formats `pretty`, `text`, `tsv` and indented JSON of the `stdout` sink. */
import type { Batch } from "../contract.ts";
import { indentJson } from "../../formats/data/indent_json.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import type { StdoutConfig } from "./connector.ts";

/** The text of record `i`, with its line ends. */
export type Render = (batch: Batch, i: number) => string;

const DIM = "\x1b[2m", RESET = "\x1b[0m";
const GREEN = "\x1b[32m", YELLOW = "\x1b[33m", RED = "\x1b[31m", CYAN = "\x1b[36m";

/** How a configuration shows a record; undefined where the batch's own text is shown as it is, and for Avro (avro.ts). */
export function renderOf(config: StdoutConfig, isTerminal: boolean): Render | undefined {
  const hasColor = config.color && isTerminal;
  switch (config.format) {
    case "json":
      return config.pretty ? indentedLayout : undefined;
    case "pretty":
      return (batch, i) => block(batch.records[i], config, hasColor);
    case "text":
      return ({ records }, i) => `${head(records[i], config, hasColor)} ${valueText(data(records[i]))}\n`;
    case "avrojson":
    case "avrobinary":
    case "avrohex":
      return undefined;
    case "tsv":
      return ({ records }, i) => tabbed(records[i], config);
  }
}

function indentedLayout(batch: Batch, i: number): string {
  const text = new TextDecoder().decode(batch.span(i, "text"));
  return text === "" ? "" : `${indentJson(text.trimEnd())}\n`;
}

function block(record: DataRecord, config: StdoutConfig, hasColor: boolean): string {
  const text = `${head(record, config, hasColor)}\n${indentJson(valueText(data(record)))}\n`;
  const members = config.include_metadata ? metadata(record) : {};
  if (Object.keys(members).length === 0) return text;
  const shown = `---metadata---\n${indentJson(valueText(members))}\n`;
  return text + (hasColor ? `${DIM}${shown.trimEnd()}${RESET}\n` : shown);
}

/** `[2026-01-31 12:00:00.123] INSERT: orders (public)` */
function head(record: DataRecord, config: StdoutConfig, hasColor: boolean): string {
  const { stream, operation } = record;
  const label = hasColor ? colorOf(operation) + operation.toUpperCase() + RESET : operation.toUpperCase();
  const namespace = stream.namespace === undefined ? "" : ` (${onOneLine(stream.namespace)})`;
  const time = config.include_timestamp ? `[${timeText(record.timeMicros)}] ` : "";
  return `${time}${label}: ${onOneLine(stream.name)}${namespace}`;
}

function tabbed(record: DataRecord, config: StdoutConfig): string {
  const fields = [
    record.operation.toUpperCase(),
    onOneLine(qualifiedName(record.stream)),
    // JSON escapes tabs and line breaks inside strings and has none outside.
    valueText(data(record)),
  ];
  if (config.include_timestamp) fields.unshift(timeText(record.timeMicros));
  return `${fields.join("\t")}\n`;
}

/** What happened to the row: what it is now, what it was where it is gone, both where both are known. */
function data({ operation, key, before, after }: DataRecord): Value {
  if (operation === "update" && before) return { before, after: after ?? null };
  return after ?? before ?? key ?? null;
}

function metadata({ source, order, unavailable, headers }: DataRecord): Record<string, Value> {
  const members: Record<string, Value> = { ...source };
  if (order !== undefined) members.position = order;
  if (unavailable) members.unavailable_columns = unavailable;
  if (headers) members.headers = headers;
  return members;
}

function colorOf(operation: DataRecord["operation"]): string {
  switch (operation) {
    case "update":
      return YELLOW;
    case "delete":
    case "tombstone":
    case "truncate":
      return RED;
    case "message":
    case "schema":
      return CYAN;
    default:
      return GREEN;
  }
}

function timeText(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString().slice(0, 23).replace("T", " ");
}

/** A name may hold any character; in a header it must not end the line or move the cursor. */
function onOneLine(name: string): string {
  // deno-lint-ignore no-control-regex
  return name.replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
