/**
 * The fields that patterns are made of. A generated row is kept as a few numbers in a Float64Array; a field knows
 * which of them it shows, and how. Fields are made once per source and write bytes, so a row costs no object.
 */
import type { Column, ColumnType } from "../../../formats/data/value.ts";
import { encode, put, putDay, putHex, putHundredths, putInstant, putInteger } from "./text.ts";

/**
 * Writes a field of the row that begins at `row[from]` to `bytes[at]`, and returns where it ended. There must be room
 * for `maxBytes` of the field.
 */
export type WriteField = (bytes: Uint8Array, at: number, row: Float64Array, from: number) => number;

export interface Field {
  readonly column: Column;
  readonly maxBytes: number;
  /** Writes `,"name":value`; the comma of a row's first field is overwritten by its brace. */
  readonly write: WriteField;
}

/** The numbers that every row has: its sequence number and when it was made, in microseconds since 1970. */
export const SEQUENCE = 0;
export const MADE_AT = 1;
/** Where a pattern's own numbers begin; the first of them are its identity. */
export const OWN = 2;

/** One of some texts; the row holds its index. */
export function choice(name: string, slot: number, texts: readonly string[]): Field {
  const members = texts.map((text) => encode(`,${JSON.stringify(name)}:${JSON.stringify(text)}`));
  return {
    column: column(name, { kind: "string" }),
    maxBytes: Math.max(...members.map((member) => member.length)),
    write: (bytes, at, row, from) => put(bytes, at, members[row[from + slot]]),
  };
}

/** An integer from 0. */
export function integer(name: string, slot: number, kind: "int32" | "int64" = "int32"): Field {
  const prefix = prefixOf(name);
  return {
    column: column(name, { kind }),
    maxBytes: prefix.length + 16,
    write: (bytes, at, row, from) => putInteger(bytes, put(bytes, at, prefix), row[from + slot]),
  };
}

/** A text with an integer of at least eight digits at its end: `user_00000007`. */
export function numbered(name: string, slot: number, label: string): Field {
  const prefix = prefixOf(name, `"${label}`);
  return {
    column: column(name, { kind: "string" }),
    maxBytes: prefix.length + 17,
    write(bytes, at, row, from) {
      at = putInteger(bytes, put(bytes, at, prefix), row[from + slot], 8);
      bytes[at] = 0x22;
      return at + 1;
    },
  };
}

/** A text with a drawn value at its end in hex; the row holds the halves, `slot` the upper one. */
export function hex(name: string, slot: number, label: string, digits: 16 | 12 = 16): Field {
  const prefix = prefixOf(name, `"${label}`);
  return {
    column: column(name, { kind: "string" }),
    maxBytes: prefix.length + 17,
    write(bytes, at, row, from) {
      at = putHex(bytes, put(bytes, at, prefix), row[from + slot], 8);
      at = putHex(bytes, at, row[from + slot + 1], digits - 8);
      bytes[at] = 0x22;
      return at + 1;
    },
  };
}

/** A number with up to two decimals; the row holds hundredths. */
export function hundredths(name: string, slot: number): Field {
  const prefix = prefixOf(name);
  return {
    column: column(name, { kind: "float64" }),
    maxBytes: prefix.length + 20,
    write: (bytes, at, row, from) => putHundredths(bytes, put(bytes, at, prefix), row[from + slot]),
  };
}

/** A double out of a few hundred different ones, in its shortest digits. */
export function float(name: string, slot: number): Field {
  const prefix = prefixOf(name);
  return {
    column: column(name, { kind: "float64" }),
    maxBytes: prefix.length + 24,
    write: (bytes, at, row, from) => putFloat(bytes, put(bytes, at, prefix), row[from + slot]),
  };
}

/** A boolean; the row holds 0 or 1. */
export function truth(name: string, slot: number): Field {
  const members = [encode(`,${JSON.stringify(name)}:false`), encode(`,${JSON.stringify(name)}:true`)];
  return {
    column: column(name, { kind: "boolean" }),
    maxBytes: members[0].length,
    write: (bytes, at, row, from) => put(bytes, at, members[row[from + slot]]),
  };
}

/** A date; the row holds the day since 1970. */
export function date(name: string, slot: number): Field {
  const prefix = prefixOf(name, '"');
  return {
    column: column(name, { kind: "date" }),
    maxBytes: prefix.length + 12,
    write(bytes, at, row, from) {
      at = putDay(bytes, put(bytes, at, prefix), row[from + slot]);
      bytes[at] = 0x22;
      return at + 1;
    },
  };
}

/** An instant; the row holds microseconds since 1970. */
export function instant(name: string, slot: number): Field {
  const prefix = prefixOf(name);
  return {
    column: column(name, { kind: "timestamptz", precision: 6 }),
    maxBytes: prefix.length + 36,
    write: (bytes, at, row, from) => putInstant(bytes, put(bytes, at, prefix), row[from + slot]),
  };
}

/** `,"name":` and what else stands before the part that varies. */
export function prefixOf(name: string, opening = ""): Uint8Array {
  return encode(`,${JSON.stringify(name)}:${opening}`);
}

/** A column that is never null. */
export function column(name: string, type: ColumnType): Column {
  return { name, type, nullable: false };
}

const floats = new Map<number, Uint8Array>();

/** A double in its shortest digits, remembered. */
export function putFloat(bytes: Uint8Array, at: number, value: number): number {
  let text = floats.get(value);
  if (text === undefined) {
    if (floats.size > 8192) floats.clear();
    floats.set(value, text = encode(String(value)));
  }
  return put(bytes, at, text);
}
