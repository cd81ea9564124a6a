import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { batchFromData } from "../../formats/data/batch.ts";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { RecordError } from "../../formats/data/errors.ts";
import { fakeSourceContext } from "../../tests/fakes/context.ts";
import { ChangeDecoder } from "./change_decoder.ts";
import { CopyReader } from "./copy_reader.ts";
import { makeRelation, type Relation, StreamBook } from "./relations.ts";
import captured from "./testdata/changes.json" with { type: "json" };
import { DEFAULT_TYPE_OPTIONS, TypeCatalog, type ValueWriter } from "./types/mod.ts";
import { unreadableRows } from "./unreadable_rows.ts";
import { FRAME, Wire } from "./wire.ts";

const MESSAGES = captured.messages.map((text) => Uint8Array.fromBase64(text));
const types = new TypeCatalog([], DEFAULT_TYPE_OPTIONS);
const decoder = new TextDecoder();

async function wireWith(chunks: readonly Uint8Array[]): Promise<Wire> {
  const socket = new PassThrough();
  const wire = new Wire(socket, () => 0);
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  await new Promise((resolve) => socket.once("end", resolve));
  wire.take();
  return wire;
}

function frame(kind: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + content.length);
  bytes[0] = kind;
  new DataView(bytes.buffer).setInt32(1, bytes.length - 1);
  bytes.set(content, 5);
  return bytes;
}

/** A frame of the replication connection around a pgoutput message. */
function change(message: Uint8Array): Uint8Array {
  const content = new Uint8Array(25 + message.length);
  content[0] = 0x77; // w
  content.set(message, 25);
  return frame(FRAME.copyData, content);
}

/** Reads text, but half of a value that it can't read is written when it says so. */
function except(unreadable: (text: string) => boolean): ValueWriter {
  return (out, bytes, start, end) => {
    const text = decoder.decode(bytes.subarray(start, end));
    if (!unreadable(text)) return out.text(bytes, start, end);
    out.literal(new TextEncoder().encode('{"half":'));
    throw new RecordError('Cannot read a value of type "odd": it is odd', {
      code: "serialization_malformed_value",
    });
  };
}

function writerOf(): BatchWriter {
  const writer = new BatchWriter({
    origin: { connector: "postgres-cdc", name: "test", version: "0" },
    layout: "plain",
    nowMicros: () => 0n,
  });
  writer.lane = "stream";
  return writer;
}

/** Decodes the captured changes with values that can't be read. */
async function decode(unreadable: (text: string) => boolean, mode?: "fail" | "warn" | "skip") {
  const wire = await wireWith(MESSAGES.map(change));
  const context = fakeSourceContext();
  const writer = writerOf();
  const rows = unreadableRows({ event_processing_failure_handling_mode: mode }, context);
  const changes = new ChangeDecoder(writer, { lsn: 0n, index: 0, lastCommit: 0n }, { unreadable: rows });
  const book = new StreamBook("db");
  const records: DataRecord[] = [];
  const relationOf = (): Relation => {
    const relation = makeRelation(changes.pendingRelation!, undefined, true, book, types);
    return { ...relation, writers: relation.columns.map(() => except(unreadable)) };
  };
  for (;;) {
    const stop = changes.run(wire);
    if (stop === "relation") {
      changes.setRelation(relationOf());
      continue;
    }
    records.push(...batchFromData(writer.finish({ v: 1 })).records);
    writer.lane = "stream";
    changes.rejected = 0;
    if (stop !== "full") return { records, undecoded: context.undecoded, point: changes.point };
  }
}

const short = ({ stream, operation, order }: DataRecord) => `${stream.name} ${operation} ${order}`;

