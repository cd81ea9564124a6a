import assert from "node:assert/strict";
import { type Batch, batchFromRecords } from "../../formats/data/batch.ts";
import type { Layout } from "../../formats/data/envelope.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Json, Row } from "../../formats/data/value.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { fakeSourceContext } from "../../tests/fakes/context.ts";
import type { CheckFinding, Position, StreamSelection } from "../contract.ts";
import definition from "./connector.ts";
import { PATTERNS } from "./patterns/patterns.ts";
import { openSource } from "./source.ts";

const neverAborted = new AbortController().signal;
const decoder = new TextDecoder();
const NAMES = Object.keys(PATTERNS);
const LAYOUTS: readonly Layout[] = ["auto", "standard", "rivven", "cdc_event", "plain", "full"];

interface Options {
  readonly layout?: Layout;
  readonly clock?: FakeClock;
  readonly documents?: Map<string, Json>;
  readonly streams?: readonly StreamSelection[];
}

/** A source of 500 records as fast as possible from seed 42, unless the configuration says otherwise. */
function open(config: Record<string, unknown> = {}, options: Options = {}) {
  const full = definition.config.parse({ events_per_second: 0, max_events: 500, seed: 42, ...config });
  return openSource(full, fakeSourceContext({ connector: "datagen", name: "demo", ...options }));
}

async function readAll(
  config: Record<string, unknown>,
  options: Options & { readonly from?: Position } = {},
): Promise<Batch[]> {
  return await Array.fromAsync(open(config, options).read(options.from, neverAborted));
}

function recordsOf(batches: readonly Batch[]): DataRecord[] {
  return batches.flatMap(({ records }) => records);
}

function textOf(batches: readonly Batch[]): string {
  return batches.map(({ bytes }) => decoder.decode(bytes)).join("");
}

Deno.test("records are written as events, with a position and without a key", async () => {
  const batches = await readAll({
    pattern: "key_value",
    max_events: 1,
    stream_name: "pairs",
    namespace: "demo",
  });
  assert.equal(
    textOf(batches),
    '{"event_type":"record","stream":"pairs","namespace":"demo","timestamp":"2026-01-31T12:00:00.000000Z",' +
      '"data":{"key":"key_00000000","value":"value_0000000a95514aaa","_sequence":0,' +
      '"_timestamp":"2026-01-31T12:00:00.000000+00:00"},"metadata":{"position":"0/0000000000000000",' +
      '"lane":"stream","source":"demo"}}\n',
  );
  assert.equal(batches[0].lane, "stream");
  assert.equal(batches[0].span(0, "key"), undefined);
});

Deno.test("changes carry upstream's metadata and the row's key", async () => {
  const config = { pattern: "metrics", max_events: 200, cdc_mode: true };
  const batches = await readAll(config, { layout: "rivven" });
  const events = textOf(batches).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(events.length, 200);
  for (const [i, record] of recordsOf(batches).entries()) {
    const { event_type, data, metadata } = events[i];
    assert.deepEqual(metadata, {
      cdc: { operation: event_type, sequence: i, source: "datagen", simulated: true },
      position: `0/${String(i).padStart(16, "0")}`,
      lane: "stream",
      source: "demo",
      sequence: i,
    });
    const row = event_type === "update" ? data.after : data;
    assert.deepEqual(record.key, { metric_id: BigInt(row.metric_id) });
    if (event_type === "update") assert.equal(data.before.metric_id, data.after.metric_id);
  }
});

Deno.test("standard envelopes hold the changes of the same seed with their operation", async () => {
  const batches = await readAll({ pattern: "random", max_events: 20, cdc_mode: true });
  const events = textOf(batches).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(events.map(({ op }) => op).join(" "), "c c u d c c c u u u c c u c u c d c c c");
  const { source, before, after } = events[2];
  assert.equal(source.connector, "datagen");
  assert.equal(source.name, "demo");
  assert.deepEqual(source.cdc, { operation: "update", sequence: 2, source: "datagen", simulated: true });
  assert.equal(before.id, after.id);
  assert.deepEqual(events[3].after, null);
});

Deno.test("seed 42 gives upstream's sequence of operations", async () => {
  const records = recordsOf(await readAll({ pattern: "random", max_events: 20, cdc_mode: true }));
  assert.equal(
    records.map(({ operation }) => operation[0]).join(" "),
    "i i u d i i i u u u i i u i u i d i i i",
  );
});

