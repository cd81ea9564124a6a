/** Which of two values is greater, by what is known of their types: compile.ts picks a comparison once per stream. */
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { compareInstants, type Instant, parseInstant } from "./instants.ts";
import { compareNumbers, isNumeric } from "./numbers.ts";

/** How values of a type compare. `any`: it shows only at each value. */
export type ValueClass = "number" | "instant" | "uuid" | "any";

/** −1, 0, 1; NaN where the two can't be compared, so that they are unequal and neither is greater. */
export type Order = (a: Value, b: Value) => number;

/** Something to compare: its class, and its value where it is a constant. */
export interface Side {
  readonly class: ValueClass;
  readonly constant?: Value;
}

/** The class of a column. */
export function classOf(type: ColumnType | undefined): ValueClass {
  switch (type?.kind) {
    case "int16":
    case "int32":
    case "int64":
    case "uint64":
    case "float32":
    case "float64":
    case "decimal":
      return "number";
    case "date":
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
      return "instant";
    case "uuid":
      return "uuid";
    default:
      return "any";
  }
}

/** The comparison for two sides. */
export function orderOf(a: Side, b: Side): Order {
  if (a.class === "number" || b.class === "number") return numberOrder(numberReader(a), numberReader(b));
  if (a.class === "instant" || b.class === "instant") return instantOrder(instantReader(a), instantReader(b));
  if (a.class === "uuid" || b.class === "uuid") return uuidOrder;
  return compareValues;
}

type NumberReader = (value: Value) => number | bigint | string | undefined;

/** A text counts as a number where it is a column of numbers or written in the expression, and nowhere else. */
function numberReader(side: Side): NumberReader {
  const takesText = side.class === "number" || typeof side.constant === "string";
  if (typeof side.constant === "string" && !isNumeric(side.constant)) return () => undefined;
  return (value) =>
    typeof value === "number" || typeof value === "bigint" || takesText && typeof value === "string"
      ? value
      : undefined;
}

function numberOrder(readA: NumberReader, readB: NumberReader): Order {
  return (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
    const [x, y] = [readA(a), readB(b)];
    return x === undefined || y === undefined ? NaN : compareNumbers(x, y);
  };
}

type InstantReader = (value: Value) => Instant | undefined;

function instantReader({ constant }: Side): InstantReader {
  if (typeof constant === "string") {
    const instant = parseInstant(constant);
    return () => instant;
  }
  return (value) => typeof value === "string" ? parseInstant(value) : undefined;
}

function instantOrder(readA: InstantReader, readB: InstantReader): Order {
  return (a, b) => {
    const [x, y] = [readA(a), readB(b)];
    return x === undefined || y === undefined ? NaN : compareInstants(x, y);
  };
}

const uuidOrder: Order = (a, b) =>
  typeof a === "string" && typeof b === "string" ? compareTexts(a.toLowerCase(), b.toLowerCase()) : NaN;

/** Values of unknown type: like with like; a text is never a number. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === "string") return typeof b === "string" ? compareTexts(a, b) : NaN;
  if (typeof a === "number" || typeof a === "bigint") {
    return typeof b === "number" || typeof b === "bigint" ? compareNumbers(a, b) : NaN;
  }
  if (typeof a === "boolean") return typeof b === "boolean" ? Number(a) - Number(b) : NaN;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? compareBytes(a, b) : NaN;
  return isSame(a, b) ? 0 : NaN;
}

/** By code point: UTF-16 sorts characters above U+FFFF before U+E000. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return place(x) < place(y) ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

function place(unit: number): number {
  return unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return Math.sign(a.length - b.length);
}

/** The same JSON: members in any order, numbers by value. */
export function isSame(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") {
    return a !== undefined && b !== undefined && a !== null && b !== null && isSameScalar(a, b);
  }
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && compareBytes(a, b) === 0;
  }
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((item, i) => isSame(item, b[i]));
  }
  const [x, y] = [a as { [name: string]: Value }, b as { [name: string]: Value }];
  const names = Object.keys(x);
  return names.length === Object.keys(y).length &&
    names.every((name) => Object.hasOwn(y, name) && isSame(x[name], y[name]));
}

function isSameScalar(a: Value, b: Value): boolean {
  return typeof a !== "object" && typeof b !== "object" && compareValues(a, b) === 0;
}
