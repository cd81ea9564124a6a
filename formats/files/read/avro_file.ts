/**
 * Avro object container files (specification 1.12, "Object Container Files"), a block at a time. avsc decodes what is
 * in a block; avro_values.ts makes values of it.
 */
import { Buffer } from "node:buffer";
import { inflateRawSync, zstdDecompressSync } from "node:zlib";
import { snappyUncompress } from "npm:hysnappy@1.1.1";
import avro from "npm:avsc@5.7.9";
import type { Column, Value } from "../../data/value.ts";
import { type AvroColumn, avroColumns, type AvroSchema, LONG } from "./avro_values.ts";
import { type RandomAccess, type TableReader, UnreadableError } from "./table_reader.ts";

const MAGIC = [0x4f, 0x62, 0x6a, 1];
const SYNC_BYTES = 16;
/** The header, and the two numbers before a block, fit into pieces of these sizes mostly. */
const HEADER_BYTES = 16 * 1024;
const BLOCK_HEADER_BYTES = 20;
const MAX_HEADER_BYTES = 16 << 20;

/**
 * Opens a file to be read from record `from` on.
 *
 * @returns undefined when its header is not complete
 * @throws {Error} when it is damaged, or has what can't be read
 */
export async function openAvro(file: RandomAccess, from: number): Promise<AvroReader | undefined> {
  for (let size = HEADER_BYTES;; size *= 4) {
    const bytes = await file.read(0, Math.min(size, file.size));
    if (MAGIC.some((byte, i) => i < bytes.length && bytes[i] !== byte)) {
      throw new UnreadableError("no Avro file begins so");
    }
    const header = headerOf(bytes);
    if (header) return new AvroReader(file, header, from);
    if (size >= file.size) return undefined;
    if (size > MAX_HEADER_BYTES) throw new UnreadableError("its header is too large");
  }
}

interface Header {
  readonly meta: ReadonlyMap<string, Uint8Array>;
  readonly sync: Uint8Array;
  /** Where the blocks begin. */
  readonly end: number;
}

export class AvroReader implements TableReader {
  readonly columns: readonly Column[];
  readonly #file: RandomAccess;
  readonly #sync: Uint8Array;
  readonly #type: { decode(bytes: Buffer, at: number): { value: unknown; offset: number } };
  readonly #codec: string;
  readonly #columns: readonly AvroColumn[];
  #at: number;
  /** Records that are still to be stepped over. */
  #skip: number;

  constructor(file: RandomAccess, { meta, sync, end }: Header, from: number) {
    const text = (name: string) => new TextDecoder().decode(meta.get(name));
    const schema = JSON.parse(text("avro.schema")) as AvroSchema;
    this.#file = file;
    this.#sync = sync;
    this.#at = end;
    this.#skip = from;
    this.#codec = text("avro.codec") || "null";
    if (!["null", "deflate", "snappy", "zstandard"].includes(this.#codec)) {
      throw new UnreadableError(`it is compressed as ${this.#codec}`);
    }
    this.#type = avro.Type.forSchema(schema as never, {
      typeHook: (schema: unknown) => isLong(schema) ? LONG as never : undefined,
      wrapUnions: true,
      // Only ours are looked at, in avro_values.ts.
      logicalTypes: {},
    }) as never;
    this.#columns = avroColumns(schema);
    this.columns = this.#columns.map(({ column }) => column);
  }

  get hasRest(): boolean {
    return this.#at < this.#file.size;
  }

  async next(): Promise<readonly (readonly Value[])[]> {
    for (;;) {
      const block = await this.#block();
      if (!block) return [];
      if (block.count <= this.#skip) {
        this.#skip -= block.count;
        this.#at = block.end;
        continue;
      }
      const rows = this.#rows(await this.#file.read(block.start, block.size), block.count);
      const sync = await this.#file.read(block.end - SYNC_BYTES, SYNC_BYTES);
      if (!sync.every((byte, i) => byte === this.#sync[i])) {
        throw new Error("a block does not end where it should");
      }
      this.#at = block.end;
      const rest = rows.slice(this.#skip);
      this.#skip = 0;
      return rest;
    }
  }

  /** The block that comes next; undefined where it is not complete. */
  async #block(): Promise<{ count: number; start: number; size: number; end: number } | undefined> {
    const { size: fileSize } = this.#file;
    const head = await this.#file.read(this.#at, Math.min(BLOCK_HEADER_BYTES, fileSize - this.#at));
    const count = numberAt(head, 0);
    const size = count && numberAt(head, count.end);
    if (!size) return undefined;
    if (count.value < 0 || size.value < 0) throw new Error("a block has no sensible size");
    const start = this.#at + size.end;
    const end = start + size.value + SYNC_BYTES;
    return end > fileSize ? undefined : { count: count.value, start, size: size.value, end };
  }

  #rows(compressed: Uint8Array, count: number): Value[][] {
    const bytes = Buffer.from(decompressed(compressed, this.#codec));
    const rows: Value[][] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const { value: record, offset } = this.#type.decode(bytes, at);
      if (offset < 0) throw new Error("a block ends in the middle of a record");
      at = offset;
      rows.push(this.#columns.map(({ stored, value }) => {
        const found = stored === undefined ? record : (record as Record<string, unknown>)[stored];
        return value(found);
      }));
    }
    return rows;
  }
}

