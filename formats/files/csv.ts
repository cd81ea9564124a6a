/**
 * CSV files: RFC 4180, with the delimiters and line ends that other programs want. A value that holds a delimiter, a
 * quote or a line end is quoted; arrays and objects are written as JSON text, bytes as base64.
 */
import { RecordError } from "../data/errors.ts";
import { numberText, valueText } from "../data/json_value.ts";
import type { Column, Row, Value } from "../data/value.ts";
import type { FileFormat } from "./file_format.ts";
import { beginRows, METADATA_COLUMNS, type RowWriter } from "./rows.ts";

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
  /** Only these columns of the table, in this order; undefined: all. One that a table has not is NULL. */
  readonly columns?: readonly string[];
  /** Texts that a spreadsheet would take for a formula get a `'` in front; numbers never do. */
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
      beginRows(
        batch,
        i,
        { ...options, takesAnyName: options.columns !== undefined },
        (columns, out) => new CsvWriter(options, columns, out),
        out,
      ),
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
    this.#columns = chosenColumns(options) ?? columns.map(({ name }) => name);
    this.#out = out;
    const { delimiter, quote } = options;
    this.#special = new RegExp(`[${[delimiter, quote].map(escapeInClass).join("")}\\r\\n]`);
    if (options.includeHeader) this.#text = this.#line(this.#columns.map((name) => this.#quoted(name)));
  }

  get bufferedBytes(): number {
    return this.#text.length;
  }

  write(row: Row): void {
    const line = this.#line(
      this.#columns.map((name) => this.#cell(Object.hasOwn(row, name) ? row[name] : null)),
    );
    if (!line.isWellFormed()) {
      throw new RecordError("A text holds half a surrogate pair, which UTF-8 has no bytes for", {
        code: "schema_text",
      });
    }
    this.#text += line;
    if (this.#text.length >= FLUSH_CHARS) this.#flush();
  }

  end(): Promise<void> {
    this.#flush();
    return Promise.resolve();
  }

  #line(cells: readonly string[]): string {
    const { delimiter, lineEnding } = this.#options;
    return cells.join(delimiter) + lineEnding;
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#out(new TextEncoder().encode(this.#text));
    this.#text = "";
  }

  #cell(value: Value): string {
    if (value === null || value === undefined) return this.#options.nullValue;
    if (typeof value === "number") {
      return this.#quoted(Number.isFinite(value) ? numberText(value) : String(value));
    }
    if (typeof value !== "string") {
      return this.#quoted(
        value instanceof Uint8Array
          ? value.toBase64()
          : typeof value === "object"
          ? valueText(value)
          : String(value),
      );
    }
    return this.#quoted(this.#options.escapeFormulas && isFormula(value) ? `'${value}` : value);
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

/** With the columns that say what a row is: a delete must not look like a row that is there. */
function chosenColumns({ columns, metadataColumns }: CsvOptions): readonly string[] | undefined {
  if (columns === undefined || !metadataColumns) return columns;
  return [...new Set([...columns, ...METADATA_COLUMNS.map(({ name }) => name)])];
}

/** What a spreadsheet would run (OWASP, "CSV Injection"). A number with a sign is none: decimals are texts here. */
function isFormula(text: string): boolean {
  return /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);
}

function escapeInClass(char: string): string {
  return /[\]\\^-]/.test(char) ? `\\${char}` : char;
}
