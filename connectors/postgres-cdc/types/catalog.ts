/**
 * The types of one database, and for each the codec: what its values are called in a schema and how they are written.
 * The source asks once per column, when a relation appears.
 */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { ColumnType } from "../../../formats/data/value.ts";
import type { TypeOptions } from "./options.ts";

/** Writes one text-format value (not NULL) as JSON; `source[start..end)` is the value as the server prints it. */
export type ValueWriter = (out: BatchWriter, source: Uint8Array, start: number, end: number) => void;

export class TypeCatalog {
  readonly #rows = new Map<number, Readonly<Record<string, string | null>>>();

  constructor(rows: readonly Readonly<Record<string, string | null>>[], _options: TypeOptions) {
    this.add(rows);
  }

  has(oid: number): boolean {
    return this.#rows.has(oid);
  }

  add(rows: readonly Readonly<Record<string, string | null>>[]): void {
    for (const row of rows) this.#rows.set(Number(row.oid), row);
  }

  columnType(oid: number, _typmod: number): ColumnType {
    return { kind: oid === 23 ? "int32" : oid === 20 ? "int64" : "string" };
  }

  nativeType(oid: number, _typmod: number): string {
    return this.#rows.get(oid)?.native ?? `oid ${oid}`;
  }

  writer(oid: number, _typmod: number): ValueWriter {
    if (oid === 23 || oid === 20) return (out, source, start, end) => out.digits(source, start, end);
    return (out, source, start, end) => out.text(source, start, end);
  }
}
