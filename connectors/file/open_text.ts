/** One text file that is being read: its bytes, decompressed where they have to be, for a reader of its format. */
import { createHash } from "node:crypto";
import { ConnectorError } from "../../formats/data/errors.ts";
import { COMPRESSED_PIECE, type Decompressor, decompressor } from "../../formats/files/read/decompress.ts";
import type { TextReader } from "../../formats/files/read/text_reader.ts";
import { fileError } from "./file_error.ts";
import type { FoundFile } from "./source_files.ts";
import type { FileState } from "./source_position.ts";

/** Makes a reader that begins at a place in the text. */
export type MakeReader = (offset: number, count: number) => TextReader;

const NO_BYTES = new Uint8Array();

export class OpenText implements Disposable {
  readonly file: FoundFile;
  readonly pass: number;
  readonly reader: TextReader;
  readonly #disk: Deno.FsFile;
  readonly #decompressor: Decompressor | undefined;
  readonly #compressed: Uint8Array = NO_BYTES;
  #pieces: Uint8Array[] = [];
  /** Of the decompressed text, what lies before the place where reading begins. */
  #skip: number;
  #isEnded = false;
  /** Bytes of the file that were read. */
  diskOffset: number;

  private constructor(file: FoundFile, disk: Deno.FsFile, from: FileState, make: MakeReader) {
    const { compression } = file.kind;
    this.file = file;
    this.pass = from.pass;
    this.#disk = disk;
    this.reader = make(from.offset, from.count);
    this.#skip = compression === "none" ? 0 : from.offset;
    this.diskOffset = compression === "none" ? from.offset : 0;
    if (compression === "none") return;
    this.#decompressor = decompressor(compression);
    this.#compressed = new Uint8Array(COMPRESSED_PIECE);
  }

  /** Opens a file to go on where `from` says. The place is looked at before, with `checkPlace`. */
  static open(file: FoundFile, from: FileState, make: MakeReader): OpenText {
    const disk = openFile(file.path);
    try {
      const text = new OpenText(file, disk, from, make);
      if (text.diskOffset > 0) disk.seekSync(text.diskOffset, Deno.SeekMode.Start);
      return text;
    } catch (error) {
      disk.close();
      throw error;
    }
  }

  /** Gives the reader more bytes. @returns false when the file has no more for now */
  async fill(): Promise<boolean> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece && this.#skip >= piece.length) {
        this.#skip -= piece.length;
        continue;
      }
      if (piece) {
        const rest = piece.subarray(this.#skip);
        this.#skip = 0;
        const room = this.reader.room();
        const part = rest.subarray(0, room.length);
        room.set(part);
        this.reader.filled(part.length);
        if (part.length < rest.length) this.#pieces.unshift(rest.subarray(part.length));
        return true;
      }
      if (!this.#decompressor) {
        return await this.#read(this.reader.room(), (count) => this.reader.filled(count));
      }
      let count = 0;
      if (!await this.#read(this.#compressed, (bytes) => count = bytes)) return false;
      this.#pieces = [
        ...await this.#decompress((reader) => reader.push(this.#compressed.subarray(0, count))),
      ];
      // Whoever waits for the end of a long way to the place may want to stop.
      return true;
    }
  }

  /**
   * The file is whole: what the decompression has left goes to the reader.
   *
   * @throws {ConnectorError} when it ends in the middle of something
   */
  async end(): Promise<boolean> {
    if (!this.#decompressor || this.#isEnded) return false;
    this.#isEnded = true;
    this.#pieces = [...await this.#decompress((reader) => reader.end())];
    return this.#pieces.length > 0;
  }

  /** Where reading would go on. */
  get state(): FileState {
    const { file: { name, id, kind }, pass, reader: { offset, count, tail } } = this;
    if (kind.compression === "none") return { name, id, pass, offset, count, check: checkOf(tail) };
    return { name, id, pass, offset, count, check: this.#isEnded ? wholeCheck(this.diskOffset) : "" };
  }

  /** Whether the file is still what was read of it. */
  hasPlace(): boolean {
    if (this.file.kind.compression !== "none") return true;
    const isSame = isPlace(this.#disk, this.state);
    this.#disk.seekSync(this.diskOffset, Deno.SeekMode.Start);
    return isSame;
  }

  /** What the disk says about the file now, under whatever name it has. */
  stat(): Deno.FileInfo {
    return this.#disk.statSync();
  }

  [Symbol.dispose](): void {
    this.#decompressor?.close();
    this.#disk.close();
  }

  async #read(into: Uint8Array, taken: (count: number) => void): Promise<boolean> {
    let count: number | null;
    try {
      count = await this.#disk.read(into);
    } catch (error) {
      throw fileError("read", this.file.path, error);
    }
    if (!count) return false;
    this.diskOffset += count;
    taken(count);
    return true;
  }

  async #decompress(
    use: (reader: Decompressor) => Promise<readonly Uint8Array[]>,
  ): Promise<readonly Uint8Array[]> {
    try {
      return await use(this.#decompressor!);
    } catch (cause) {
      const { compression } = this.file.kind;
      throw new ConnectorError(
        `Cannot decompress "${this.file.path}" as ${compression}: ${(cause as Error).message}`,
        {
          code: "serialization_compression",
          hint:
            "The file is cut off or damaged, or compressed in another way, which `compression` can say. " +
            "All records before were read",
          cause,
        },
      );
    }
  }
}

export function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (error) {
    throw fileError("open", path, error);
  }
}

/** What is kept of the bytes before a place. */
export function checkOf(tail: Uint8Array): string {
  if (tail.length === 0) return "";
  return `${tail.length.toString(36)}.${createHash("sha256").update(tail).digest("base64url").slice(0, 10)}`;
}

/** What is kept of a compressed file that was read to its end. */
export function wholeCheck(size: number): string {
  return `=${size.toString(36)}`;
}

/**
 * Whether a file can be read on at a place: it is long enough, and what stands before is what was read. Only for files
 * without compression around them.
 */
export function hasPlace(path: string, place: FileState): boolean {
  using disk = openFile(path);
  return isPlace(disk, place);
}

function isPlace(disk: Deno.FsFile, { offset, check }: FileState): boolean {
  if (disk.statSync().size < offset) return false;
  const tail = new Uint8Array(parseInt(check.split(".")[0] || "0", 36));
  return tail.length === 0 || (readAt(disk, tail, offset - tail.length) && checkOf(tail) === check);
}

/** Behind the last line end before `size`; 0 where there is none. */
export function lineEndBefore(path: string, size: number): number {
  using disk = openFile(path);
  const piece = new Uint8Array(64 * 1024);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - piece.length);
    const bytes = piece.subarray(0, end - start);
    if (!readAt(disk, bytes, start)) return 0;
    const found = bytes.lastIndexOf(0x0a);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}

function readAt(disk: Deno.FsFile, bytes: Uint8Array, offset: number): boolean {
  disk.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    const count = disk.readSync(bytes.subarray(at));
    if (!count) return false;
    at += count;
  }
  return true;
}
