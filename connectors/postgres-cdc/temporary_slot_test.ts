import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { CheckFinding, Position } from "../contract.ts";
import { config as schema } from "./connector.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const TEMPORARY = { slot_temporary: true };

async function failure(reader: Reader): Promise<ConnectorError> {
  try {
    while (await reader.next());
  } catch (error) {
    assert(error instanceof ConnectorError, `${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "The source ended without an error" });
}

const seen = (records: readonly DataRecord[]) =>
  records.map(({ operation, key }) => [operation, (key as { readonly id: number }).id]);

const slots = (pg: Postgres) => pg.query("SELECT slot_name, temporary FROM pg_replication_slots");

/** Ends the session that has the slot, as a server does that is restarted, or a network that is cut. */
async function cut(pg: Postgres): Promise<void> {
  await pg.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots");
  await waitUntil(async () => (await slots(pg)).length === 0 || undefined, {
    what: "the end of the slot",
    timeoutMs: 120_000,
  });
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a temporary slot hands over exactly, and what it missed is an error or a new snapshot`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    const context = testContext();
    let position: Position | undefined;
    {
      await using reader = new Reader(configFor(pg, TEMPORARY), undefined, context);
      await reader.atLeast(2);
      assert.deepEqual(await slots(pg), [{ slot_name: "rivven_slot", temporary: "t" }]);
      // Behind the point that the snapshot shows, and before the stream is asked for.
      await pg.query("INSERT INTO t VALUES (3)");
      const pending = reader.next();
      await waitForSlot(pg);
      await pg.query("DELETE FROM t WHERE id = 2");
      await pending;
      const records = await reader.atLeast(4);
      assert.deepEqual(seen(records), [["snapshot", 1], ["snapshot", 2], ["insert", 3], ["delete", 2]]);
      position = reader.position;
      // A connection that is cut may be opened again; what comes then the next start decides.
      const failed = failure(reader);
      await cut(pg);
      assert.equal((await failed).retryable, true);
    }
    await pg.query("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4)");
    for (const mode of ["initial", "never", "no_data"]) {
      await using reader = new Reader(configFor(pg, { ...TEMPORARY, snapshot: { mode } }), position, context);
      const { code, message, hint } = await failure(reader);
      assert.equal(code, "state_slot_gone");
      assert.match(message, /temporary slot "rivven_slot" ended.*since [0-9A-F]+\/[0-9A-F]+ is gone/);
      assert.match(hint ?? "", /when_needed or always/);
    }
    assert.deepEqual(await slots(pg), []);
    for (const mode of ["when_needed", "always"]) {
      await using reader = new Reader(configFor(pg, { ...TEMPORARY, snapshot: { mode } }), position, context);
      await reader.atLeast(2);
      const pending = reader.next();
      await waitForSlot(pg);
      await pg.query(`INSERT INTO t VALUES (5); DELETE FROM t WHERE id = 5`);
      await pending;
      const records: DataRecord[] = await reader.atLeast(4);
      assert.deepEqual(seen(records), [["snapshot", 1], ["snapshot", 4], ["insert", 5], ["delete", 5]]);
      const warning = context.messages.findLast((message) => message.startsWith("warn"));
      assert.match(
        warning ?? "",
        /is gone.*; a new snapshot takes its place, and does not tell what was deleted/,
      );
      position = reader.position;
    }
    assert.deepEqual(await slots(pg), []);
  });

  Deno.test(`PostgreSQL ${version}: a snapshot whose temporary slot is lost is not gone on with as if nothing was missed`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20000)");
    const context = testContext();
    let position: Position | undefined;
    {
      await using reader = new Reader(configFor(pg, TEMPORARY), undefined, context);
      await reader.next();
      position = reader.position;
      await cut(pg);
      const { code, retryable } = await failure(reader);
      assert.equal(code, "connection_lost");
      assert.equal(retryable, true);
    }
    {
      await using reader = new Reader(configFor(pg, TEMPORARY), position, context);
      assert.equal((await failure(reader)).code, "state_slot_gone");
    }
    const keys = { ...TEMPORARY, snapshot: { mode: "when_needed" } };
    await using reader = new Reader(configFor(pg, keys), position, context);
    assert.equal((await reader.atLeast(20_000)).length, 20_000);
  });
}

Deno.test("a temporary slot is checked without being made, and never takes the name of one that stays", async () => {
  await using pg = await startPostgres({ fsync: false });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t");
  const config = configFor(pg, { ...TEMPORARY, snapshot: { mode: "never" } });
  const findings = async () => {
    const found: CheckFinding[] = [];
    await using reader = new Reader(config);
    await reader.source.check((finding) => void found.push(finding));
    const { status, message } = found.find(({ name }) => name === "slot")!;
    return `${status}: ${message}`;
  };
  assert.match(await findings(), /^ok: "rivven_slot" is made with the connection/);
  assert.deepEqual(await slots(pg), []);
  {
    await using reader = new Reader(config);
    const pending = reader.next();
    await waitForSlot(pg);
    assert.match(await findings(), /^warning: "rivven_slot" is in use by process \d+/);
    await pg.query("INSERT INTO t VALUES (1)");
    await pending;
  }
  await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
  assert.match(await findings(), /^failed: Slot "rivven_slot" exists and is to stay/);
  await using reader = new Reader(config);
  assert.equal((await failure(reader)).code, "config_slot_permanent");
});

Deno.test("slot_temporary is refused beside what needs a slot that stays", () => {
  const refusal = (keys: Record<string, unknown>) =>
    schema.safeParse({ host: "h", database: "d", user: "u", ...TEMPORARY, ...keys }).error?.message ?? "";
  assert.match(refusal({ slot_failover: true }), /not copied to standbys/);
  assert.match(refusal({ auto_create_slot: false }), /made by the connection/);
  assert.equal(refusal({}), "");
});
