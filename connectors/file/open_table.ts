/** One Avro or Parquet file that is being read: its rows as records, numbered from 0. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import { RowRecords } from "../../formats/files/read/row_records.ts";
import type { RandomAccess, TableReader } from "../../formats/files/read/table_reader.ts";
import { fileError } from "./file_error.ts";
import { openFile } from "./open_text.ts";
import type { SourceConfig } from "./source_config.ts";
import type { FoundFile } from "./source_files.ts";
import type { FileState } from "./source_position.ts";

const utf8 = new TextEncoder();
const NO_ROWS: readonly (readonly Value[])[] = [];

export class OpenTable implements Disposable {
  readonly file: FoundFile;
  readonly pass: number;
  /** The record that comes next. */
  offset: number;
  readonly #disk: Deno.FsFile;
  readonly #reader: TableReader;
  readonly #records: RowRecords;
  readonly #size: number;
  #rows = NO_ROWS;
  #row = 0;
  #isEnd = false;

  private constructor(
    file: FoundFile,
    from: FileState,
    disk: Deno.FsFile,
    size: number,
    reader: TableReader,
    config: SourceConfig,
  ) {
    this.file = file;
    this.pass = from.pass;
    this.offset = from.offset;
    this.#disk = disk;
    this.#size = size;
    this.#reader = reader;
    const { isPlain, key } = config;
    this.#records = new RowRecords(
      reader.columns,
      { stream: config.stream ?? file.kind.stream, isPlain, key },
      {
        timeMicros: BigInt(Math.trunc(file.mtimeMs)) * 1000n,
        own: utf8.encode(`,"file":${JSON.stringify(file.name)}`),
      },
    );
  }

  /**
   * Opens a file to go on where `from` says.
   *
   * @returns undefined when the file is not complete enough to be read
   * @throws {ConnectorError} when it is damaged, or has what can't be read
   */
  static async open(file: FoundFile, from: FileState, config: SourceConfig): Promise<OpenTable | undefined> {
    const disk = openFile(file.path);
    try {
      const access = randomAccess(disk, file.path);
      const reader = await readerOf(access, file, from.offset);
      if (reader) return new OpenTable(file, from, disk, access.size, reader, config);
    } catch (error) {
      disk.close();
      throw cannotRead(file, error);
    }
    disk.close();
    return undefined;
  }

  get stream(): Stream {
    return this.#records.stream;
  }

  /** Whether the file ends in something that is not complete; good when `next` has said false. */
  get hasRest(): boolean {
    return this.#reader.hasRest;
  }

  /** Goes to the next record, for `write`. @returns false: there is none */
  async next(): Promise<boolean> {
    if (this.#row < this.#rows.length) return true;
    try {
      this.#rows = await this.#reader.next();
    } catch (error) {
      throw cannotRead(this.file, error);
    }
    this.#row = 0;
    this.#isEnd = this.#rows.length === 0;
    return !this.#isEnd;
  }

  /** Whether `next` needs not wait. */
  get isReady(): boolean {
    return this.#row < this.#rows.length;
  }

  /** Steps over the record, and writes it. @throws {RecordError} when it is none */
  write(writer: BatchWriter): void {
    const index = this.offset++;
    this.#records.write(writer, this.#rows[this.#row++], index);
  }

  get state(): FileState {
    const { file: { name, id }, pass, offset } = this;
    return { name, id, pass, offset, count: offset, check: sizeCheck(this.#size, this.#isEnd, this.hasRest) };
  }

  [Symbol.dispose](): void {
    this.#disk.close();
  }
}

/**
 * What is kept of a file with rows: `=` and its size when all of it was read, `~` when all but what is not complete,
 * `+` in between.
 */
function sizeCheck(size: number, isEnd: boolean, hasRest: boolean): string {
  return `${!isEnd ? "+" : hasRest ? "~" : "="}${size.toString(36)}`;
}

/** Whether nothing has come since. */
export function isRead({ size }: FoundFile, { check }: FileState): boolean {
  return check === sizeCheck(size, true, false) || check === sizeCheck(size, true, true);
}

/** Whether a file that was read before can't be the same: blocks are added to Avro files only, and nothing to others. */
export function isAnother({ size, kind }: FoundFile, { check, offset }: FileState): boolean {
  if (check === "" || offset === 0) return false;
  const before = parseInt(check.slice(1), 36);
  return kind.format === "avro" ? size < before : size !== before;
}

async function readerOf(access: RandomAccess, { kind: { format } }: FoundFile, from: number) {
  // Each format loads its own libraries only.
  if (format === "avro") {
    return await (await import("../../formats/files/read/avro_file.ts")).openAvro(access, from);
  }
  return await (await import("../../formats/files/read/parquet_read.ts")).openParquet(access, from);
}

function randomAccess(disk: Deno.FsFile, path: string): RandomAccess {
  const { size } = disk.statSync();
  // Reads come one after the other, since each has a place of its own to go to.
  let last: Promise<unknown> = Promise.resolve();
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    try {
      await disk.seek(offset, Deno.SeekMode.Start);
      for (let at = 0; at < length;) {
        const count = await disk.read(bytes.subarray(at));
        if (!count) throw new Error("it became shorter");
        at += count;
      }
    } catch (error) {
      throw fileError("read", path, error);
    }
    return bytes;
  };
  return {
    size,
    read: (offset, length) => {
      const result = last.then(() => read(offset, length));
      last = result.catch(() => {});
      return result;
    },
  };
}

function cannotRead({ path, kind: { format } }: FoundFile, error: unknown): Error {
  if (error instanceof ConnectorError || error instanceof Deno.errors.NotCapable) return error;
  return new ConnectorError(`Cannot read "${path}" as ${format}: ${(error as Error).message}`, {
    code: "serialization_file",
    hint:
      "The file is damaged, of another format (which `format` can say), or has a type that is not supported",
    cause: error,
  });
}
