/** The whole row in one field: the work of hoist_field. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { asJson, keyWithoutColumns } from "../_shared/json_values.ts";
import { withParts } from "../_shared/parts.ts";
import { setMember } from "../_shared/paths.ts";
import { eachRecord, isRowRecord } from "../_shared/records.ts";
import type { HoistFieldConfig } from "./definition.ts";

export function openTransform({ field }: HoistFieldConfig): Transform {
  const wrapped = (value: Value) => {
    const row: Record<string, Value> = {};
    setMember(row, field, value);
    return row;
  };
  return {
    stream(stream) {
      const { columns, payload } = stream;
      if (!columns) return payload === "bytes" ? { ...stream, payload: "json" } : stream;
      return {
        ...stream,
        columns: [{ name: field, type: { kind: "struct", fields: columns }, nullable: true }],
      };
    },
    apply: eachRecord((record): DataRecord => {
      const key = keyWithoutColumns(record.key, record.stream);
      const { before, after, unavailable, stream } = record;
      // A tombstone may have the row that is gone.
      if (!isRowRecord(record)) return withParts(record, key, before && wrapped(before), after);
      return withParts(
        record,
        key,
        before && wrapped(before),
        after === undefined ? undefined : wrapped(stream.columns ? after : asJson(after)),
        unavailable?.map((name) => `${field}.${name}`),
      );
    }),
  };
}
