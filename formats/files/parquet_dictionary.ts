/** Finds out whether a column of a row group has few values, each many times. parquet_chunk.ts asks. */
import type { FlatCells } from "./parquet_cells.ts";

export interface Dictionary {
  /** Different values, in the order in which they came first. */
  readonly size: number;
  /** These values in plain encoding. */
  readonly bytes: Uint8Array;
  /** Of each value that is not NULL its number in the dictionary; valid until the next is made. */
  readonly indexes: Uint32Array;
}

/** One of each for all columns: entry + 1 by hash, where an entry's value is, and the entry of each value. */
let slots = new Uint32Array(1 << 12);
let starts = new Uint32Array(1 << 10);
let indexes = new Uint32Array(1 << 10);

/**
 * A dictionary, where with the numbers of its entries it takes half of the bytes that the values take by themselves.
 * Values are the same when their bytes are: 0 and −0 are two.
 *
 * @param maxBytes of its values
 */
export function dictionaryOf(cells: FlatCells, maxBytes: number): Dictionary | undefined {
  const { byteLength, values } = cells;
  const prefix = cells.width === 0 ? 4 : 0;
  reserve(values);
  const mask = slots.length - 1;
  slots.fill(0);
  let size = 0;
  let entryBytes = 0;
  for (let i = 0, at = 0, next = 0; i < values; i++, at = next) {
    next = cells.next(at);
    let slot = hashOf(cells, at, next) & mask;
    while (slots[slot] !== 0 && !isSame(cells, starts[slots[slot] - 1], at, next)) slot = (slot + 1) & mask;
    if (slots[slot] === 0) {
      entryBytes += next - at;
      // It has become too large for whatever may follow.
      if (2 * entryBytes > byteLength || entryBytes - prefix * (size + 1) > maxBytes) return undefined;
      starts[size++] = at;
      slots[slot] = size;
    }
    indexes[i] = slots[slot] - 1;
  }
  if (size === 0 || 2 * (entryBytes + Math.ceil(values * bitWidth(size) / 8)) > byteLength) return undefined;
  return { size, bytes: entriesOf(cells, size, entryBytes), indexes: indexes.subarray(0, values) };
}

/** Bits of the number of an entry. */
export function bitWidth(size: number): number {
  return 32 - Math.clz32(size - 1);
}

function reserve(values: number): void {
  if (indexes.length < values) {
    indexes = new Uint32Array(values * 2);
    starts = new Uint32Array(values * 2);
  }
  if (slots.length < values * 2) slots = new Uint32Array(1 << (32 - Math.clz32(values * 2)));
}

/** By Fowler, Noll and Vo, a word at a time where values are numbers; the high bits are mixed in at the end. */
function hashOf({ bytes, view, width }: FlatCells, at: number, next: number): number {
  let hash = 0x811c9dc5;
  if (width === 4 || width === 8) {
    for (; at < next; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x01000193);
  } else {
    for (; at < next; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

/** Lengths are compared with the values that they stand in front of. */
function isSame({ bytes, width, view }: FlatCells, entry: number, at: number, next: number): boolean {
  if (width === 0 && view.getUint32(entry, true) !== next - at - 4) return false;
  while (at < next && bytes[entry] === bytes[at]) {
    entry++;
    at++;
  }
  return at === next;
}

function entriesOf(cells: FlatCells, size: number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let end = 0;
  for (let i = 0; i < size; i++) {
    const value = cells.bytes.subarray(starts[i], cells.next(starts[i]));
    bytes.set(value, end);
    end += value.length;
  }
  return bytes;
}
