/**
 * The types of values and of columns: what a row is made of, in memory. One representation per type, the same for
 * a row of a snapshot and of a stream; how each is written as JSON text is in json_value.ts.
 */

/** Anything JSON can say without loss of meaning: positions, saved states, documents. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [name: string]: Json | undefined;
};

/**
 * A value of a row. int64 and uint64 are `bigint`, decimals, dates and times are text, bytes are `Uint8Array`,
 * float specials are the texts `NaN`, `Infinity` and `-Infinity`.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value };

/** A row: column name → value. An absent name was not sent by the source; `null` is SQL's NULL. */
export type Row = { readonly [name: string]: Value };

/** The type of a column. What is written where is the table in the README of formats/. */
export type ColumnType =
  | {
    readonly kind:
      | "boolean"
      | "int16"
      | "int32"
      | "int64"
      | "uint64"
      | "float32"
      | "float64"
      | "string"
      | "uuid"
      | "bytes"
      | "date"
      | "interval"
      | "json"
      | "unknown";
  }
  /** Text with its scale kept. `precision` and `scale` are undefined where the source does not bound them. */
  | { readonly kind: "decimal"; readonly precision?: number; readonly scale?: number }
  | { readonly kind: "enum" | "set"; readonly values: readonly string[] }
  /** `precision`: digits after the second, 0 to 9. */
  | { readonly kind: "time" | "timetz" | "timestamp" | "timestamptz"; readonly precision: number }
  | { readonly kind: "array"; readonly items: ColumnType }
  | { readonly kind: "struct"; readonly fields: readonly Column[] }
  | { readonly kind: "map"; readonly values: ColumnType };

/** A column of a table, or a field of a struct. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** The source's own name of the type, such as `numeric(12,2)`. */
  readonly nativeType?: string;
  /** The column's default as the source writes it. */
  readonly default?: string;
}
