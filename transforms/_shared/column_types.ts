/** Types of columns in configs of transforms. */
import type { Column, ColumnType, Value } from "../../formats/data/value.ts";

export { COLUMN_TYPE_NAMES, parseColumnType, type WrittenType } from "../../formats/data/column_type.ts";

/** A value of a pipeline file as a column holds it, with the column's type: integers are int64, lists and maps JSON. */
export function typedValue(value: Value): { type: ColumnType; value: Value } {
  switch (typeof value) {
    case "boolean":
      return { type: { kind: "boolean" }, value };
    case "string":
      return { type: { kind: "string" }, value };
    case "number":
      return Number.isSafeInteger(value)
        ? { type: { kind: "int64" }, value: BigInt(value) }
        : { type: { kind: "float64" }, value };
    default:
      return { type: { kind: value === null ? "unknown" : "json" }, value };
  }
}

/** A column that a transform adds. */
export function addedColumn(name: string, type: ColumnType, nullable = true): Column {
  return { name, type, nullable };
}