Deno.test("changes fit together: what is updated or deleted is as it was left, and there", async () => {
  for (const pattern of NAMES) {
    for (const update_mode of ["full", "partial"]) {
      const table = new Map<string, Row>();
      const config = { pattern, update_mode, cdc_mode: true, max_events: 3000 };
      for (const { operation, key, before, after } of recordsOf(await readAll(config))) {
        const id = String(Object.values(key as Row)[0]);
        assert.deepEqual(before, table.get(id), `${pattern}, ${operation}`);
        if (after) {
          assert.deepEqual((after as Row)[Object.keys(key as Row)[0]], Object.values(key as Row)[0]);
          table.set(id, after as Row);
        } else table.delete(id);
      }
      assert.ok(table.size > 500, pattern);
    }
  }
});

Deno.test("six of ten changes are inserts, three updates and one a delete, unless weights say otherwise", async () => {
  const shares = async (cdc_weights?: Record<string, number>) => {
    const counts: Record<string, number> = { insert: 0, update: 0, delete: 0 };
    const records = recordsOf(await readAll({ cdc_mode: true, cdc_weights, max_events: 10_000, seed: 7 }));
    for (const { operation } of records) counts[operation]++;
    return [counts.insert / 100, counts.update / 100, counts.delete / 100];
  };
  const isNear = (found: number[], wanted: number[]) =>
    found.forEach((share, i) => assert.ok(Math.abs(share - wanted[i]) < 1.5, `${found}, not ${wanted}`));
  isNear(await shares(), [60, 30, 10]);
  isNear(await shares({ insert: 1, update: 8, delete: 1 }), [10, 80, 10]);
});

Deno.test("a partial update changes one to three fields, and orders move on", async () => {
  const statuses = ["pending", "confirmed", "processing", "shipped", "delivered", "cancelled"];
  for (const pattern of NAMES.filter((name) => name !== "sequence")) {
    const config = {
      pattern,
      cdc_mode: true,
      update_mode: "partial",
      max_events: 3000,
      include_timestamp: false,
    };
    const sizes = new Set<number>();
    for (const { operation, before, after } of recordsOf(await readAll(config))) {
      if (operation !== "update") continue;
      const [old, now] = [before as Row, after as Row];
      const ignored = ["_sequence", "sequence", "timestamp"];
      const changed = Object.keys(now).filter((name) =>
        !ignored.includes(name) && JSON.stringify(old[name], text) !== JSON.stringify(now[name], text)
      );
      sizes.add(changed.length);
      assert.ok(changed.length >= 1 && changed.length <= 3, `${pattern}: ${changed}`);
      if (pattern !== "orders") continue;
      const [from, to] = [old, now].map(({ status }) => statuses.indexOf(status as string));
      assert.equal(to - from, from < 4 ? 1 : 0);
      assert.equal(
        Math.round(now.unit_price as number * 100) * (now.quantity as number) / 100,
        now.total_amount,
      );
    }
    assert.ok(sizes.size >= 1, pattern);
  }
});

