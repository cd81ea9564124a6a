/**
 * CSV files (RFC 4180, with other delimiters and quotes): a row is one record. The header is read beforehand, by
 * `CsvCells`, since reading may begin anywhere.
 */
import type { BatchWriter } from "../../data/batch_writer.ts";
import { parseColumnType } from "../../data/column_type.ts";
import { RecordError } from "../../data/errors.ts";
import type { Column } from "../../data/value.ts";
import { METADATA_COLUMNS } from "../rows.ts";
import { type CellReader, cellReader } from "./cell.ts";
import { type RowOptions, RowRecords } from "./row_records.ts";
import { MAX_REJECTED, TextBuffer, type TextFile, type TextReader } from "./text_reader.ts";

export interface CsvReadOptions {
  /** One character of ASCII each. */
  readonly delimiter: string;
  readonly quote: string;
  /** A cell without quotes that says this is NULL. */
  readonly nullValue: string;
  /** The first row has names, and is no record. */
  readonly hasHeader: boolean;
  readonly maxBytes: number;
}

const NEWLINE = 0x0a, RETURN = 0x0d;
const MARK_BYTES = 3;
const NO_BYTES = new Uint8Array();
const strict = new TextDecoder("utf-8", { fatal: true });

/** The rows of a file as cells. */
export class CsvCells extends TextBuffer {
  /** The last row's cells; undefined: NULL. */
  cells: readonly (string | undefined)[] = [];
  rejected: Uint8Array = NO_BYTES;
  protected readonly options: CsvReadOptions;
  readonly #quote: number;
  readonly #delimiter: number;
  /** Up to here in `bytes` the row is read, with what the next three say. */
  #scanned = 0;
  #isQuoted = false;
  #isCellStart = true;
  /** Up to here there is no quote. */
  #noQuoteBefore = 0;
  /** Of a row that is too long: how much of it is gone already. */
  #dropped = 0;

  constructor(options: CsvReadOptions, offset: number, count: number) {
    super(offset, count);
    this.options = options;
    this.#quote = options.quote.charCodeAt(0);
    this.#delimiter = options.delimiter.charCodeAt(0);
  }

