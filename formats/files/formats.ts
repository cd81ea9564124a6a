/**
 * The formats of files by the names that pipeline files use. Sinks that write files call `fileFormat()`; what its keys
 * are and what they mean is in options.ts, which definitions use and no worker loads.
 */
import type { CsvOptions } from "./csv.ts";
import type { FileFormat } from "./file_format.ts";

/** Names of the formats that a build has. */
export const FORMATS = ["jsonl", "json", "csv", "tsv"] as const;
export type FormatName = (typeof FORMATS)[number];

/** Compressions around a file. Their code is in compression.ts. */
export const COMPRESSIONS = ["none", "gzip", "zstd", "snappy", "lz4"] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** What `csv` means where it leaves something out. */
export const CSV_DEFAULTS = {
  include_header: true,
  quote_char: '"',
  always_quote: false,
  line_ending: "lf",
  null_value: "",
  escape_formulas: false,
} as const;

/** What the characters between cells are called. The character itself is a name, too. */
export const DELIMITERS: Readonly<Record<string, string>> = {
  comma: ",",
  tab: "\t",
  semicolon: ";",
  pipe: "|",
};

/** The keys of formats as they stand in a connector's config, once options.ts has filled in what they leave out. */
export interface FormatKeys {
  readonly metadata_columns: boolean;
  readonly json?: { readonly pretty: boolean };
  readonly csv?: {
    readonly delimiter?: string;
    readonly include_header: boolean;
    readonly quote_char: string;
    readonly always_quote: boolean;
    readonly line_ending: "lf" | "crlf";
    readonly null_value: string;
    readonly columns?: readonly string[];
    readonly escape_formulas: boolean;
  };
}

/**
 * A format with its options. Loads the code of this format and of no other.
 *
 * @param keys the whole config of a connector will do: only the keys of formats are looked at
 */
export async function fileFormat(name: FormatName, keys: FormatKeys): Promise<FileFormat> {
  switch (name) {
    case "jsonl":
      return (await import("./json_lines.ts")).JSON_LINES;
    case "json":
      return (await import("./json_lines.ts")).jsonArray(keys.json?.pretty ?? false);
    case "csv":
      return (await import("./csv.ts")).csvFormat(csvOptions(keys, "comma"));
    case "tsv":
      return (await import("./csv.ts")).csvFormat(csvOptions(keys, "tab"));
  }
}

function csvOptions({ csv, metadata_columns: metadataColumns }: FormatKeys, delimiter: string): CsvOptions {
  const keys = csv ?? CSV_DEFAULTS;
  const name = csv?.delimiter ?? delimiter;
  return {
    delimiter: Object.hasOwn(DELIMITERS, name) ? DELIMITERS[name] : name,
    includeHeader: keys.include_header,
    quote: keys.quote_char,
    alwaysQuote: keys.always_quote,
    lineEnding: keys.line_ending === "crlf" ? "\r\n" : "\n",
    nullValue: keys.null_value,
    columns: csv?.columns,
    escapeFormulas: keys.escape_formulas,
    metadataColumns,
  };
}
