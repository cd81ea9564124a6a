/** Avro's primitive and logical types, and which of our values each holds exactly. */
import { valueText } from "../data/json_value.ts";
import type { Value } from "../data/value.ts";
import type { AvroType } from "./avro_encoder.ts";
import type { AvroWriter } from "./avro_writer.ts";
import { decimalParquet } from "./decimal.ts";
import { double, single } from "./float_number.ts";
import { isNot, Misfit } from "./misfit.ts";
import { dateDays, timestampUnits, timeUnits, zonedTimestampUnits } from "./time_number.ts";

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** The types that are a name alone. */
export const PRIMITIVES: Readonly<Record<string, AvroType>> = {
  null: {
    accepts: (value) => value === null,
    write(_writer, value) {
      if (value !== null) throw isNot(value, "NULL");
    },
  },
  boolean: {
    accepts: (value) => typeof value === "boolean",
    write(writer, value) {
      if (typeof value !== "boolean") throw isNot(value, "a boolean");
      writer.byte(value ? 1 : 0);
    },
  },
  int: {
    accepts: (value) => isWhole(value) && BigInt.asIntN(32, BigInt(value)) === BigInt(value),
    write(writer, value) {
      if (!isWhole(value)) throw isNot(value, "a whole number");
      if (value < -0x8000_0000 || value > 0x7fff_ffff) throw new Misfit("it is out of the range of 32 bits");
      writer.integer(Number(value));
    },
  },
  long: {
    accepts: (value) => isWhole(value) && value >= INT64_MIN && value <= INT64_MAX,
    write(writer, value) {
      if (!isWhole(value)) throw isNot(value, "a whole number that is held exactly");
      if (typeof value === "number") return writer.integer(value);
      if (value < INT64_MIN || value > INT64_MAX) throw new Misfit("it is out of the range of 64 bits");
      writer.long(value);
    },
  },
  float: {
    accepts: isNumber,
    write: (writer, value) => writer.float(single(value)),
  },
  double: {
    accepts: isNumber,
    write: (writer, value) => writer.double(double(value)),
  },
  string: {
    accepts: (value) => typeof value === "string" && value.isWellFormed(),
    write(writer, value) {
      if (typeof value !== "string") throw isNot(value, "text");
      if (!value.isWellFormed()) {
        throw new Misfit("it holds half a surrogate pair, which UTF-8 has no bytes for");
      }
      writer.text(value);
    },
  },
  bytes: {
    accepts: (value) => value instanceof Uint8Array,
    write(writer, value) {
      if (!(value instanceof Uint8Array)) throw isNot(value, "bytes");
      writer.bytes(value);
    },
  },
};

interface Definition {
  readonly type: unknown;
  readonly [attribute: string]: unknown;
}

/** Logical types; undefined where one stands on a type that it does not belong to, which readers then ignore as well. */
export const LOGICAL: Readonly<Record<string, (definition: Definition) => AvroType | undefined>> = {
  decimal: decimalType,
  date: ({ type }) => type === "int" ? fromText((writer, text) => writer.integer(dateDays(text))) : undefined,
  "time-millis": ({ type }) =>
    type === "int" ? fromText((writer, text) => writer.integer(Number(millis(dayTime(text))))) : undefined,
  "time-micros": ({ type }) =>
    type === "long" ? fromText((writer, text) => writer.long(dayTime(text))) : undefined,
  "timestamp-millis": longFrom((text) => millis(zonedTimestampUnits(text, 6))),
  "timestamp-micros": longFrom((text) => zonedTimestampUnits(text, 6)),
  "timestamp-nanos": longFrom((text) => zonedTimestampUnits(text, 9)),
  "local-timestamp-millis": longFrom((text) => millis(timestampUnits(text, 6))),
  "local-timestamp-micros": longFrom((text) => timestampUnits(text, 6)),
  "local-timestamp-nanos": longFrom((text) => timestampUnits(text, 9)),
  uuid: ({ type, size }) => {
    if (type !== "fixed" || size !== 16) return undefined;
    return fromText((writer, text) => {
      if (!/^[\da-f]{8}-?([\da-f]{4}-?){3}[\da-f]{12}$/i.test(text)) throw new Misfit("its text is no UUID");
      writer.fixed(Uint8Array.fromHex(text.replaceAll("-", "")));
    });
  },
  /** Ours: JSON text. Readers take what they don't know for the type below. */
  json: ({ type }) => {
    if (type !== "string" && type !== "bytes") return undefined;
    return { accepts: () => true, write: (writer, value) => writer.text(valueText(value)) };
  },
};

function longFrom(units: (text: string) => bigint): (definition: Definition) => AvroType | undefined {
  return ({ type }) => type === "long" ? fromText((writer, text) => writer.long(units(text))) : undefined;
}

function fromText(write: (writer: AvroWriter, text: string) => void): AvroType {
  return {
    accepts: (value) => typeof value === "string",
    write(writer, value) {
      if (typeof value !== "string") throw isNot(value, "text");
      write(writer, value);
    },
  };
}

/** Avro counts what is after midnight and before the next one; PostgreSQL has 24:00:00 as well. */
function dayTime(text: string): bigint {
  const micros = timeUnits(text, 6);
  if (micros < 0n || micros >= 86_400_000_000n) throw new Misfit("it is not within a day");
  return micros;
}

function millis(micros: bigint): bigint {
  if (micros % 1000n !== 0n) throw new Misfit("it is finer than a millisecond");
  return micros / 1000n;
}

function decimalType(definition: Definition): AvroType | undefined {
  const { type, size, precision, scale = 0 } = definition;
  if (type !== "bytes" && type !== "fixed") return undefined;
  if (!Number.isInteger(precision) || !Number.isInteger(scale) || Number(scale) > Number(precision)) {
    throw new SyntaxError("A decimal has a precision, and a scale that is not larger");
  }
  const units = decimalParquet({ kind: "decimal", precision: Number(precision), scale: Number(scale) });
  if (units === undefined) throw new SyntaxError("A decimal has 38 digits at most");
  return {
    accepts: (value) => typeof value === "string" || typeof value === "bigint" || typeof value === "number",
    write(writer, value) {
      const bytes = twosComplement(units.cell(value) as bigint);
      if (type === "bytes") return writer.bytes(bytes);
      if (bytes.length > Number(size)) throw new Misfit(`it does not fit into ${size} bytes`);
      for (let i = bytes.length; i < Number(size); i++) writer.byte(bytes[0] & 0x80 ? 0xff : 0);
      writer.fixed(bytes);
    },
  };
}

/** Big-endian, as few bytes as hold it (Avro 1.12, "Decimal"). */
function twosComplement(value: bigint): Uint8Array {
  // Most are no larger than an int, whose bytes take a fraction of the time.
  if (BigInt.asIntN(32, value) === value) return intBytes(Number(value));
  let size = 5;
  while (BigInt.asIntN(size * 8, value) !== value) size++;
  const bytes = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

function intBytes(value: number): Uint8Array {
  let size = 1;
  while (size < 4 && value << (32 - size * 8) >> (32 - size * 8) !== value) size++;
  const bytes = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at--, rest >>= 8) bytes[at] = rest;
  return bytes;
}

function isWhole(value: Value): value is number | bigint {
  return typeof value === "bigint" ||
    typeof value === "number" && Number.isSafeInteger(value) && !Object.is(value, -0);
}

function isNumber(value: Value): boolean {
  return typeof value === "number" || typeof value === "bigint" && BigInt(Number(value)) === value;
}
