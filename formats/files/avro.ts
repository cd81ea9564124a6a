/**
 * Avro object container files (Avro 1.12, "Object Container Files"): the schema, then blocks of rows, each compressed
 * by itself. The same rows give the same file: what separates the blocks follows from the schema.
 */
import { createHash } from "node:crypto";
import { crc32, deflateRawSync, zstdCompressSync } from "node:zlib";
import { snappyCompress } from "npm:hysnappy@1.1.1";
import { RecordError } from "../data/errors.ts";
import type { Row } from "../data/value.ts";
import { type AvroSchema, schemaOfColumns } from "./avro_columns.ts";
import { type AvroType, avroType, FieldMisfit } from "./avro_encoder.ts";
import { AvroWriter } from "./avro_writer.ts";
import type { FileFormat } from "./file_format.ts";
import type { AvroCodec } from "./formats.ts";
import { Misfit } from "./misfit.ts";
import { beginRows, type RowWriter } from "./rows.ts";

export interface AvroOptions {
  readonly codec: AvroCodec;
  /** Of deflate (1–9) and zstandard (1–22); undefined: theirs. */
  readonly level?: number;
  readonly namespace: string;
  readonly recordName: string;
  /** JSON text. Undefined: made of the columns. Columns that it does not name are left out. */
  readonly schema?: string;
  readonly metadataColumns: boolean;
}

/** A block is ended when its rows take this much. */
const BLOCK_BYTES = 1 << 18;

/** @throws {SyntaxError} when the given schema is none */
export function avroFormat(options: AvroOptions): FileFormat {
  const given: AvroSchema | undefined = options.schema === undefined ? undefined : JSON.parse(options.schema);
  const givenType = given === undefined ? undefined : avroType(given);
  const compress = compressorOf(options);
  return {
    extension: ".avro",
    mediaType: "application/avro",
    compressesOutside: false,
    begin: (batch, i, out) =>
      beginRows(
        batch,
        i,
        { metadataColumns: options.metadataColumns, takesAnyName: given !== undefined },
        (columns, out) => {
          const schema = given ?? schemaOfColumns(columns, options.recordName, options.namespace);
          return new ContainerWriter(schema, givenType ?? avroType(schema), options.codec, compress, out);
        },
        out,
      ),
  };
}

class ContainerWriter implements RowWriter {
  readonly #type: AvroType;
  readonly #compress: (block: Uint8Array) => Uint8Array;
  readonly #out: (bytes: Uint8Array) => void;
  readonly #sync: Uint8Array;
  readonly #rows = new AvroWriter();
  #count = 0;

  constructor(
    schema: AvroSchema,
    type: AvroType,
    codec: AvroCodec,
    compress: (block: Uint8Array) => Uint8Array,
    out: (bytes: Uint8Array) => void,
  ) {
    this.#type = type;
    this.#compress = compress;
    this.#out = out;
    const text = JSON.stringify(schema);
    this.#sync = createHash("sha256").update(`${codec}\n${text}`).digest().subarray(0, 16);
    const header = new AvroWriter();
    header.fixed(new Uint8Array([0x4f, 0x62, 0x6a, 1])); // "Obj", version 1
    header.integer(2);
    for (const [name, value] of [["avro.codec", codec], ["avro.schema", text]]) {
      header.text(name);
      header.text(value);
    }
    header.byte(0);
    header.fixed(this.#sync);
    out(header.written.slice());
  }

  get bufferedBytes(): number {
    return this.#rows.end;
  }

  write(row: Row): void {
    const start = this.#rows.end;
    try {
      this.#type.write(this.#rows, row);
    } catch (error) {
      this.#rows.end = start;
      if (!(error instanceof Misfit)) throw error;
      const where = error instanceof FieldMisfit ? `Column "${error.field}"` : "The row";
      throw new RecordError(`${where} does not fit the Avro schema: ${error.message}`, {
        code: "schema_value",
      });
    }
    this.#count++;
    if (this.#rows.end >= BLOCK_BYTES) this.#endBlock();
  }

  end(): Promise<void> {
    if (this.#count > 0) this.#endBlock();
    return Promise.resolve();
  }

  #endBlock(): void {
    const block = this.#compress(this.#rows.written);
    const head = new AvroWriter();
    head.integer(this.#count);
    head.integer(block.length);
    this.#out(head.written.slice());
    this.#out(block);
    this.#out(this.#sync.slice());
    this.#rows.end = 0;
    this.#count = 0;
  }
}

/** Gives a buffer of its own. */
function compressorOf({ codec, level }: AvroOptions): (block: Uint8Array) => Uint8Array {
  switch (codec) {
    case "null":
      return (block) => block.slice();
    case "deflate":
      return (block) => deflateRawSync(block, { level });
    case "zstandard":
      return (block) =>
        zstdCompressSync(block, level === undefined ? {} : { params: { [ZSTD_LEVEL]: level } });
    case "snappy":
      return (block) => {
        const compressed = snappyCompress(block);
        const out = new Uint8Array(compressed.length + 4);
        out.set(compressed);
        new DataView(out.buffer).setUint32(compressed.length, crc32(block));
        return out;
      };
  }
}

/** ZSTD_c_compressionLevel (zstd.h). */
const ZSTD_LEVEL = 100;