function text(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

Deno.test("initial rows come first, as a snapshot, and are then changed as others are", async () => {
  const records = recordsOf(await readAll({ cdc_mode: true, initial_rows: 50, max_events: 300 }));
  assert.ok(records.slice(0, 50).every(({ operation }) => operation === "snapshot"));
  assert.ok(records.slice(50).every(({ operation }) => operation !== "snapshot"));
  const first = new Set(records.slice(0, 50).map(({ key }) => (key as Row).id));
  assert.ok(
    records.slice(50).some(({ operation, key }) => operation === "update" && first.has((key as Row).id)),
  );
});

Deno.test("a tombstone follows its delete in the same batch, after it in order", async () => {
  for (const batch_size of [1, 2, 7, 100]) {
    const config = { cdc_mode: true, tombstone: { enabled: true }, batch_size, max_events: 300 };
    const batches = await readAll(config);
    let deletes = 0;
    for (const { records } of batches) {
      assert.ok(records.length <= Math.max(2, batch_size));
      for (const [i, { operation, key, order }] of records.entries()) {
        if (operation !== "delete") continue;
        deletes++;
        const tombstone = records[i + 1];
        assert.deepEqual([tombstone.operation, tombstone.key], ["tombstone", key]);
        assert.equal(tombstone.order, `${order}.1`);
      }
    }
    assert.ok(deletes > 10);
    const orders = recordsOf(batches).map(({ order }) => order!);
    assert.deepEqual(orders, orders.toSorted());
    assert.equal(recordsOf(batches).length, 300 + deletes);
  }
});

Deno.test("the pool is bounded: rows beyond it are forgotten, not updated", async () => {
  const config = { cdc_mode: true, initial_rows: 20_000, max_events: 22_000, batch_size: 1000 };
  const records = recordsOf(await readAll(config));
  const known = new Set(records.slice(0, 20_000).map(({ key }) => (key as Row).id));
  assert.equal(known.size, 20_000);
  assert.ok(records.slice(20_000).filter(({ operation }) => operation === "update").length > 400);
});

Deno.test("resuming after any batch gives exactly the records after it", async () => {
  const configs = [
    { pattern: "orders" },
    { pattern: "events", seed: 7 },
    { pattern: "users", cdc_mode: true, deterministic: true },
    {
      pattern: "random",
      cdc_mode: true,
      update_mode: "partial",
      initial_rows: 10,
      tombstone: { enabled: true },
    },
    { pattern: "metrics", cdc_mode: true, events_per_second: 7000, start_time: "2024-02-28T23:59:59.990Z" },
  ];
  for (const config of configs) {
    // Where times are real, the clock stands still, so that the texts can be compared.
    const options = () => ({ layout: "plain" as const, clock: new FakeClock(true) });
    const full = { ...config, max_events: 120, batch_size: 1 };
    const batches = await readAll(full, options());
    assert.ok(batches.length >= 120);
    for (const [i, { position }] of batches.entries()) {
      const from = JSON.parse(JSON.stringify(position));
      const rest = await readAll({ ...full, batch_size: 50 }, { ...options(), from });
      assert.equal(textOf(rest), textOf(batches.slice(i + 1)), `${JSON.stringify(config)}, after batch ${i}`);
      assert.deepEqual(
        recordsOf(rest).map(({ order, operation }) => [order, operation]),
        recordsOf(batches.slice(i + 1)).map(({ order, operation }) => [order, operation]),
      );
    }
  }
});

Deno.test("a seed that nobody chose is kept, in the position and before the first record", async () => {
  const documents = new Map<string, Json>();
  const config = { seed: undefined, max_events: 50 };
  const clock = new FakeClock(true);
  const batches = await readAll(config, { documents, clock, layout: "plain" });
  clock.advance(1000);
  assert.equal(batches[0].position.seed, documents.get("seed"));
  const again = await readAll({ ...config, include_timestamp: false }, { documents, clock, layout: "plain" });
  assert.equal(again[0].position.seed, batches[0].position.seed);
  assert.deepEqual(
    recordsOf(again).map(({ after }) => (after as Row).id),
    recordsOf(batches).map(({ after }) => (after as Row).id),
  );
});

Deno.test("on_restart: restart begins again at record 0, in an attempt that sorts after", async () => {
  const config = { on_restart: "restart", max_events: 30, include_timestamp: false };
  let batches = await readAll(config, { layout: "plain" });
  const first = textOf(batches);
  const orders = [batches[0].order(0)!];
  for (let attempt = 1; attempt < 102; attempt++) {
    batches = await readAll(config, { layout: "plain", from: batches.at(-1)!.position });
    assert.equal(textOf(batches), first);
    orders.push(batches[0].order(0)!);
  }
  assert.deepEqual([orders[0], orders[1], orders[10], orders[100]], [
    "0/0000000000000000",
    "1/0000000000000000",
    "a10/0000000000000000",
    "b100/0000000000000000",
  ]);
  assert.deepEqual(orders, orders.toSorted());
});

Deno.test("a full refresh restarts, an incremental read continues", async () => {
  const config = { max_events: 30 };
  const [{ position: from }] = await readAll(config);
  const streams = (sync_mode: StreamSelection["sync_mode"]) => [{ name: "datagen", sync_mode }];
  assert.equal(recordsOf(await readAll(config, { from, streams: streams("incremental") })).length, 0);
  assert.equal(recordsOf(await readAll(config, { from, streams: streams("full_refresh") })).length, 30);
});

Deno.test("streams that it does not have, and cursors, are refused by name", () => {
  const streams = (selection: Partial<StreamSelection>) => ({
    streams: [{ name: "datagen", sync_mode: "incremental" as const, ...selection }],
  });
  assert.throws(() => open({}, streams({ name: "orders" })), {
    code: "config_stream_unknown",
    message: 'Source "demo" has one stream, "datagen", and streams names "orders"',
  });
  assert.throws(() => open({}, streams({ cursor_field: "id" })), { code: "config_cursor_field" });
  open({}, streams({ cursor_field: "_sequence" }));
});

Deno.test("a position that the configuration would continue otherwise is refused", async () => {
  const config = { cdc_mode: true, max_events: 100 };
  const [{ position: from }] = await readAll(config);
  const refused = async (other: Record<string, unknown>, message: RegExp, position: Position = from) => {
    await assert.rejects(readAll({ ...config, ...other }, { from: position }), { message });
  };
  await refused({ seed: 43 }, /seed is 43, the records so far were drawn from 42/);
  await refused({ cdc_mode: false }, /cdc_mode is off/);
  await refused({ update_mode: "partial" }, /update_mode partial.*drawn with "random, update_mode full/);
  await refused({ pattern: "users" }, /the keys for cdc_mode say "users/);
  await refused({}, /drawing the records so far again leads elsewhere/, {
    ...from,
    state: "0123456789abcdef",
  });
  await refused({}, /none that datagen understands/, { v: 2 });
  await refused({}, /none that datagen understands/, { v: 1, sequence: -1 });
  const [{ position: plain }] = await readAll({ max_events: 100 });
  await refused({}, /cdc_mode is on/, plain);
  assert.equal(recordsOf(await readAll({ pattern: "users", max_events: 130 }, { from: plain })).length, 30);
});

Deno.test("a deterministic source gives the same records at any time; only the processing time differs", async () => {
  const later = new FakeClock(true);
  later.advance(86_400_000);
  for (const pattern of NAMES) {
    for (const cdc_mode of [false, true]) {
      const config = { pattern, cdc_mode, deterministic: true, events_per_second: 9999, max_events: 200 };
      for (const layout of LAYOUTS) {
        const first = await readAll(config, { layout });
        const second = await readAll({ ...config, batch_size: 7 }, { layout, clock: later });
        assert.deepEqual(recordsOf(second), recordsOf(first));
        const isStamped = layout !== "plain" && layout !== "cdc_event";
        if (!isStamped) assert.equal(textOf(second), textOf(first));
        else assert.equal(unstamped(textOf(second)), unstamped(textOf(first)));
      }
    }
  }
});

/** Without what an envelope says about the time it was written. */
function unstamped(lines: string): string {
  return lines.replace(/,"ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+\}+$/gm, "")
    .replace(/"timestamp":"[^"]+Z","data"/g, '"data"');
}

Deno.test("both faces say the same, in every layout", async () => {
  const custom_fields = { text: 'ß "quoted"\n', list: [1, null, { a: 0.5 }], nothing: null, big: "2 ** 64" };
  for (const pattern of NAMES) {
    for (const more of [{}, { cdc_mode: true, initial_rows: 3, tombstone: { enabled: true } }]) {
      for (const layout of LAYOUTS) {
        for (const batch of await readAll({ pattern, custom_fields, max_events: 150, ...more }, { layout })) {
          const { lane, position, readAtMicros, records } = batch;
          const head = { lane, position, readAtMicros, layout, origin: batch.encoded().origin };
          const again = batchFromRecords(head, records);
          assert.equal(decoder.decode(again.bytes), decoder.decode(batch.bytes), `${pattern}, ${layout}`);
          for (let i = 0; i < batch.length; i++) {
            assert.deepEqual(again.span(i, "key"), batch.span(i, "key"));
            assert.equal(again.order(i), batch.order(i));
          }
        }
      }
    }
  }
});

Deno.test("values have the types that their columns name", async () => {
  const checks: Record<string, (value: unknown) => boolean> = {
    string: (value) => typeof value === "string",
    boolean: (value) => typeof value === "boolean",
    int32: (value) => typeof value === "number" && Number.isInteger(value),
    int64: (value) => typeof value === "bigint",
    float64: (value) => typeof value === "number",
    date: (value) => /^\d{4}-\d\d-\d\d$/.test(value as string),
    timestamptz: (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/.test(value as string),
    json: (value) => typeof value === "object",
    struct: (value) => typeof value === "object",
  };
  for (const pattern of NAMES) {
    const [batch] = await readAll({ pattern, max_events: 300 });
    const columns = batch.stream(0).columns!;
    for (const { after } of batch.records) {
      assert.deepEqual(Object.keys(after as Row), columns.map(({ name }) => name));
      for (const { name, type } of columns) {
        assert.ok(checks[type.kind]((after as Row)[name]), `${pattern}.${name} is no ${type.kind}`);
      }
    }
  }
});

Deno.test("a rate is kept on the clock, and each batch has the time of its tick", async () => {
  const clock = new FakeClock(true);
  const config = { events_per_second: 250, max_events: 500 };
  const batches = await readAll(config, { clock });
  assert.equal(recordsOf(batches).length, 500);
  assert.ok(Math.abs(clock.monotonicMs() - 2000) <= 20, `500 at 250 a second took ${clock.monotonicMs()} ms`);
  assert.equal(new Set(recordsOf(batches).map(({ timeMicros }) => timeMicros)).size, batches.length);
});

Deno.test("a sink that stalls is not followed by a burst", async () => {
  const clock = new FakeClock(true);
  const reader = open({ events_per_second: 100_000, max_events: 0 }, { clock }).read(undefined, neverAborted);
  let records = 0;
  for await (const batch of reader) {
    records += batch.length;
    if (records === 1000) clock.advance(60_000);
    if (records >= 5000) break;
  }
  // The first tick's events came at once, the next ones at the stall's end.
  assert.equal(clock.monotonicMs(), 60_030);
});

Deno.test("a batch has no more records than batch_size, 100 with a rate, 1000 without", async () => {
  const sizes = async (config: Record<string, unknown>) => {
    const batches = await readAll({ pattern: "sequence", max_events: 2500, ...config });
    return [...new Set(batches.map(({ length }) => length))];
  };
  assert.deepEqual(await sizes({}), [1000, 500]);
  assert.deepEqual(await sizes({ events_per_second: 100_000 }), [100]);
  assert.deepEqual(await sizes({ batch_size: 125 }), [125]);
  assert.deepEqual(await sizes({ batch_size: 10_000 }), [1000, 500]);
  assert.deepEqual(await sizes({ batch_size: 30, cdc_mode: true, max_events: 300 }), [30]);
});

Deno.test("without a rate other work on the event loop has its turn, and an abort ends the source", async () => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 5);
  let batches = 0;
  for await (const _ of open({ max_events: 0 }).read(undefined, abort.signal)) {
    if (++batches > 100_000) break;
  }
  clearTimeout(timer);
  assert.ok(abort.signal.aborted, "the timer never fired");
});

Deno.test("an abort ends a source that waits for its next tick", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const reader = open({ events_per_second: 1 }, { clock }).read(undefined, abort.signal)
    [Symbol.asyncIterator]();
  assert.equal((await reader.next()).value?.length, 1);
  const next = reader.next();
  abort.abort();
  assert.equal((await next).done, true);
  assert.equal(clock.sleeping, 0);
});

Deno.test("a source that has made all its records ends, and a restart adds none", async () => {
  const batches = await readAll({ max_events: 250, events_per_second: 1000 });
  assert.equal(recordsOf(batches).length, 250);
  assert.deepEqual(await readAll({ max_events: 250 }, { from: batches.at(-1)!.position }), []);
});

Deno.test("check finds the configuration in order and says what it means", async () => {
  const findings: CheckFinding[] = [];
  await open({ pattern: "orders", events_per_second: 100, max_events: 0, cdc_mode: true }).check((finding) =>
    findings.push(finding)
  );
  assert.deepEqual(findings, [{
    name: "configuration",
    status: "ok",
    message: "Generates changes of orders, 100 a second, without end",
  }]);
});

Deno.test("discover shows the stream as its records are, with the pattern's primary key", async () => {
  const keys: Record<string, string> = {
    sequence: "value",
    random: "id",
    users: "user_id",
    orders: "order_id",
    events: "event_id",
    metrics: "metric_id",
    key_value: "key",
  };
  for (const pattern of NAMES) {
    const config = { pattern, namespace: "demo", custom_fields: { env: "test" } };
    const [batch] = await readAll(config);
    const [found, ...others] = await open(config).discover!();
    assert.equal(others.length, 0);
    assert.deepEqual(found.stream, { ...batch.stream(0), key: [keys[pattern]] });
    assert.deepEqual(found.stream.columns!.slice(-3).map(({ name }) => name), [
      "_sequence",
      "_timestamp",
      "env",
    ]);
    assert.deepEqual(found.syncModes, ["full_refresh", "incremental"]);
    assert.equal(found.estimatedRows, 500);
  }
});
