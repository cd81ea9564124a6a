/** Values of rows ↔ their JSON text: exact where `JSON.parse` would round, typed where JSON has no type. */
import type { Column, ColumnType, Row, Value } from "./value.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses one JSON value. With `exact`, integers beyond 2^53 come out as bigint (at eight times the cost).
 *
 * @throws {SyntaxError} when the text is not JSON
 * @throws {TypeError} when the bytes are not UTF-8
 */
export function parseJson(json: Uint8Array | string, exact: boolean): Value {
  const text = typeof json === "string" ? json : decoder.decode(json);
  return exact ? JSON.parse(text, keepBigIntegers) : JSON.parse(text);
}

function keepBigIntegers(_name: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** Whether a parsed value has a number that may have been an integer beyond 2^53. */
export function hasRounded(value: Value): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return value !== null && typeof value === "object" && Object.values(value).some(hasRounded);
}

/** Gives parsed JSON back the types that the columns name: bigint for int64, Uint8Array for bytes. Changes `row`. */
export type Restore = (value: Value) => Value;

/** How values of a type are restored after parsing; undefined when JSON already has them right. */
export function restoreOf(type: ColumnType): Restore | undefined {
  switch (type.kind) {
    case "int64":
    case "uint64":
      return (value) => typeof value === "number" ? BigInt(value) : value;
    case "float32":
    case "float64":
      // The exact parser, when something else in the batch needs it, takes 1e20 in digits for an integer.
      return (value) => typeof value === "bigint" ? Number(value) : value;
    case "bytes":
      return (value) => typeof value === "string" ? Uint8Array.fromBase64(value) : value;
    case "array": {
      const restore = restoreOf(type.items);
      return restore && ((value) => restoreItems(value, restore));
    }
    case "map": {
      const restore = restoreOf(type.values);
      return restore && ((value) => restoreEach(value, () => restore));
    }
    case "struct": {
      const restores = restoresOf(type.fields);
      return restores && ((value) => restoreEach(value, (name) => restores.get(name)));
    }
    default:
      return undefined;
  }
}

/** The restores of the columns that need one; undefined when none does. */
export function restoresOf(columns: readonly Column[]): Map<string, Restore> | undefined {
  const restores = new Map<string, Restore>();
  for (const { name, type } of columns) {
    const restore = restoreOf(type);
    if (restore) restores.set(name, restore);
  }
  return restores.size > 0 ? restores : undefined;
}

/** Restores a freshly parsed row in place. */
export function restoreRow(row: Row, restores: Map<string, Restore>): void {
  const target = row as Record<string, Value>;
  for (const [name, restore] of restores) {
    const value = target[name];
    if (value === null || value === undefined || !Object.hasOwn(target, name)) continue;
    target[name] = restore(value);
  }
}

/** Arrays may be nested to any depth with one item type, as PostgreSQL's are. */
function restoreItems(value: Value, restore: Restore): Value {
  if (!Array.isArray(value)) return value === null ? null : restore(value);
  return value.map((item) => restoreItems(item, restore));
}

/** In place: the members of a freshly parsed object are its own, whatever their names, `__proto__` included. */
function restoreEach(value: Value, restoreFor: (name: string) => Restore | undefined): Value {
  if (value === null || typeof value !== "object") return value;
  const members = value as Record<string, Value>;
  for (const name of Object.keys(members)) {
    const restore = restoreFor(name);
    if (restore && members[name] !== null) members[name] = restore(members[name]);
  }
  return value;
}

/**
 * A number as JSON has it, or the quoted name of what JSON has not; −0 keeps its sign. Large ones get an exponent,
 * so that they don't look like an integer whose digits all count.
 */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return "-0";
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
}

/** The JSON text of a value: bigint as digits, bytes as base64. */
export function valueText(value: Value | undefined): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return numberText(value);
    case "bigint":
    case "boolean":
      return String(value);
    case "undefined":
      return "null";
    default:
      if (value === null) return "null";
      if (value instanceof Uint8Array) return `"${value.toBase64()}"`;
      if (Array.isArray(value)) return `[${value.map(valueText).join(",")}]`;
      return rowText(value as Row);
  }
}

/** Most rows hold nothing that `JSON.stringify` writes in another way, which takes a quarter of the time. */
function rowText(row: Row): string {
  const plain = asPlainJson(row);
  return plain === undefined ? membersText(row, Object.keys(row)) : JSON.stringify(plain);
}

/** The row with small integers as numbers; undefined where it holds what has a text of its own. */
function asPlainJson(row: Row): Row | undefined {
  let copy: Record<string, Value> | undefined;
  for (const name in row) {
    const value = row[name];
    switch (typeof value) {
      case "string":
      case "boolean":
      case "undefined":
        break;
      case "number":
        if (
          Number.isInteger(value)
            ? !Number.isSafeInteger(value) || Object.is(value, -0)
            : !Number.isFinite(value)
        ) {
          return undefined;
        }
        break;
      case "bigint":
        if (value > MAX_SAFE || value < -MAX_SAFE) return undefined;
        (copy ??= { ...row })[name] = Number(value);
        break;
      default: {
        if (value === null) break;
        if (Array.isArray(value) || value instanceof Uint8Array) return undefined;
        const plain = asPlainJson(value as Row);
        if (plain === undefined) return undefined;
        if (plain !== value) (copy ??= { ...row })[name] = plain;
      }
    }
  }
  return copy ?? row;
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The members of `row` with these names, in their order; a name that the row has not is left out. */
export function membersText(row: Row, names: readonly string[]): string {
  let text = "";
  for (const name of names) {
    if (!Object.hasOwn(row, name) || row[name] === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${valueText(row[name])}`;
  }
  return `{${text}}`;
}

/** Whether some integer in the value needs the exact parser; numbers are exact as they are. */
export function needsExact(value: Value | undefined): boolean {
  if (typeof value === "bigint") return value > 999_999_999_999_999n || value < -999_999_999_999_999n;
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return false;
  return Object.values(value as Row).some(needsExact);
}
