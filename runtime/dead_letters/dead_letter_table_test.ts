import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ORDERS } from "../../tests/fakes/records.ts";
import { type Checkpoints, openCheckpoints } from "../state/checkpoint.ts";
import type { DeadLetter } from "./dead_letter.ts";

const LETTER: DeadLetter = {
  stage: "sink",
  code: "schema_too_long",
  error: "Column total is too long",
  lane: "stream",
  order: "g/0000000000000003",
  stream: ORDERS,
  record: { operation: "insert", bare: false, keyIsBytes: true },
  payload: new Uint8Array([0x7b, 0, 0xff]),
  withheld: false,
  key: new Uint8Array([1]),
};

/** Letters of the flow `orders` from source `shop` to sink `lake`, one commit each, a microsecond apart. */
function keep(checkpoints: Checkpoints, letters: readonly DeadLetter[], flow = "orders"): void {
  for (const letter of letters) {
    const common = { flow, sink: "lake", marks: {}, saved: undefined, source: "shop", connector: "fake" };
    checkpoints.commit({ ...common, deadLetters: [letter], position: undefined });
  }
}

function openWith(letters: readonly DeadLetter[]): Checkpoints {
  let now = 1000n;
  const checkpoints = openCheckpoints(":memory:", () => now++);
  keep(checkpoints, letters);
  return checkpoints;
}

const order = (n: number) => `g/${String(n).padStart(16, "0")}`;

Deno.test("a dead letter comes back with everything that is known about it", () => {
  const full: DeadLetter = {
    ...LETTER,
    stage: "transform",
    transform: "mask #2",
    withheld: true,
    headers: [["trace", "abc"], ["raw", new Uint8Array([0xff, 0])]],
    origin: { topic: "orders", partition: 3, offset: 9_007_199_254_740_993n },
  };
  const bare = { ...LETTER, order: undefined, key: undefined, headers: undefined, origin: undefined };
  using checkpoints = openWith([full, bare]);
  const more = { pipeline: "orders", retryCount: 0 };
  assert.deepEqual(checkpoints.deadLetters.get(1), {
    ...full,
    ...more,
    id: 1,
    connectorName: "shop",
    atMicros: 1000n,
  });
  const { payload: _, key: __, headers: ___, ...summary } = bare;
  assert.deepEqual(checkpoints.deadLetters.list()[1], {
    ...summary,
    ...more,
    transform: undefined,
    id: 2,
    connectorName: "lake",
    atMicros: 1001n,
  });
  assert.equal(checkpoints.deadLetters.get(3), undefined);
});

Deno.test("a list is narrowed by pipeline, stream and time", () => {
  using checkpoints = openWith([LETTER, {
    ...LETTER,
    order: order(4),
    stream: { ...ORDERS, name: "people" },
  }]);
  keep(checkpoints, [{ ...LETTER, stream: { ...ORDERS, namespace: "crm" } }], "copy");
  const ids = (filter: object) => checkpoints.deadLetters.list(filter).map(({ id }) => id);
  assert.deepEqual(ids({}), [1, 2, 3]);
  assert.deepEqual(ids({ pipeline: "orders" }), [1, 2]);
  assert.deepEqual(ids({ stream: "orders" }), [1, 3]);
  assert.deepEqual(ids({ stream: "public.orders" }), [1]);
  assert.deepEqual(ids({ sinceMicros: 1001n }), [2, 3]);
  assert.deepEqual(ids({ sinceMicros: 1001n, pipeline: "orders", stream: "people" }), [2]);
});

Deno.test("a record that is rejected again after a crash is kept once; one without an order each time", () => {
  using checkpoints = openWith([
    LETTER,
    LETTER,
    { ...LETTER, stage: "decode" },
    { ...LETTER, lane: "snapshot/public.orders/1" },
    { ...LETTER, order: undefined },
    { ...LETTER, order: undefined },
  ]);
  assert.equal(checkpoints.deadLetters.count("orders"), 5);
  keep(checkpoints, [LETTER], "copy");
  assert.equal(checkpoints.deadLetters.count("copy"), 1);
});

Deno.test("letters are dropped by number, and a replay in vain says what was wrong this time", () => {
  using checkpoints = openWith([1, 2, 3].map((n) => ({ ...LETTER, order: order(n) })));
  const { deadLetters } = checkpoints;
  assert.equal(deadLetters.drop([1, 3, 77]), 2);
  deadLetters.noteRetry(2, { code: "schema", error: "still too long" });
  const [{ id, retryCount, error, code }] = deadLetters.list();
  assert.deepEqual([id, retryCount, error, code], [2, 1, "still too long", "schema"]);
});

Deno.test("a state of format 1 is brought up to date with all that it holds", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const path = join(dir, "state.db");
    {
      using db = new DatabaseSync(path);
      // As the program wrote it before dead letters had these columns.
      db.exec(`
        pragma journal_mode = wal;
        create table meta (name text primary key, value text not null) strict;
        insert into meta values ('format', '1');
        create table sources (
          name text primary key, connector text not null, position text not null, saved_us integer not null) strict;
        create table marks (
          flow text not null, lane text not null, "order" text not null, primary key (flow, lane)) strict;
        create table sinks (
          flow text not null, sink text not null, saved text not null, primary key (flow, sink)) strict;
        create table documents (
          scope text not null, key text not null, value text not null, primary key (scope, key)) strict;
        create table dead_letters (
          id integer primary key, flow text not null, lane text not null, "order" text, stream text not null,
          namespace text, stage text not null, code text not null, error text not null, payload blob not null,
          key blob, at_us integer not null) strict;
        insert into sources values ('shop', 'fake', '{"v":1,"n":7}', 1);
        insert into marks values ('orders', 'stream', 'g/7');
        insert into sinks values ('orders', 'lake', '{"size":9}');
        insert into dead_letters values
          (5, 'orders', 'stream', 'g/3', 'orders', 'public', 'sink', 'schema', 'too long', x'7b7d', x'01', 99);`);
    }
    for (let opened = 0; opened < 2; opened++) {
      using checkpoints = openCheckpoints(path, () => 1n);
      assert.deepEqual(checkpoints.position("shop", "fake"), { v: 1, n: 7 });
      assert.deepEqual(checkpoints.saved("orders", "lake"), { size: 9 });
      assert.deepEqual(checkpoints.deadLetters.get(5), {
        id: 5,
        pipeline: "orders",
        connectorName: "lake",
        retryCount: 0,
        atMicros: 99n,
        stage: "sink",
        code: "schema",
        error: "too long",
        transform: undefined,
        lane: "stream",
        order: "g/3",
        stream: { name: "orders", namespace: "public", key: [], payload: "row", version: 0 },
        payload: new Uint8Array([0x7b, 0x7d]),
        withheld: false,
        key: new Uint8Array([1]),
        headers: undefined,
        origin: undefined,
      });
      keep(checkpoints, [{ ...LETTER, order: order(opened) }]);
      assert.equal(checkpoints.deadLetters.count("orders"), 2 + opened);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