Deno.test("a change with a value that can't be read is rejected, and all others come as without it", async () => {
  const whole = await decode(() => false);
  assert.equal(whole.undecoded.length, 0);
  const { records, undecoded, point } = await decode((text) => text === "uno");
  assert.ok(undecoded.length > 0, "nothing was rejected");
  const rejected = undecoded.map(({ record }) => record.order);
  assert.deepEqual(
    records.map(short),
    whole.records.filter(({ order }) => !rejected.includes(order)).map(short),
  );
  assert.deepEqual(point, whole.point);
  for (const { record, error } of undecoded) {
    assert.equal(record.lane, "stream");
    assert.equal(error.code, "serialization_malformed_value");
    assert.match(
      error.message,
      /^Cannot read column "note" of "public\.d\w*": Cannot read a value of type "odd"/,
    );
    assert.doesNotMatch(error.message, /uno/);
    const letter = JSON.parse(decoder.decode(record.payload));
    // The delete that a changed key makes goes with its insert.
    if (letter.op !== "d") assert.equal(letter.after.note, "uno", "the server's text of the value is lost");
    assert.equal(letter.source.order, record.order);
  }
});

Deno.test("whatever can't be read, no half of a change is left and none is lost", async () => {
  const whole = await decode(() => false);
  const all = whole.records.map(short);
  for (const value of ["1", "2", "one", "uno", "a", "b"]) {
    const { records, undecoded } = await decode((text) => text === value);
    const found = [
      ...records.map(short),
      ...undecoded.map(({ record: { stream, order, payload } }) => {
        const { op } = JSON.parse(decoder.decode(payload) || '{"op":"tombstone"}');
        const operation = { c: "insert", u: "update", d: "delete" }[op as string] ?? op;
        return `${stream.name} ${operation} ${order}`;
      }),
    ];
    assert.deepEqual(found.toSorted(), all.toSorted(), `with "${value}" unreadable`);
    assert.deepEqual(records.map(short), all.filter((record) => records.map(short).includes(record)));
  }
});

Deno.test("event_processing_failure_handling_mode says what happens instead of the pipeline", async () => {
  for (
    const [mode, onError, quiet] of [
      [undefined, undefined, false],
      ["fail", "stop", false],
      ["warn", "skip", false],
      ["skip", "skip", true],
    ] as const
  ) {
    const { undecoded: [{ record }] } = await decode((text) => text === "uno", mode);
    assert.deepEqual([record.onError, record.quiet], [onError, quiet]);
  }
});

Deno.test("a row of a snapshot with a value that can't be read is rejected, the rows around it are not", async () => {
  const lines = ["1\tone\n", "2\tod\\td\n", "3\tthree\n"].map((line) => new TextEncoder().encode(line));
  const wire = await wireWith([
    ...lines.map((line) => frame(FRAME.copyData, line)),
    frame(FRAME.readyForQuery, new Uint8Array([0x49])),
  ]);
  const context = fakeSourceContext();
  const writer = writerOf();
  const column = (name: string) => ({ name, type: { kind: "string" as const }, nullable: true });
  const reader = new CopyReader(wire, writer, {
    stream: {
      name: "t",
      namespace: "public",
      columns: [column("id"), column("note")],
      key: ["id"],
      payload: "row",
      version: 1,
    },
    writers: [except(() => false), except((text) => text === "od\td")],
    own: new Uint8Array(),
    timeMicros: 0n,
    group: "0000000000000001",
    firstMarker: () => undefined,
    unreadable: unreadableRows({}, context),
  });
  while (reader.run() !== "done");
  reader.writeHeld(writer, "last");
  const { records } = batchFromData(writer.finish({ v: 1 }));
  assert.deepEqual(records.map(({ after }) => after), [{ id: "1", note: "one" }, { id: "3", note: "three" }]);
  const [{ record, error }] = context.undecoded;
  assert.equal(context.undecoded.length, 1);
  assert.match(error.message, /column "note" of "public\.t"/);
  const letter = JSON.parse(decoder.decode(record.payload));
  assert.deepEqual([letter.after, letter.op], [{ id: "2", note: "od\td" }, "r"]);
  assert.equal(decoder.decode(record.key), '{"id":"2"}');
});
