/**
 * Files of the other formats in one thread, from records that are parsed (JSON Lines: from the text of the batch), each
 * beside the least that writes the same rows: a copy of the bytes, a join of the cells, avsc by itself.
 */
import avro from "npm:avsc@5.7.9";
import { Buffer } from "node:buffer";
import { deflateRawSync } from "node:zlib";
import type { Batch } from "../../formats/data/batch.ts";
import type { Row } from "../../formats/data/value.ts";
import { fileFormat, type FormatKeys, type FormatName } from "../../formats/files/formats.ts";
import type { Bench } from "./measure.ts";
import { batches, rate } from "./parquet.ts";

const CASES: readonly {
  readonly name: FormatName;
  readonly keys?: Partial<FormatKeys>;
  readonly alone: (data: readonly Batch[]) => number;
  readonly limit: string;
}[] = [
  { name: "jsonl", alone: copied, limit: "a copy of the bytes" },
  { name: "csv", alone: joined, limit: "cells joined, each looked at for what needs quotes" },
  { name: "avro", alone: (data) => avsc(data, (block) => block), limit: "avsc by itself" },
  {
    name: "avro",
    keys: { avro: { compression: "deflate", namespace: "a", record_name: "b" } },
    alone: (data) => avsc(data, deflateRawSync),
    limit: "avsc by itself, and deflate",
  },
];

export const files: Bench = {
  name: "files",
  async run({ records, runs }, report) {
    const data = batches();
    // The text is made once: a sink gets it so.
    for (const batch of data) batch.encoded();
    const rounds = Math.max(3, Math.round(records / 10_000 / 8));
    for (const { name, keys, alone, limit } of CASES) {
      const format = await fileFormat(name, { metadata_columns: false, ...keys });
      const ours = async () => {
        const file = format.begin(data[0], 0, () => {});
        for (let round = 0; round < rounds; round++) {
          for (const batch of data) file.add(batch, 0, batch.length, (_, error) => assertNone(error));
        }
        await file.end();
      };
      const bare = () => {
        let size = 0;
        for (let round = 0; round < rounds; round++) size += alone(data);
        return Promise.resolve(size);
      };
      report({
        bench: `files ${name}${keys?.avro?.compression ? ` ${keys.avro.compression}` : ""}`,
        unit: "rows/CPU s",
        ours: await rate(runs, rounds, ours),
        limit: await rate(runs, rounds, bare),
        limit_is: limit,
      });
    }
  },
};

function assertNone(error: Error): never {
  throw error;
}

function copied(data: readonly Batch[]): number {
  let size = 0;
  for (const { bytes } of data) size += bytes.slice().length;
  return size;
}

function joined(data: readonly Batch[]): number {
  let size = 0;
  for (const { records } of data) {
    let text = "";
    for (const { after } of records) {
      const cells = Object.values(after as Row).map((value) => {
        const cell = value === null ? "" : String(value);
        return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
      });
      text += cells.join(",") + "\n";
    }
    size += new TextEncoder().encode(text).length;
  }
  return size;
}

/** 64 bits as bigint, which the library refuses by itself. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: { readBigInt64LE(): bigint }) => bytes.readBigInt64LE(),
  toBuffer(value: bigint) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => a === b ? 0 : a < b ? -1 : 1,
});

const TYPE = avro.Type.forSchema({
  type: "record",
  name: "Event",
  fields: [
    { name: "id", type: "long" },
    { name: "quantity", type: ["null", "int"] },
    { name: "price", type: ["null", "double"] },
    { name: "is_paid", type: ["null", "boolean"] },
    { name: "customer", type: ["null", "string"] },
    { name: "note", type: ["null", "string"] },
    { name: "created_at", type: ["null", "long"] },
    { name: "day", type: ["null", "int"] },
    { name: "total", type: ["null", "bytes"] },
    { name: "reference", type: ["null", "string"] },
  ],
}, {
  wrapUnions: true,
  typeHook: (schema: unknown) => schema === "long" ? LONG : undefined,
});

/** Blocks of a batch, values turned into the library's in the shortest way. */
function avsc(data: readonly Batch[], compress: (block: Uint8Array) => Uint8Array): number {
  const block = Buffer.alloc(1 << 20);
  let size = 0;
  for (const { records } of data) {
    let end = 0;
    for (const { after } of records) {
      const row = after as Record<string, string> & Row;
      const micros = BigInt(Date.parse(row.created_at)) * 1000n + BigInt(row.created_at.slice(-4, -1));
      end = TYPE.encode(
        {
          id: row.id,
          quantity: { int: row.quantity },
          price: { double: row.price },
          is_paid: { boolean: row.is_paid },
          customer: { string: row.customer },
          note: row.note === null ? null : { string: row.note },
          created_at: { long: micros },
          day: { int: Date.parse(row.day) / 86_400_000 },
          total: {
            bytes: Buffer.from(BigInt(row.total.replace(".", "")).toString(16).padStart(12, "0"), "hex"),
          },
          reference: { string: row.reference },
        },
        block,
        end,
      );
    }
    size += compress(block.subarray(0, end)).length;
  }
  return size;
}
