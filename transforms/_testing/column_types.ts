/** Types of columns as examples and tests write them: `int64 key`, `decimal(12,2)`, `array<string> not null`. */
import type { Column, ColumnType } from "../../formats/data/value.ts";

/** A column, and whether it belongs to the key. */
export interface WrittenColumn {
  readonly column: Column;
  readonly isKey: boolean;
}

const PLAIN = [
  "boolean",
  "int16",
  "int32",
  "int64",
  "uint64",
  "float32",
  "float64",
  "string",
  "uuid",
  "bytes",
  "date",
  "interval",
  "json",
  "unknown",
] as const;
const TIMES = ["time", "timetz", "timestamp", "timestamptz"] as const;

/** Digits after the second where a type says nothing: as many as PostgreSQL keeps. */
const DEFAULT_PRECISION = 6;

/**
 * `<type>`, behind it `key` (which is not nullable), `not null` or `null`.
 *
 * @throws {SyntaxError} saying what can't be understood
 */
export function parseColumn(name: string, text: string): WrittenColumn {
  const [, written, mark] = /^(.*?)(?:\s+(key|not null|null))?$/i.exec(text.trim())!;
  const parser = new TypeParser(written);
  const type = parser.type();
  parser.end();
  const isKey = mark?.toLowerCase() === "key";
  return { column: { name, type, nullable: !isKey && mark?.toLowerCase() !== "not null" }, isKey };
}

/** A column's type as parseColumn() reads it. */
export function typeText(type: ColumnType): string {
  switch (type.kind) {
    case "decimal":
      return type.precision === undefined ? "decimal" : `decimal(${type.precision},${type.scale ?? 0})`;
    case "enum":
    case "set":
      return `${type.kind}(${type.values.join(",")})`;
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
      return type.precision === DEFAULT_PRECISION ? type.kind : `${type.kind}(${type.precision})`;
    case "array":
      return `array<${typeText(type.items)}>`;
    case "map":
      return `map<${typeText(type.values)}>`;
    case "struct":
      return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(", ")}>`;
    default:
      return type.kind;
  }
}

class TypeParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  type(): ColumnType {
    const kind = this.#word("a type").toLowerCase();
    const plain = PLAIN.find((one) => one === kind);
    if (plain) return { kind: plain };
    const time = TIMES.find((one) => one === kind);
    if (time) {
      const [digits] = this.#arguments();
      return { kind: time, precision: digits === undefined ? DEFAULT_PRECISION : this.#number(digits) };
    }
    if (kind === "decimal") {
      const [precision, scale] = this.#arguments();
      if (precision === undefined) return { kind };
      return {
        kind,
        precision: this.#number(precision),
        scale: scale === undefined ? 0 : this.#number(scale),
      };
    }
    if (kind === "enum" || kind === "set") return { kind, values: this.#arguments() };
    if (kind === "array" || kind === "map") {
      this.#take("<");
      const inner = this.type();
      this.#take(">");
      return kind === "array" ? { kind, items: inner } : { kind, values: inner };
    }
    if (kind === "struct") return { kind, fields: this.#fields() };
    throw this.#error(`There is no column type "${kind}"`);
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#error(`Nothing is expected behind the type`);
  }

  #fields(): Column[] {
    const fields: Column[] = [];
    this.#take("<");
    do {
      const name = this.#word("a field's name");
      this.#take(":");
      fields.push({ name, type: this.type(), nullable: true });
    } while (this.#takeIf(","));
    this.#take(">");
    return fields;
  }

  #arguments(): string[] {
    if (!this.#takeIf("(")) return [];
    const end = this.#text.indexOf(")", this.#at);
    if (end < 0) throw this.#error('")" is missing');
    const list = this.#text.slice(this.#at, end).split(",").map((one) => one.trim());
    this.#at = end + 1;
    return list;
  }

  #number(text: string): number {
    if (!/^\d+$/.test(text)) throw this.#error(`"${text}" is not a number`);
    return Number(text);
  }

  #word(what: string): string {
    this.#skipBlanks();
    const [word] = /^\w+/.exec(this.#text.slice(this.#at)) ?? [];
    if (word === undefined) throw this.#error(`${what} is missing`);
    this.#at += word.length;
    return word;
  }

  #take(mark: string): void {
    if (!this.#takeIf(mark)) throw this.#error(`"${mark}" is missing`);
  }

  #takeIf(mark: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #error(message: string): SyntaxError {
    return new SyntaxError(`${message}, in "${this.#text}" at column ${this.#at + 1}`);
  }
}
