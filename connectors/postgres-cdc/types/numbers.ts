/** Integers, floating point numbers, numeric and money. */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { ColumnType } from "../../../formats/data/value.ts";
import { type Codec, decode, encode, malformed, spells, type ValueWriter } from "./codec.ts";
import type { TypeOptions } from "./options.ts";

const MINUS = 0x2d, PLUS = 0x2b, POINT = 0x2e, ZERO = 0x30, QUOTE = 0x22;
const TENTHS = encode(".0");

export function integerCodec(typeName: string, kind: "int16" | "int32" | "int64" | "uint64"): Codec {
  return { type: { kind }, write: integerWriter(typeName) };
}

function integerWriter(typeName: string): ValueWriter {
  return (out, source, start, end) => {
    checkInteger(typeName, source, start, end);
    out.digits(source, start, end);
  };
}

/** Refuses what is not an integer as JSON has them. */
export function checkInteger(typeName: string, source: Uint8Array, start: number, end: number): void {
  let i = start;
  if (i < end && source[i] === MINUS) i++;
  if (i === end) throw malformed(typeName, "it has no digits");
  // JSON has no numbers with zeros in front, and neither has the server.
  if (source[i] === ZERO && i + 1 < end) throw malformed(typeName, "it is no integer");
  for (; i < end; i++) {
    if ((source[i] - ZERO) >>> 0 > 9) throw malformed(typeName, "it is no integer");
  }
}

/** int8 and xid8: what does not fit a JavaScript number may be asked for as a string. */
export function bigIntegerCodec(typeName: string, kind: "int64" | "uint64", options: TypeOptions): Codec {
  const asNumber = integerWriter(typeName);
  const asString: ValueWriter = (out, source, start, end) => {
    checkInteger(typeName, source, start, end);
    out.ascii(source, start, end);
  };
  switch (options.bigint_handling) {
    case "number":
      return { type: { kind }, write: asNumber };
    case "string":
      return { type: { kind: "string" }, write: asString };
    case "string_when_unsafe":
      return {
        type: { kind: "unknown" },
        write(out, source, start, end) {
          const isSafe = end - start < 16 || Number.isSafeInteger(Number(decode(source, start, end)));
          (isSafe ? asNumber : asString)(out, source, start, end);
        },
      };
  }
}

/** float4 and float8: the shortest digits that read back as the same number, as the server prints them. */
export function floatCodec(typeName: string, kind: "float32" | "float64"): Codec {
  return {
    type: { kind },
    write: (out, source, start, end) => writeFloat(out, typeName, source, start, end),
  };
}

/** Writes a floating point number, or its name in quotes where JSON has no number for it. */
export function writeFloat(
  out: BatchWriter,
  typeName: string,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  if (isJsonNumber(source, start, end)) {
    out.raw(source, start, end);
    // Servers before 12 print all digits of 1e16. Without a point they would be taken for an integer.
    if (end - start > 15 && !hasPoint(source, start, end)) out.literal(TENTHS);
  } else if (isSpecial(source, start, end)) out.ascii(source, start, end);
  else throw malformed(typeName, "it is no number");
}

function hasPoint(source: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (source[i] === POINT || (source[i] | 0x20) === 0x65) return true;
  }
  return false;
}

function isSpecial(source: Uint8Array, start: number, end: number): boolean {
  return spells(source, start, end, "NaN") || spells(source, start, end, "Infinity") ||
    spells(source, start, end, "-Infinity");
}

/** RFC 8259, section 6. */
function isJsonNumber(source: Uint8Array, start: number, end: number): boolean {
  let i = source[start] === MINUS ? start + 1 : start;
  const first = i;
  i = digitsEnd(source, i, end);
  if (i === first || (source[first] === ZERO && i > first + 1)) return false;
  if (i < end && source[i] === POINT) {
    const fraction = i + 1;
    i = digitsEnd(source, fraction, end);
    if (i === fraction) return false;
  }
  if (i < end && (source[i] | 0x20) === 0x65) {
    i++;
    if (i < end && (source[i] === PLUS || source[i] === MINUS)) i++;
    const exponent = i;
    i = digitsEnd(source, exponent, end);
    if (i === exponent) return false;
  }
  return i === end;
}

function digitsEnd(source: Uint8Array, at: number, end: number): number {
  while (at < end && (source[at] - ZERO) >>> 0 <= 9) at++;
  return at;
}

/** numeric. Its typmod: numeric.c, make_numeric_typmod. */
export function numericCodec(typmod: number, options: TypeOptions): Codec {
  switch (options.decimal_handling) {
    case "precise":
      return { type: decimalType(typmod), write: writeDecimal };
    case "string":
      return { type: { kind: "string" }, write: writeDecimal };
    case "double":
      return { type: { kind: "float64" }, write: writeDouble };
  }
}

