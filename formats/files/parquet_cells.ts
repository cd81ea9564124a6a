/**
 * The cells of a row group's column that has no columns inside, in one buffer, as Parquet's plain encoding has them:
 * what is kept as objects until a row group is full makes the heap three times as large, and what is bytes already
 * need not be encoded. parquet_column.ts fills it, parquet_chunk.ts writes it.
 */
import type { SchemaElement } from "npm:hyparquet-writer@0.17.0";
import type { Cell } from "./parquet_type.ts";

const utf8 = new TextEncoder();
/** A decimal that is wider than a number of 64 bits. */
const wide = new DataView(new ArrayBuffer(16));
const wideBytes = new Uint8Array(wide.buffer);

export class FlatCells {
  readonly element: SchemaElement;
  /** Bytes of a value; 0: it stands behind its length in four bytes. A boolean takes one here. */
  readonly width: number;
  /** Cells, of which `values` are not NULL. */
  rows = 0;
  values = 0;
  /** Where the next value goes. */
  #end = 0;
  #levels = new Uint8Array();
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);

  constructor(element: SchemaElement) {
    this.element = element;
    this.width = widthOf(element);
  }

  /** Of each cell 1, or 0 where it is NULL. */
  get levels(): Uint8Array {
    return this.#levels.subarray(0, this.rows);
  }

  /** The values, one behind the other; longer than what is used. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get byteLength(): number {
    return this.#end;
  }

  /** Over the same bytes. */
  get view(): DataView {
    return this.#view;
  }

  /** Where the value behind the one at `at` is. */
  next(at: number): number {
    return at + (this.width || 4 + this.#view.getUint32(at, true));
  }

  push(cell: Cell): void {
    if (this.rows === this.#levels.length) this.#levels = grown(this.#levels, this.rows + 1);
    this.#levels[this.rows++] = cell === null ? 0 : 1;
    if (cell === null) return;
    this.values++;
    this.#put(cell);
  }

  /** Gives the memory back: many files may be open, and few of them be filled. */
  clear(): void {
    this.#levels = freed(this.#levels);
    this.#bytes = freed(this.#bytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.rows = this.values = this.#end = 0;
  }

  #put(cell: Exclude<Cell, null>): void {
    if (this.width === 0) return this.#putBytes(cell as string | Uint8Array);
    this.#reserve(this.width);
    const at = this.#end;
    this.#end += this.width;
    switch (this.element.type) {
      case "BOOLEAN":
        this.#bytes[at] = cell ? 1 : 0;
        return;
      case "INT32":
        return this.#view.setInt32(at, Number(cell), true);
      case "INT64":
        return this.#view.setBigInt64(at, cell as bigint, true);
      case "FLOAT":
        return this.#view.setFloat32(at, cell as number, true);
      case "DOUBLE":
        return this.#view.setFloat64(at, cell as number, true);
      default:
        if (typeof cell === "bigint") {
          wide.setBigInt64(0, cell >> 64n);
          wide.setBigInt64(8, cell);
          this.#bytes.set(wideBytes.subarray(16 - this.width), at);
        } else this.#bytes.set(cell as Uint8Array, at);
    }
  }

  #putBytes(cell: string | Uint8Array): void {
    // A code unit takes three bytes at most.
    this.#reserve(4 + (typeof cell === "string" ? cell.length * 3 : cell.length));
    const start = this.#end + 4;
    let size = cell.length;
    if (typeof cell === "string") size = utf8.encodeInto(cell, this.#bytes.subarray(start)).written;
    else this.#bytes.set(cell, start);
    this.#view.setUint32(this.#end, size, true);
    this.#end = start + size;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    this.#bytes = grown(this.#bytes, this.#end + count);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

function widthOf({ type, type_length }: SchemaElement): number {
  switch (type) {
    case "BOOLEAN":
      return 1;
    case "INT32":
    case "FLOAT":
      return 4;
    case "INT64":
    case "DOUBLE":
      return 8;
    case "FIXED_LEN_BYTE_ARRAY":
      return type_length!;
    default:
      return 0;
  }
}

/** The old buffer goes at once and not with the garbage. */
function grown(bytes: Uint8Array<ArrayBuffer>, least: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer.transfer(Math.max(256, bytes.length * 2, least)));
}

function freed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer.transfer(0));
}