  /** @throws {RecordError} when the row is too large, or no UTF-8 */
  nextCells(isEnd: boolean, skipsEmpty: boolean): boolean {
    for (;;) {
      const end = this.#rowEnd(isEnd);
      if (end >= 0) {
        if (this.#take(end, end - this.from > this.options.maxBytes, skipsEmpty)) return true;
        continue;
      }
      if (this.#dropped === 0 && this.to - this.from <= this.options.maxBytes) return false;
      // A quote that is never closed takes in everything: only the line that has it is given up.
      const line = this.bytes.indexOf(NEWLINE, this.from);
      if (line >= 0 && line < this.to) this.#take(line, true, skipsEmpty);
      if (isEnd) this.#take(this.to, true, skipsEmpty);
      this.#drop();
      return false;
    }
  }

  protected override moved(by: number): void {
    this.#scanned -= by;
    this.#noQuoteBefore = Math.max(0, this.#noQuoteBefore - by);
  }

  /** The row from here to `end`. @returns false: it is empty */
  #take(end: number, isTooLong: boolean, skipsEmpty: boolean): boolean {
    const { from, bytes, offset } = this;
    const hasLineEnd = end < this.to;
    const cut = end > from && bytes[end - 1] === RETURN ? end - 1 : end;
    const row = bytes.subarray(Math.min(cut, this.#hasMark() ? from + MARK_BYTES : from), cut);
    this.start = offset;
    this.pass(end - from + (hasLineEnd ? 1 : 0));
    const isDropped = this.#dropped > 0;
    this.offset += this.#dropped;
    this.#dropped = 0;
    this.count++;
    this.#scanned = this.from;
    this.#isQuoted = false;
    this.#isCellStart = true;
    if (isTooLong || isDropped) {
      if (!isDropped) this.rejected = row.slice(0, MAX_REJECTED);
      throw new RecordError(`Row ${this.count} is longer than max_line_bytes (${this.options.maxBytes})`, {
        code: "serialization_line_too_long",
      });
    }
    if (row.length === 0 && skipsEmpty) return false;
    let text: string;
    try {
      text = strict.decode(row);
    } catch {
      this.rejected = row.slice(0, MAX_REJECTED);
      throw new RecordError(`Row ${this.count} is no UTF-8`, { code: "serialization_csv" });
    }
    this.cells = cellsOf(text, this.options);
    this.rejected = row;
    return true;
  }

  #drop(): void {
    if (this.#dropped === 0) {
      this.rejected = this.bytes.slice(this.from, Math.min(this.to, this.from + MAX_REJECTED));
    }
    this.#dropped += this.to - this.from;
    this.from = this.#scanned = this.to;
    this.#isQuoted = false;
  }

  /** Where the row ends, at its line end or at the end of the file; -1: it is not complete. */
  #rowEnd(isEnd: boolean): number {
    const { bytes, to } = this;
    let at = this.#scanned;
    if (at === this.from && this.#hasMark()) {
      if (to < at + MARK_BYTES) return -1;
      at += MARK_BYTES;
    }
    if (at <= this.from + MARK_BYTES && !this.#isQuoted) {
      const line = bytes.indexOf(NEWLINE, at);
      if (line >= 0 && line < to && !this.#hasQuote(at, line)) return line;
    }
    for (; at < to; at++) {
      const byte = bytes[at];
      if (this.#isQuoted) {
        if (byte !== this.#quote) continue;
        // Whether it is doubled only the next byte tells.
        if (at + 1 === to && !isEnd) break;
        if (at + 1 < to && bytes[at + 1] === this.#quote) at++;
        else this.#isQuoted = false;
      } else if (byte === NEWLINE) return at;
      else if (byte === this.#quote && this.#isCellStart) {
        this.#isQuoted = true;
        this.#isCellStart = false;
      } else this.#isCellStart = byte === this.#delimiter;
    }
    this.#scanned = at;
    return isEnd && at > this.from && !this.#isQuoted ? to : -1;
  }

  /** A byte order mark before the first row. */
  #hasMark(): boolean {
    const { bytes, from, offset } = this;
    return offset === 0 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf;
  }

  #hasQuote(from: number, to: number): boolean {
    if (to <= this.#noQuoteBefore) return false;
    const quote = this.bytes.indexOf(this.#quote, Math.max(from, this.#noQuoteBefore));
    this.#noQuoteBefore = quote < 0 || quote >= this.to ? this.to : quote;
    return this.#noQuoteBefore < to;
  }
}

/** The rows of a file as records. */
export class CsvRows extends CsvCells implements TextReader {
  readonly #records: RowRecords;
  readonly #readers: readonly CellReader[];
  readonly #isSingle: boolean;

  /** @param columns those of the header, or what stands in for it */
  constructor(
    options: CsvReadOptions & RowOptions,
    columns: readonly CsvColumn[],
    file: TextFile,
    offset: number,
    count: number,
  ) {
    super(options, offset, count);
    this.#records = new RowRecords(columns, options, file);
    this.#readers = columns.map(({ name, type, bits }) => cellReader(name, type, bits));
    this.#isSingle = columns.length === 1;
  }

  next(isEnd: boolean): boolean {
    // Of a table with one column an empty line is a row: its value is NULL.
    const skipsEmpty = !this.#isSingle;
    if (this.offset > 0 || !this.options.hasHeader) return this.nextCells(isEnd, skipsEmpty);
    return this.nextCells(isEnd, false) && this.nextCells(isEnd, skipsEmpty);
  }

  write(writer: BatchWriter): void {
    const { cells } = this;
    const readers = this.#readers;
    if (cells.length !== readers.length) {
      throw this.#refused(
        new RecordError(`it has ${cells.length} cells for ${readers.length} columns`, {
          code: "schema_columns",
        }),
      );
    }
    try {
      const values = cells.map((cell, i) => cell === undefined ? null : readers[i](cell));
      this.#records.write(writer, values, this.start);
    } catch (error) {
      throw error instanceof RecordError ? this.#refused(error) : error;
    }
  }

  #refused({ message, code }: RecordError): RecordError {
    this.rejected = this.rejected.slice(0, MAX_REJECTED);
    return new RecordError(`Row ${this.count} can't be read: ${message}`, { code });
  }
}

/** A column, and the width of an integer that is narrower than its type. */
export type CsvColumn = Column & { readonly bits?: number };

/**
 * The columns of a file by their names.
 *
 * @param types by name, as people write them; other columns are text
 */
export function csvColumns(names: readonly string[], types: Readonly<Record<string, string>>): CsvColumn[] {
  const known = new Map(METADATA_COLUMNS.map((column) => [column.name, column]));
  return names.map((name) => {
    const written = Object.hasOwn(types, name) ? parseColumnType(types[name]) : undefined;
    if (written) return { name, type: written.type, nullable: true, bits: written.bits };
    return known.get(name) ?? { name, type: { kind: "string" }, nullable: true };
  });
}

function cellsOf(row: string, { delimiter, quote, nullValue }: CsvReadOptions): (string | undefined)[] {
  if (!row.includes(quote)) {
    return row.split(delimiter).map((cell) => cell === nullValue ? undefined : cell);
  }
  const cells: (string | undefined)[] = [];
  for (let at = 0;;) {
    if (row[at] === quote) {
      let text = "";
      let end = row.indexOf(quote, ++at);
      while (end >= 0 && row[end + 1] === quote) {
        text += row.slice(at, end + 1);
        at = end + 2;
        end = row.indexOf(quote, at);
      }
      if (end < 0) end = row.length;
      text += row.slice(at, end);
      // What stands behind the closing quote belongs to the text, as most programs have it.
      const next = row.indexOf(delimiter, end + 1);
      cells.push(text + row.slice(end + 1, next < 0 ? row.length : next));
      if (next < 0) return cells;
      at = next + 1;
      continue;
    }
    const next = row.indexOf(delimiter, at);
    const cell = row.slice(at, next < 0 ? row.length : next);
    cells.push(cell === nullValue ? undefined : cell);
    if (next < 0) return cells;
    at = next + 1;
  }
}
