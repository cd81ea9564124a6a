import assert from "node:assert/strict";
import type { ConnectorError } from "../../formats/data/errors.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import type { Position } from "../contract.ts";
import definition, { config as schema } from "./connector.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, type TestContext, testContext, waitForSlot } from "./testing.ts";

const DROPS = { drop_slot_on_stop: true };

const slots = async (pg: Postgres) =>
  (await pg.query("SELECT slot_name FROM pg_replication_slots")).map(({ slot_name }) => slot_name);

/**
 * Reads as the runtime does until told to stop, then asks for the release.
 *
 * @param acknowledges the batches that become durable, by their number
 */
async function readAndStop(
  pg: Postgres,
  keys: Record<string, unknown>,
  context: TestContext,
  { from, acknowledges = () => true, during }: {
    readonly from?: Position;
    readonly acknowledges?: (batch: number) => boolean;
    /** When it resolves, the source is told to stop. */
    readonly during: (batches: () => number) => Promise<void>;
  },
): Promise<Position | undefined> {
  await using source = openSource(configFor(pg, { ...DROPS, ...keys }), context);
  const stop = new AbortController();
  let batches = 0;
  const telling = during(() => batches).finally(() => stop.abort());
  let position: Position | undefined;
  for await (const batch of source.read(from, stop.signal)) {
    position = batch.position;
    if (acknowledges(batches++)) await source.acknowledge(position);
  }
  await telling;
  await source.release!();
  return position;
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 20));

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a slot goes with a stop when all is durable, and the next start says what is missing`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    const context = testContext();
    const untilStreaming = async () => {
      await waitForSlot(pg);
      await pg.query("INSERT INTO t VALUES (2) ON CONFLICT DO NOTHING");
    };
    // Something that was read is not durable: whoever starts next gets it from the slot.
    const kept = await readAndStop(pg, {}, context, {
      acknowledges: (batch) => batch === 0,
      during: async (batches) => {
        await untilStreaming();
        while (batches() < 2) await moment();
      },
    });
    assert.notEqual(kept, undefined);
    assert.deepEqual(await slots(pg), ["rivven_slot"]);

    const position = await readAndStop(pg, {}, context, { from: kept, during: untilStreaming });
    assert.deepEqual(await slots(pg), []);
    assert(context.messages.some((message) => /^info: Dropped replication slot "rivven_slot"/.test(message)));
    await pg.query("INSERT INTO t VALUES (3)");

    for (const drop_slot_on_stop of [true, false]) {
      const config = configFor(pg, { drop_slot_on_stop });
      await using reader: Reader = new Reader(config, position ?? kept, context);
      const failed: Promise<unknown> = reader.next();
      const error: ConnectorError | undefined = await failed.then(() => undefined, (error) => error);
      assert.equal(error?.code, "state_slot_gone");
      assert.match(
        error!.message,
        /"rivven_slot" was dropped when the pipeline stopped.*since .* is gone/,
      );
    }
    const keys = { snapshot: { mode: "when_needed" } };
    await using reader = new Reader(configFor(pg, keys), position ?? kept, context);
    const records = await reader.atLeast(3);
    assert.deepEqual(records.map(({ operation }) => operation), ["snapshot", "snapshot", "snapshot"]);
  });
}

Deno.test("a slot stays with a reason where a snapshot is under way, and without a word where it is another reader's", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)");
  const context = testContext();
  await readAndStop(pg, { snapshot: { batch_size: 100, throttle_delay_ms: 60_000 } }, context, {
    during: async (batches) => {
      while (batches() === 0) await moment();
    },
  });
  assert.deepEqual(await slots(pg), ["rivven_slot"]);
  assert(context.messages.some((message) => /^warn: .* stays.*snapshot is not complete/.test(message)));

  await using other = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
  const reading = other.next();
  await waitForSlot(pg);
  const second = testContext();
  const keys = { snapshot: { mode: "never" }, slot_max_retries: 100 };
  await readAndStop(pg, keys, second, {
    during: async () => {
      while (!second.messages.some((message) => /is in use by/.test(message))) await moment();
    },
  });
  await waitForSlot(pg);
  await pg.query("INSERT INTO t VALUES (5001)");
  assert.equal((await reading) !== undefined, true);
});

Deno.test("the plan warns of what drop_slot_on_stop means with each snapshot mode", () => {
  const machine = { env: () => undefined, readFile: () => "", fileMode: () => undefined };
  const notes = (keys: Record<string, unknown>) =>
    definition.completeConfig!({ host: "h", database: "d", user: "u", ...keys }, machine, "source").notes;
  assert.deepEqual(notes({}), []);
  assert.deepEqual(notes({ ...DROPS, snapshot: { mode: "initial_only" } }), []);
  assert.match(notes(DROPS)[0], /not captured, and that start is refused, unless snapshot.mode is always/);
  assert.match(
    notes({ ...DROPS, snapshot: { mode: "always" } })[0],
    /takes a new snapshot, which does not tell/,
  );
  const both = schema.safeParse({ host: "h", database: "d", user: "u", ...DROPS, slot_temporary: true });
  assert.match(both.error?.message ?? "", /ends by itself/);
});
