/** Opens text files with the reader that each needs. What some of them must know first stands at a file's beginning. */
import type { Streams } from "../../formats/data/envelope_reader.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import {
  CsvCells,
  type CsvColumn,
  csvColumns,
  type CsvReadOptions,
  CsvRows,
} from "../../formats/files/read/csv_rows.ts";
import { JsonLines } from "../../formats/files/read/json_lines.ts";
import { isJsonArray, JsonValues } from "../../formats/files/read/json_values.ts";
import { TextBuffer, type TextReader } from "../../formats/files/read/text_reader.ts";
import { OpenText } from "./open_text.ts";
import type { SourceConfig } from "./source_config.ts";
import { type FoundFile, unknownFormat } from "./source_files.ts";
import type { FileState } from "./source_position.ts";

const utf8 = new TextEncoder();

/**
 * Opens a file to be read on from a place.
 *
 * @returns undefined when it is too short yet to know how to read it
 * @throws {ConnectorError} when it can't be opened, or its header makes no sense
 */
export async function openText(
  file: FoundFile,
  from: FileState,
  config: SourceConfig,
  streams: Streams,
): Promise<OpenText | undefined> {
  const { isPlain, key, max_line_bytes: maxBytes } = config;
  const stream = config.stream ?? file.kind.stream;
  const text = {
    timeMicros: BigInt(Math.trunc(file.mtimeMs)) * 1000n,
    own: utf8.encode(`,"file":${JSON.stringify(file.name)}`),
  };
  const json = { stream, streams, isPlain, key, maxBytes };
  switch (file.kind.format) {
    case "jsonl":
      return OpenText.open(file, from, (offset, count) => new JsonLines(json, text, offset, count));
    case "json": {
      const isArray = await firstOf(file, config, (offset, count) => new FirstByte(offset, count));
      if (isArray === undefined) return undefined;
      const options = { ...json, isArray };
      return OpenText.open(file, from, (offset, count) => new JsonValues(options, text, offset, count));
    }
    case "csv":
    case "tsv": {
      const options = csvOptions(config, file.kind.format);
      const columns = await columnsOf(file, config, options);
      if (columns === undefined) return undefined;
      const all = { ...options, stream, isPlain, key };
      return OpenText.open(file, from, (offset, count) => new CsvRows(all, columns, text, offset, count));
    }
    default:
      throw unknownFormat(file.path);
  }
}

function csvOptions({ csv, max_line_bytes: maxBytes }: SourceConfig, format: "csv" | "tsv"): CsvReadOptions {
  return {
    delimiter: csv.delimiter ?? (format === "tsv" ? "\t" : ","),
    quote: csv.quote_char ?? '"',
    nullValue: csv.null_value ?? "",
    hasHeader: csv.include_header ?? true,
    maxBytes,
  };
}

/** The columns of a file; undefined: its first row is not complete. */
async function columnsOf(
  file: FoundFile,
  config: SourceConfig,
  options: CsvReadOptions,
): Promise<readonly CsvColumn[] | undefined> {
  const { csv } = config;
  const given = options.hasHeader ? undefined : csv.columns;
  const first = given ?? await firstOf(file, config, (offset, count) => new FirstRow(options, offset, count));
  if (first === undefined) return undefined;
  const names = first.map((name, i) => !name || (!options.hasHeader && !given) ? `column_${i + 1}` : name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return csvColumns(names, csv.types ?? {});
  throw new ConnectorError(`Cannot read "${file.path}": two of its columns are called "${twice}"`, {
    code: "schema_columns",
    hint:
      "Give columns other names in the file's first line, or set csv.include_header: false where it has none",
  });
}

/** Something that a file begins with. */
interface FirstReader<T> extends TextReader {
  readonly found: T | undefined;
}

async function firstOf<T>(
  file: FoundFile,
  { follow }: SourceConfig,
  make: (offset: number, count: number) => FirstReader<T>,
): Promise<T | undefined> {
  let reader: FirstReader<T> | undefined;
  const start = { name: file.name, id: file.id, pass: 0, offset: 0, count: 0, check: "" };
  using open = OpenText.open(file, start, (offset, count) => reader = make(offset, count));
  while (!reader!.next(false)) {
    if (await open.fill()) continue;
    // A file that may still grow is not complete at its end.
    reader!.next(!follow);
    break;
  }
  return reader!.found;
}

class FirstByte extends TextBuffer implements FirstReader<boolean> {
  readonly rejected: Uint8Array = new Uint8Array();
  found: boolean | undefined;

  next(): boolean {
    this.found = isJsonArray(this.bytes.subarray(this.from, this.to));
    return this.found !== undefined;
  }

  write(): void {}
}

class FirstRow extends CsvCells implements FirstReader<readonly (string | undefined)[]> {
  found: readonly (string | undefined)[] | undefined;

  next(isEnd: boolean): boolean {
    if (!this.nextCells(isEnd, false)) return false;
    this.found = this.cells;
    return true;
  }

  write(): void {}
}
