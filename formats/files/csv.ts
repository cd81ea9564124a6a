/**
 * CSV files: RFC 4180, with the delimiters and line ends that other programs want. A value that holds a delimiter, a
 * quote or a line end is quoted; arrays and objects are written as JSON text, bytes as base64.
 */
import { numberText, valueText } from "../data/json_value.ts";
import type { Column, Row, Value } from "../data/value.ts";
import type { FileFormat } from "./file_format.ts";
import { beginRows, type RowWriter } from "./rows.ts";

export interface CsvOptions {
  /** One character. */
  readonly delimiter: string;
  readonly includeHeader: boolean;
  /** One character. */
  readonly quote: string;
  readonly alwaysQuote: boolean;
  readonly lineEnding: "\n" | "\r\n";
  /** What stands for NULL. Where it is empty, an empty text is quoted, so that the two stay two. */
  readonly nullValue: string;
  /** Only these columns, in this order; undefined: all. */
  readonly columns?: readonly string[];
  /** Texts that a spreadsheet would take for a formula get a `'` in front. */
  readonly escapeFormulas: boolean;
  readonly metadataColumns: boolean;
}

/** Texts are collected up to this size. */
const FLUSH_CHARS = 1 << 16;

export function csvFormat(options: CsvOptions): FileFormat {
  const isTab = options.delimiter === "\t";
  return {
    extension: isTab ? ".tsv" : ".csv",
    mediaType: isTab ? "text/tab-separated-values" : "text/csv",
    compressesOutside: true,
    begin: (batch, i, out) =>
      beginRows(batch, i, options, (columns, out) => new CsvWriter(options, columns, out), out),
  };
}

class CsvWriter implements RowWriter {
  readonly #options: CsvOptions;
  readonly #columns: readonly string[];
  readonly #out: (bytes: Uint8Array) => void;
  readonly #special: RegExp;
  #text = "";

  constructor(options: CsvOptions, columns: readonly Column[], out: (bytes: Uint8Array) => void) {
    this.#options = options;
    this.#columns = options.columns ?? columns.map(({ name }) => name);
    this.#out = out;
    const { delimiter, quote } = options;
    this.#special = new RegExp(`[${[delimiter, quote].map(escapeInClass).join("")}\\r\\n]`);
    if (options.includeHeader) this.#line(this.#columns.map((name) => this.#quoted(name)));
  }

  get bufferedBytes(): number {
    return this.#text.length;
  }

  write(row: Row): void {
    this.#line(this.#columns.map((name) => this.#cell(Object.hasOwn(row, name) ? row[name] : null)));
    if (this.#text.length >= FLUSH_CHARS) this.#flush();
  }

  end(): Promise<void> {
    this.#flush();
    return Promise.resolve();
  }

  #line(cells: readonly string[]): void {
    const { delimiter, lineEnding } = this.#options;
    this.#text += cells.join(delimiter) + lineEnding;
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#out(new TextEncoder().encode(this.#text));
    this.#text = "";
  }

  #cell(value: Value): string {
    const { alwaysQuote, nullValue, escapeFormulas } = this.#options;
    if (value === null || value === undefined) return nullValue;
    if (typeof value === "string") {
      return this.#quoted(escapeFormulas && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value);
    }
    const text = typeof value === "number" && Number.isFinite(value)
      ? numberText(value)
      : value instanceof Uint8Array
      ? value.toBase64()
      : typeof value === "object"
      ? valueText(value)
      : String(value);
    return alwaysQuote || this.#special.test(text) ? this.#inQuotes(text) : text;
  }

  /** A text that reads as what it is: never as NULL, and never as more than one cell. */
  #quoted(text: string): string {
    const { alwaysQuote, nullValue } = this.#options;
    return alwaysQuote || text === nullValue || text === "" || this.#special.test(text)
      ? this.#inQuotes(text)
      : text;
  }

  #inQuotes(text: string): string {
    const { quote } = this.#options;
    return quote + text.replaceAll(quote, quote + quote) + quote;
  }
}

function escapeInClass(char: string): string {
  return /[\]\\^-]/.test(char) ? `\\${char}` : char;
}
