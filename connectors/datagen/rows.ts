/**
 * What a configuration makes of a pattern: the columns of its stream and the JSON text of its rows, with the
 * metadata fields and the custom fields. source.ts writes rows with it, discover shows its stream.
 */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Json, Value } from "../../formats/data/value.ts";
import type { DatagenConfig } from "./connector.ts";
import { type Field, instant, integer, MADE_AT, SEQUENCE, type WriteField } from "./patterns/fields.ts";
import type { Pattern } from "./patterns/pattern.ts";
import { PATTERNS } from "./patterns/patterns.ts";
import { encode } from "./patterns/text.ts";

const OPEN = 0x7b, CLOSE = 0x7d;

/** The pattern that a configuration names, with its options. */
export function patternOf(config: DatagenConfig): Pattern {
  return PATTERNS[config.pattern]({ priceMode: config.price_mode, safeDomains: config.safe_domains });
}

export class Rows {
  /** The stream of the records: keyed where they are changes. */
  readonly stream: Stream;
  /** The column that tells rows apart. */
  readonly identity: string;

  readonly #writes: readonly WriteField[];
  /** Custom fields, the same in every row: members with a comma in front. */
  readonly #tail: Uint8Array;
  readonly #maxBytes: number;
  readonly #writeIdentity: WriteField;
  #key: Uint8Array;

  constructor(config: DatagenConfig, pattern: Pattern) {
    const custom = Object.entries(config.custom_fields);
    const fields: Field[] = [...pattern.fields];
    if (config.include_sequence) fields.push(integer("_sequence", SEQUENCE, "int64"));
    if (config.include_timestamp) fields.push(instant("_timestamp", MADE_AT));
    // A custom field replaces a generated one of its name; what that one draws is drawn all the same.
    const shown = fields.filter(({ column }) => !Object.hasOwn(config.custom_fields, column.name));

    this.identity = pattern.fields[0].column.name;
    this.stream = {
      name: config.stream_name,
      namespace: config.namespace,
      columns: [...shown.map(({ column }) => column), ...custom.map(customColumn)],
      key: config.cdc_mode ? [this.identity] : [],
      payload: "row",
      version: 1,
    };
    this.#writes = shown.map(({ write }) => write);
    this.#tail = encode(
      custom.map(([name, value]) => `,${JSON.stringify(name)}:${valueText(value as Value)}`).join(""),
    );
    this.#maxBytes = shown.reduce((size, { maxBytes }) => size + maxBytes, 2) + this.#tail.length;
    this.#writeIdentity = pattern.fields[0].write;
    this.#key = new Uint8Array(pattern.fields[0].maxBytes + 1);
  }

  /** Writes the row in `row[from…]` as a part of the record that has begun. */
  write(writer: BatchWriter, part: "before" | "after", row: Float64Array, from: number): void {
    writer.beginValue(part);
    writer.reserve(this.#maxBytes);
    const { bytes, at: start } = writer;
    const writes = this.#writes;
    let at = start;
    for (let i = 0; i < writes.length; i++) at = writes[i](bytes, at, row, from);
    bytes.set(this.#tail, at);
    at += this.#tail.length;
    // Every member began with a comma; the first one's place is the brace's.
    bytes[start] = OPEN;
    bytes[at] = CLOSE;
    writer.at = at + 1;
    writer.endValue();
  }

  /** The row's key, `{"order_id":"ORD-00000007"}`; overwritten by the next call. */
  key(row: Float64Array, from: number): Uint8Array {
    let end = this.#writeIdentity(this.#key, 0, row, from);
    this.#key[0] = OPEN;
    this.#key[end++] = CLOSE;
    return this.#key.subarray(0, end);
  }
}

function customColumn([name, value]: [string, Json]): Column {
  return { name, type: customType(value), nullable: value === null };
}

/** The narrowest type that holds a value; for lists and objects `json`. */
function customType(value: Json): ColumnType {
  switch (typeof value) {
    case "string":
      return { kind: "string" };
    case "boolean":
      return { kind: "boolean" };
    case "number":
      return { kind: Number.isInteger(value) ? "int64" : "float64" };
    default:
      return { kind: value === null ? "unknown" : "json" };
  }
}
