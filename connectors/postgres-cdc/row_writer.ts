/**
 * Writes the rows of the stream's changes. change_decoder.ts says which; what a row of a message holds is turned into
 * JSON here, value by value, with nothing allocated.
 */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { RecordError } from "../../formats/data/errors.ts";
import { VALUE } from "./pgoutput.ts";
import type { Relation } from "./relations.ts";
import { locateValues } from "./row_values.ts";
import { malformed, wrongCount } from "./stream_errors.ts";
import { unreadableColumn } from "./unreadable_rows.ts";

const decoder = new TextDecoder();

/** Ends the reading of a change that is read again once the types were looked up. */
export class StaleTypes extends Error {
  constructor(readonly relation: Relation) {
    super();
  }
}

export class RowWriter {
  /** Where the values of the two rows of an update lie, by place: kind, start, end. */
  old: Int32Array = new Int32Array(3 * 64);
  new: Int32Array = new Int32Array(3 * 64);
  /** The types were looked up for this change: a value that does not fit is written as text, and noted in `wrong`. */
  isFinal = false;
  wrong: RecordError | undefined;
  readonly #writer: BatchWriter;

  constructor(writer: BatchWriter) {
    this.#writer = writer;
  }

  /**
   * Writes a row as it is read.
   *
   * @param identityOnly columns that are no part of the replica identity were not sent, although they look like NULL
   * @returns places of columns whose value was not sent because it has not changed
   */
  write(
    part: "before" | "after",
    relation: Relation,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    end: number,
    identityOnly: boolean,
  ): number[] | undefined {
    const { columns, isIdentity } = relation;
    const writer = this.#writer;
    const count = view.getInt16(at);
    if (count !== columns.length) throw wrongCount(relation, count);
    at += 2;
    let unavailable: number[] | undefined;
    writer.beginRow(part);
    for (let i = 0; i < count; i++) {
      const kind = bytes[at++];
      if (kind === VALUE.text) {
        const start = at + 4;
        at = start + view.getInt32(at);
        if (at > end || at < start) throw malformed("a value is longer than its message");
        writer.column(columns[i]);
        this.#value(relation, i, bytes, start, at);
      } else if (kind === VALUE.null) {
        if (identityOnly && !isIdentity[i]) continue;
        writer.column(columns[i]);
        writer.null();
      } else if (kind === VALUE.unchanged) (unavailable ??= []).push(this.#unavailable(relation, i));
      else throw malformed(`an unknown kind of value (${kind})`);
    }
    if (at > end) throw malformed("a row is longer than its message");
    writer.endRow();
    return unavailable;
  }

  /**
   * Writes a row from noted places; values that were not sent are taken from `fallback`.
   *
   * @param identityOnly of the old row, which is `places` or `fallback`, only the replica identity was sent; its other
   * columns look like NULL
   */
  writeLocated(
    part: "before" | "after",
    places: Int32Array,
    fallback: Int32Array | undefined,
    relation: Relation,
    bytes: Uint8Array,
    identityOnly: boolean,
  ): number[] | undefined {
    const { columns, isIdentity } = relation;
    const writer = this.#writer;
    let unavailable: number[] | undefined;
    writer.beginRow(part);
    for (let i = 0; i < columns.length; i++) {
      let from = places;
      if (places[i * 3] === VALUE.unchanged && fallback !== undefined && (!identityOnly || isIdentity[i])) {
        from = fallback;
      }
      const kind = from[i * 3];
      if (kind === VALUE.text) {
        writer.column(columns[i]);
        this.#value(relation, i, bytes, from[i * 3 + 1], from[i * 3 + 2]);
      } else if (kind === VALUE.unchanged) (unavailable ??= []).push(this.#unavailable(relation, i));
      else if (fallback !== undefined || !identityOnly || isIdentity[i]) {
        writer.column(columns[i]);
        writer.null();
      }
    }
    writer.endRow();
    return unavailable;
  }
  /** Notes where the values of a row lie. Returns where the row ends. */
  locate(
    which: "old" | "new",
    count: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    end: number,
  ): number {
    if (this.old.length < 3 * count) {
      // Before the first of the two rows, as both are of the same table.
      this.old = new Int32Array(3 * count);
      this.new = new Int32Array(3 * count);
    }
    return locateValues(this[which], count, bytes, view, at, end);
  }

  /** The values by which the row in `new` can be found in its table; undefined: it can't. */
  key({ rowPlaces }: Relation, bytes: Uint8Array): string[] | undefined {
    if (rowPlaces.length === 0) return undefined;
    const key: string[] = [];
    for (const place of rowPlaces) {
      const row = this.new[place * 3] === VALUE.unchanged ? this.old : this.new;
      if (row[place * 3] !== VALUE.text) return undefined;
      key.push(decoder.decode(bytes.subarray(row[place * 3 + 1], row[place * 3 + 2])));
    }
    return key;
  }

  /** A value that has not changed was not sent: writes what the configuration puts in its place, if anything. */
  #unavailable({ columns, placeholders }: Relation, place: number): number {
    const placeholder = placeholders?.[place];
    if (placeholder !== undefined) {
      this.#writer.column(columns[place]);
      this.#writer.literal(placeholder);
    }
    return place;
  }

  #value(relation: Relation, place: number, bytes: Uint8Array, start: number, end: number): void {
    const writer = this.#writer;
    const { at } = writer;
    try {
      relation.writers[place](writer, bytes, start, end);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      if (!this.isFinal) throw new StaleTypes(relation);
      this.wrong ??= unreadableColumn(relation.stream, place, error);
      writer.at = at;
      writer.text(bytes, start, end);
    }
  }
}
