/**
 * Rows of files with columns (CSV, Avro, Parquet) as records. Where a file has the columns of `metadata_columns: true`
 * (rows.ts writes them) a row becomes the change that it was, else a `record`.
 */
import { type BatchWriter, type WriterColumn, writerColumns } from "../../data/batch_writer.ts";
import { RecordError } from "../../data/errors.ts";
import type { Operation } from "../../data/record.ts";
import type { Stream } from "../../data/stream.ts";
import type { Column, Value } from "../../data/value.ts";
import { METADATA_COLUMNS } from "../rows.ts";
import { GROUP, type TextFile } from "./text_reader.ts";

export interface RowOptions {
  readonly stream: string;
  /** True: the columns that say what a row is are columns like others. */
  readonly isPlain: boolean;
  /** Names of the key's columns; a file that lacks one of them has no key. */
  readonly key: readonly string[];
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  c: "insert",
  u: "update",
  d: "delete",
  r: "snapshot",
};
const META = new Set(METADATA_COLUMNS.map(({ name }) => name));
const utf8 = new TextEncoder();

export class RowRecords {
  readonly stream: Stream;
  readonly #file: TextFile;
  /** By the file's column; undefined: it is no column of the stream. */
  readonly #columns: readonly (WriterColumn | undefined)[];
  readonly #meta: ReadonlyMap<string, number>;

  /** @param columns all that the file has, in its order */
  constructor(columns: readonly Column[], { stream: name, isPlain, key }: RowOptions, file: TextFile) {
    const hasMeta = !isPlain && columns.some(({ name }) => name === "_rivven_op");
    const own = hasMeta ? columns.filter(({ name }) => !META.has(name)) : columns;
    const names = new Set(own.map(({ name }) => name));
    const isKeyed = key.every((name) => names.has(name));
    this.stream = { name, columns: own, key: isKeyed ? key : [], payload: "row", version: 1 };
    this.#file = file;
    const written = writerColumns(this.stream);
    let next = 0;
    this.#columns = columns.map(({ name }) => hasMeta && META.has(name) ? undefined : written[next++]);
    this.#meta = new Map(
      hasMeta ? columns.flatMap(({ name }, i) => META.has(name) ? [[name, i] as const] : []) : [],
    );
  }

  /**
   * Writes a row. The writer must not be full.
   *
   * @param values in the order of the file's columns
   * @throws {RecordError} when what says what it is can't be understood
   */
  write(writer: BatchWriter, values: readonly Value[], index: number): void {
    if (this.#meta.size === 0) {
      writer.begin(this.stream, "record", this.#file.timeMicros, GROUP, index);
      this.#row(writer, "after", values, undefined);
      return writer.end(this.#file.own);
    }
    const operation = OPERATIONS[String(this.#metaOf(values, "_rivven_op"))];
    if (!operation) {
      throw new RecordError("_rivven_op is none of c, u, d and r", { code: "schema_operation" });
    }
    const unavailable = this.#metaOf(values, "_rivven_unavailable");
    const missing = Array.isArray(unavailable) && unavailable.length > 0
      ? unavailable as string[]
      : undefined;
    writer.begin(this.stream, operation, this.#timeOf(values), GROUP, index);
    this.#row(writer, operation === "delete" ? "before" : "after", values, missing && new Set(missing));
    const position = this.#metaOf(values, "_rivven_position");
    if (!missing && typeof position !== "string") return writer.end(this.#file.own);
    const members = [
      ...(missing ? [`,"unavailable_columns":${JSON.stringify(missing)}`] : []),
      ...(typeof position === "string" ? [`,"origin":{"order":${JSON.stringify(position)}}`] : []),
    ];
    const own = new TextDecoder().decode(this.#file.own) + members.join("");
    writer.end(utf8.encode(own));
  }

  #row(
    writer: BatchWriter,
    part: "before" | "after",
    values: readonly Value[],
    missing: ReadonlySet<string> | undefined,
  ): void {
    const columns = this.#columns;
    const names = missing && this.stream.columns!;
    let own = 0;
    writer.beginRow(part);
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      if (!column) continue;
      const name = names?.[own++].name;
      if (name !== undefined && missing!.has(name)) continue;
      writer.column(column);
      writer.value(values[i]);
    }
    writer.endRow();
  }

  #metaOf(values: readonly Value[], name: string): Value | undefined {
    const at = this.#meta.get(name);
    return at === undefined ? undefined : values[at];
  }

  #timeOf(values: readonly Value[]): bigint {
    const text = this.#metaOf(values, "_rivven_ts");
    const [, seconds, digits = ""] = /^(.{19})(?:\.(\d{1,9}))?(?:Z|\+00(?::00)?)$/.exec(String(text)) ?? [];
    const millis = seconds === undefined ? NaN : Date.parse(`${seconds}Z`);
    if (Number.isNaN(millis)) return this.#file.timeMicros;
    return BigInt(millis) * 1000n + BigInt(digits.padEnd(6, "0").slice(0, 6));
  }
}
