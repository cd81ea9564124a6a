/** Avro's binary encoding → its JSON encoding (Avro 1.12, "JSON Encoding"), for the format `avrojson`. */
import type { AvroSchema } from "../../formats/files/avro_columns.ts";

/** The JSON text of one value that was written by the schema. */
export type AvroJson = (bytes: Uint8Array) => string;

/** Reads a value where the cursor is. */
type Read = (cursor: Cursor) => string;

interface Definition {
  readonly type: unknown;
  readonly [attribute: string]: unknown;
}

/** @param schema one that `avroType()` takes */
export function avroJson(schema: AvroSchema): AvroJson {
  const read = readOf(schema, undefined, new Map());
  return (bytes) => read(new Cursor(bytes));
}

class Cursor {
  #at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  long(): bigint {
    let zigzag = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      zigzag |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >> 1n) ^ -(zigzag & 1n);
    }
  }

  count(): number {
    return Number(this.long());
  }

  take(size: number): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#at += size);
  }

  number(size: 4 | 8): number {
    const at = this.#at;
    this.#at += size;
    return size === 4 ? this.#view.getFloat32(at, true) : this.#view.getFloat64(at, true);
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const PRIMITIVES: Readonly<Record<string, Read>> = {
  null: () => "null",
  boolean: (cursor) => String(cursor.take(1)[0] === 1),
  int: (cursor) => String(cursor.long()),
  long: (cursor) => String(cursor.long()),
  float: (cursor) => numberText(cursor.number(4)),
  double: (cursor) => numberText(cursor.number(8)),
  string: (cursor) => JSON.stringify(decoder.decode(cursor.take(cursor.count()))),
  bytes: (cursor) => bytesText(cursor.take(cursor.count())),
};

function readOf(schema: unknown, namespace: string | undefined, named: Map<string, Read>): Read {
  if (typeof schema === "string") return PRIMITIVES[schema] ?? named.get(fullName(schema, namespace))!;
  if (Array.isArray(schema)) {
    const branches = schema.map((branch) => {
      const read = readOf(branch, namespace, named);
      const name = JSON.stringify(branchName(branch, namespace));
      return branch === "null" ? read : (cursor: Cursor) => `{${name}:${read(cursor)}}`;
    });
    return (cursor) => branches[cursor.count()](cursor);
  }
  const definition = schema as Definition;
  const { type, name, size } = definition;
  switch (type) {
    case "array":
      return blocks(readOf(definition.items, namespace, named), "[]");
    case "map": {
      const read = readOf(definition.values, namespace, named);
      return blocks((cursor) => `${PRIMITIVES.string(cursor)}:${read(cursor)}`, "{}");
    }
    case "record":
    case "enum":
    case "fixed": {
      const full = branchName(definition, namespace);
      // A record may hold itself, so it is known before it is made.
      let read: Read = () => "";
      named.set(full, (cursor) => read(cursor));
      const space = String(name).includes(".") || definition.namespace !== undefined
        ? full.slice(0, Math.max(0, full.lastIndexOf(".")))
        : namespace;
      if (type === "record") read = record(definition, space, named);
      else if (type === "fixed") read = (cursor) => bytesText(cursor.take(Number(size)));
      else read = (cursor) => JSON.stringify((definition.symbols as string[])[cursor.count()]);
      return named.get(full)!;
    }
    default:
      return readOf(type, namespace, named);
  }
}

function record({ fields }: Definition, namespace: string | undefined, named: Map<string, Read>): Read {
  const reads = (fields as Definition[]).map(({ name, type }) => {
    const read = readOf(type, namespace, named);
    const key = JSON.stringify(name);
    return (cursor: Cursor) => `${key}:${read(cursor)}`;
  });
  return (cursor) => `{${reads.map((read) => read(cursor)).join(",")}}`;
}

/** Our own writer makes one block, and an empty one behind it. */
function blocks(read: Read, [open, close]: string): Read {
  return (cursor) => {
    const items: string[] = [];
    for (let count = cursor.count(); count > 0; count = cursor.count()) {
      for (let i = 0; i < count; i++) items.push(read(cursor));
    }
    return open + items.join(",") + close;
  };
}

/** What a union's branch is called: the full name of a named type, the type of any other. */
function branchName(schema: unknown, namespace: string | undefined): string {
  if (typeof schema === "string") return schema in PRIMITIVES ? schema : fullName(schema, namespace);
  const { type, name, namespace: own } = schema as Definition;
  if (typeof name !== "string") return typeof type === "string" ? type : branchName(type, namespace);
  return fullName(name, typeof own === "string" ? own : namespace);
}

function fullName(name: string, namespace: string | undefined): string {
  return name.includes(".") || !namespace ? name : `${namespace}.${name}`;
}

/** JSON has no NaN: its name in quotes, as Avro's own library writes it. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A character for each byte. */
function bytesText(bytes: Uint8Array): string {
  return JSON.stringify(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