/** The precision and scale in a typmod; undefined where the column has none. A scale may be negative. */
export function numericModifier(typmod: number): { precision: number; scale: number } | undefined {
  if (typmod < 4) return undefined;
  const packed = typmod - 4;
  return { precision: packed >> 16 & 0xffff, scale: (packed & 0x7ff ^ 0x400) - 0x400 };
}

/** Readers of schemas want 0 ≤ scale ≤ precision; PostgreSQL also has numeric(3, 5) and numeric(3, -2). */
function decimalType(typmod: number): ColumnType {
  const modifier = numericModifier(typmod);
  if (!modifier) return { kind: "decimal" };
  const { precision, scale } = modifier;
  return scale < 0
    ? { kind: "decimal", precision: precision - scale, scale: 0 }
    : { kind: "decimal", precision: Math.max(precision, scale), scale };
}

const writeDecimal: ValueWriter = (out, source, start, end) => {
  const size = end - start;
  out.reserve(size + 2);
  const { bytes } = out;
  let at = out.at;
  bytes[at++] = QUOTE;
  for (let i = start; i < end; i++) {
    const byte = source[i];
    // "-", ".", "/" and the digits follow each other in ASCII; "/" is in no text of the server.
    if ((byte - MINUS) >>> 0 > 12) {
      if (!isSpecial(source, start, end)) throw malformed("numeric", "it is no number");
      return out.ascii(source, start, end);
    }
    bytes[at++] = byte;
  }
  if (size === 0) throw malformed("numeric", "it has no digits");
  bytes[at++] = QUOTE;
  out.at = at;
};

const writeDouble: ValueWriter = (out, source, start, end) => {
  const text = decode(source, start, end);
  const value = Number(text);
  if (text === "" || (Number.isNaN(value) && text !== "NaN")) throw malformed("numeric", "it is no number");
  writeNumber(out, value);
};

/** A number that stays one: integers of many digits get a point, or they would be read as exact integers. */
function writeNumber(out: BatchWriter, value: number): void {
  out.literal(
    encode(
      !Number.isFinite(value)
        ? `"${value}"`
        : Object.is(value, -0)
        ? "-0"
        : Number.isInteger(value) && Math.abs(value) >= 1e15 && Math.abs(value) < 1e21
        ? `${value}.0`
        : `${value}`,
    ),
  );
}

/** How the server writes 1234567 and -1234567 as money, and with how many digits after the point. */
export interface MoneyFormat {
  readonly positive: string;
  readonly negative: string;
  readonly scale: number;
}

/** money of the C locale. */
export const C_MONEY: MoneyFormat = { positive: "$1,234,567.00", negative: "-$1,234,567.00", scale: 2 };

/**
 * money: a decimal with the scale of the server's lc_monetary, without symbol and groups. The text must be what that
 * locale writes (cash.c, cash_out): a value that was printed under another one is an error, never a wrong number.
 */
export function moneyCodec(format: MoneyFormat, options: TypeOptions): Codec {
  const read = moneyReader(format);
  switch (options.decimal_handling) {
    case "precise":
      return {
        type: { kind: "decimal", precision: 19, scale: format.scale },
        write: (out, source, start, end) => out.string(read(decode(source, start, end))),
      };
    case "string":
      return {
        type: { kind: "string" },
        write: (out, source, start, end) => out.string(read(decode(source, start, end))),
      };
    case "double":
      return {
        type: { kind: "float64" },
        write: (out, source, start, end) => writeNumber(out, Number(read(decode(source, start, end)))),
      };
  }
}

function moneyReader({ positive, negative, scale }: MoneyFormat): (text: string) => string {
  const signs = [moneyPattern(positive, scale), moneyPattern(negative, scale)];
  return (text) => {
    for (let sign = 0; sign < 2; sign++) {
      const match = signs[sign].exec(text);
      if (!match) continue;
      const whole = match[1].replace(/\D/g, "");
      return `${sign === 1 ? "-" : ""}${whole}${scale > 0 ? `.${match[2]}` : ""}`;
    }
    throw malformed("money", "it is not written as the server's lc_monetary does");
  };
}

/** A pattern of texts like the sample; its groups are the whole part and the fraction. */
function moneyPattern(sample: string, scale: number): RegExp {
  const [, before, number, after] = /^([^\d]*)(\d.*\d)([^\d]*)$/s.exec(sample) ?? ["", "", sample, ""];
  const fraction = scale > 0 ? number.slice(-scale) : "";
  const digits = number.slice(0, number.length - fraction.length);
  const point = /\d(\D*)$/.exec(digits)?.[1] ?? "";
  const [, group = "", last = ""] = /\d(\D+)(\d+)$/.exec(digits.slice(0, digits.length - point.length)) ?? [];
  const whole = group === ""
    ? "\\d+"
    : `\\d{1,${last.length}}(?:${RegExp.escape(group)}\\d{${last.length}})*`;
  const rest = scale > 0 ? `${RegExp.escape(point)}(\\d{${scale}})` : "()";
  return new RegExp(`^${RegExp.escape(before)}(${whole})${rest}${RegExp.escape(after)}$`);
}