function isLong(schema: unknown): boolean {
  return schema === "long" || (schema as { type?: unknown } | null)?.type === "long";
}

function decompressed(bytes: Uint8Array, codec: string): Uint8Array {
  switch (codec) {
    case "deflate":
      return inflateRawSync(bytes);
    case "zstandard":
      return zstdDecompressSync(bytes);
    case "snappy": {
      // Four bytes of CRC-32 stand behind the block.
      const block = bytes.subarray(0, -4);
      const size = snappySize(block);
      return snappyUncompress(block, size);
    }
    default:
      return bytes;
  }
}

/** The size before compression, with which a snappy block begins: seven bits a byte, lowest first. */
function snappySize(block: Uint8Array): number {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    size += (block[i] & 0x7f) * 2 ** (7 * i);
    if (block[i] < 0x80) break;
  }
  return size;
}

/** Magic, a map of bytes, and the mark that ends each block; undefined where it is not complete. */
function headerOf(bytes: Uint8Array): Header | undefined {
  const meta = new Map<string, Uint8Array>();
  let at = MAGIC.length;
  const sized = (): Uint8Array | undefined => {
    const size = numberAt(bytes, at);
    if (!size || size.end + size.value > bytes.length) return undefined;
    at = size.end + size.value;
    return bytes.subarray(size.end, at);
  };
  for (;;) {
    const count = numberAt(bytes, at);
    if (!count) return undefined;
    at = count.end;
    if (count.value === 0) break;
    if (count.value < 0) {
      // A negative count has the size of its part behind it.
      const size = numberAt(bytes, at);
      if (!size) return undefined;
      at = size.end;
    }
    for (let i = 0; i < Math.abs(count.value); i++) {
      const [name, value] = [sized(), sized()];
      if (!name || !value) return undefined;
      meta.set(new TextDecoder().decode(name), value.slice());
    }
  }
  if (at + SYNC_BYTES > bytes.length) return undefined;
  return { meta, sync: bytes.slice(at, at + SYNC_BYTES), end: at + SYNC_BYTES };
}

/** A long: zigzag, seven bits a byte, lowest first. Those here are far below 2^53. */
function numberAt(
  bytes: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number } | undefined {
  let zigzag = 0;
  for (let i = start; i < bytes.length && i < start + 8; i++) {
    zigzag += (bytes[i] & 0x7f) * 2 ** (7 * (i - start));
    if (bytes[i] < 0x80) return { value: zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2, end: i + 1 };
  }
  return undefined;
}
