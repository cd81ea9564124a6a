/** Texts of CSV cells as values of typed columns. For csv_rows.ts. */
import { RecordError } from "../../data/errors.ts";
import { parseJson } from "../../data/json_value.ts";
import type { ColumnType, Value } from "../../data/value.ts";

/** Gives a cell's text the type of its column. */
export type CellReader = (text: string) => Value;

const INTEGER_BITS: Readonly<Record<string, number>> = { int16: 16, int32: 32, int64: 64 };
const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  yes: true,
  1: true,
  false: false,
  f: false,
  no: false,
  0: false,
};
const DATE = /^[+-]?\d{4,6}-\d\d-\d\d$/;
const TIME = /^\d\d:\d\d(:\d\d(\.\d{1,9})?)?$/;
const TIMESTAMP =
  /^([+-]?\d{4,6}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/**
 * How cells of a column are read.
 *
 * @param bits of an integer that is narrower than its column
 * @returns a function that throws a RecordError, without the text, where it is no such value
 */
export function cellReader(column: string, type: ColumnType, bits?: number): CellReader {
  const refuse = (): never => {
    throw new RecordError(`A cell of column "${column}" is no ${type.kind}`, { code: "schema_cell" });
  };
  switch (type.kind) {
    case "boolean":
      return (text) => BOOLEANS[text.toLowerCase()] ?? refuse();
    case "int16":
    case "int32":
      return (text) => Number(integer(text, bits ?? INTEGER_BITS[type.kind]) ?? refuse());
    case "int64":
      return (text) => integer(text, 64) ?? refuse();
    case "uint64":
      return (text) => unsigned(text) ?? refuse();
    case "float32":
    case "float64":
      return (text) => float(text) ?? refuse();
    case "decimal":
      return (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) || text === "NaN" ? text : refuse();
    case "bytes":
      return (text) => bytes(text) ?? refuse();
    case "uuid":
      return (text) =>
        /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : refuse();
    case "json":
    case "array":
    case "struct":
    case "map":
      return (text) => {
        const value = json(text);
        // JSON's null is a value.
        return value === undefined ? refuse() : value;
      };
    case "date":
      return (text) => DATE.test(text) ? text : refuse();
    case "time":
      return (text) => TIME.test(text) ? text : refuse();
    case "timestamp":
      return (text) => timestamp(text, false) ?? refuse();
    case "timestamptz":
      return (text) => timestamp(text, true) ?? refuse();
    default:
      return (text) => text;
  }
}

function integer(text: string, bits: number): bigint | undefined {
  if (!/^[+-]?\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text.replace(/^\+/, ""));
  return BigInt.asIntN(bits, value) === value ? value : undefined;
}

function unsigned(text: string): bigint | undefined {
  if (!/^\+?\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text.replace(/^\+/, ""));
  return BigInt.asUintN(64, value) === value ? value : undefined;
}

/** The specials are texts, as everywhere. */
function float(text: string): number | string | undefined {
  const special = /^([+-]?)(?:inf|infinity)$/i.exec(text);
  if (special) return special[1] === "-" ? "-Infinity" : "Infinity";
  if (/^nan$/i.test(text)) return "NaN";
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function bytes(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}

function json(text: string): Value | undefined {
  try {
    return parseJson(text, true);
  } catch {
    return undefined;
  }
}

/** With `T` and seconds; a zone where the column has one, UTC when the text names none. */
function timestamp(text: string, hasZone: boolean): string | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match || (match[3] !== undefined) && !hasZone) return undefined;
  const time = match[2].length === 5 ? `${match[2]}:00` : match[2];
  const zone = !hasZone ? "" : zoneOf(match[3]);
  return `${match[1]}T${time}${zone}`;
}

function zoneOf(zone = "Z"): string {
  if (/^z$/i.test(zone)) return "Z";
  return zone.length === 3 ? `${zone}:00` : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
}
