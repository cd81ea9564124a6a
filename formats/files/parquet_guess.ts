/**
 * The type of a column that no schema names, from its values: booleans, integers, floats, text and arrays of them. What
 * is mixed, and every object, is JSON text; integers beside floats are floats as long as a float holds them.
 */
import { valueText } from "../data/json_value.ts";
import type { ColumnType, Value } from "../data/value.ts";
import { Misfit } from "./misfit.ts";

/** `safe`: integers that a float64 holds, so they may still become floats. */
export type Guess = "boolean" | "safe" | "int64" | "float64" | "string" | "bytes" | "json" | ArrayGuess;

/** `items` is undefined as long as all arrays were empty or full of null. */
interface ArrayGuess {
  readonly items: Guess | undefined;
}

/** What a value by itself would be; undefined for null. */
export function guessOf(value: Value): Guess | undefined {
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "string":
      return "string";
    case "bigint":
      return value === BigInt.asIntN(64, value) ? isSafe(value) ? "safe" : "int64" : "json";
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? "safe" : "float64";
    default: {
      if (value === null || value === undefined) return undefined;
      if (value instanceof Uint8Array) return "bytes";
      if (!Array.isArray(value)) return "json";
      let items: Guess | undefined;
      for (const item of value) items = unify(items, guessOf(item));
      return items === "json" ? "json" : { items };
    }
  }
}

function isSafe(value: bigint): boolean {
  return value <= 9007199254740991n && value >= -9007199254740991n;
}

/** The narrowest type that holds the values of both. */
export function unify(a: Guess | undefined, b: Guess | undefined): Guess | undefined {
  if (a === b || b === undefined) return a;
  if (a === undefined) return b;
  if (typeof a === "object" && typeof b === "object") {
    const items = unify(a.items, b.items);
    return items === "json" ? "json" : { items };
  }
  if (a === "safe" && (b === "int64" || b === "float64")) return b;
  if (b === "safe" && (a === "int64" || a === "float64")) return a;
  return "json";
}

/** The guess once a file has begun with it: what is not known any better is text. */
export function settled(guess: Guess | undefined): Guess {
  if (guess === undefined) return "string";
  if (guess === "safe") return "int64";
  return typeof guess === "object" ? { items: settled(guess.items) } : guess;
}

export function isSame(a: Guess | undefined, b: Guess | undefined): boolean {
  return a === b || (typeof a === "object" && typeof b === "object" && isSame(a.items, b.items));
}

export function typeOfGuess(guess: Guess): ColumnType {
  if (typeof guess === "object") return { kind: "array", items: typeOfGuess(settled(guess.items)) };
  return { kind: guess === "safe" ? "int64" : guess };
}

/**
 * Whether the value can be held whatever becomes of the guess: as a text, or as JSON text.
 *
 * @throws {Misfit}
 */
export function checkGuessed(value: Value, roughSize: number, maxStringSize: number): void {
  checkTexts(value);
  // JSON text takes up to six bytes for a character, as in \u0000.
  if (roughSize * 6 > maxStringSize && valueText(value).length > maxStringSize) {
    throw new Misfit(`it is longer than max_string_size, which is ${maxStringSize} bytes`);
  }
}

function checkTexts(value: Value): void {
  if (typeof value === "string") checkText(value);
  else if (Array.isArray(value)) value.forEach(checkTexts);
  else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const [name, member] of Object.entries(value)) {
      checkText(name);
      checkTexts(member);
    }
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw new Misfit("half of a surrogate pair has no UTF-8");
}
