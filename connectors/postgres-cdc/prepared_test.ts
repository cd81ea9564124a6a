import assert from "node:assert/strict";
import type { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { waitUntil } from "../../tests/servers/process.ts";
import type { CheckFinding, Position } from "../contract.ts";
import type { PostgresPosition } from "./position.ts";
import { configFor, Reader, testContext, waitForSlot } from "./testing.ts";

const NEVER = { snapshot: { mode: "never" } };

const id = ({ key }: DataRecord) => (key as { readonly id: number }).id;
const has = (wanted: number) => (records: readonly DataRecord[]) =>
  records.some((record) => id(record) === wanted);

async function prepare(pg: Postgres, gid: string, sql: string): Promise<void> {
  await pg.query(`BEGIN; ${sql}; PREPARE TRANSACTION '${gid}'`);
}

/** Reads from `from` on while `during` happens, until the row is there. */
async function readUntil(
  pg: Postgres,
  from: Position | undefined,
  last: number,
  during: () => Promise<unknown>,
): Promise<Reader> {
  await using reader = new Reader(configFor(pg, { ...NEVER, status_update_interval_ms: 100 }), from);
  const pending = reader.next();
  await waitForSlot(pg);
  await during();
  await pending;
  await reader.until(has(last));
  return reader;
}

for (const version of [15, 18] as const) {
  const start = () => startPostgres({ version, settings: { max_prepared_transactions: "10" } });

  Deno.test(`PostgreSQL ${version}: what was prepared before a crash and behind what is confirmed comes whole when it commits`, async (t) => {
    await using pg = await requireServer(t, start);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
    const first = await readUntil(pg, undefined, 3, async () => {
      await prepare(pg, "away", "INSERT INTO t SELECT generate_series(1000, 3499)");
      await prepare(pg, "undone", "INSERT INTO t VALUES (1)");
      await prepare(pg, "later", "INSERT INTO t VALUES (2)");
      await pg.query("INSERT INTO t VALUES (3)");
    });
    assert.deepEqual(first.records.map(id), [3]);
    // The server may let go of everything up to here, and the transactions were written before.
    const confirmed = async () => {
      const [{ done }] = await pg.query(
        "SELECT (NOT active AND confirmed_flush_lsn >= $1::pg_lsn)::text AS done FROM pg_replication_slots",
        [(first.position as PostgresPosition).lsn],
      );
      return done === "true" || undefined;
    };
    await waitUntil(confirmed, { what: "the confirmation", timeoutMs: 120_000 });
    await pg.query("CHECKPOINT");
    await pg.kill();
    await pg.start();
    await pg.query("COMMIT PREPARED 'away'");
    await pg.query("ROLLBACK PREPARED 'undone'");

    const second = await readUntil(pg, first.position, 4, async () => {
      await pg.query("COMMIT PREPARED 'later'");
      await pg.query("INSERT INTO t VALUES (4)");
    });
    const all = second.records;
    const away = Array.from({ length: 2500 }, (_, i) => 1000 + i);
    assert.deepEqual(all.map(id), [...away, 2, 4]);
    assert.equal(new Set(all.slice(0, 2500).map(({ source }) => source!.txId)).size, 1);

    // From inside of it, as it stood when the program was killed, behind another crash of the server.
    await pg.query("SELECT pg_drop_replication_slot('rivven_slot')");
    await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput')");
    await prepare(pg, "half", "INSERT INTO t SELECT generate_series(5000, 7499)");
    const [{ lsn }] = await pg.query("SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots");
    await pg.query("COMMIT PREPARED 'half'");
    await pg.query("INSERT INTO t VALUES (5)");
    const system = (first.position as PostgresPosition).system;
    const from = { v: 1, system, slot: "rivven_slot", lsn: lsn! };
    let inside: { readonly position: Position; readonly orders: readonly (string | undefined)[] };
    {
      await using reader = new Reader(configFor(pg, NEVER), from);
      reader.acknowledges = false;
      while ((reader.position as PostgresPosition | undefined)?.next === undefined) await reader.next();
      inside = { position: reader.position!, orders: reader.records.map(({ order }) => order) };
    }
    await pg.kill();
    await pg.start();
    const rest = await readUntil(pg, inside.position, 5, () => Promise.resolve());
    assert.deepEqual(
      rest.records.map(id),
      [...Array.from({ length: 2500 }, (_, i) => 5000 + i).slice(inside.orders.length), 5],
    );
    const orders = [...inside.orders, ...rest.records.map(({ order }) => order)];
    assert.deepEqual(orders, orders.toSorted());
    assert.equal(new Set(orders).size, 2501);
  });

  Deno.test(`PostgreSQL ${version}: a snapshot waits for what is prepared, says for which, and the hand-over is exact`, async (t) => {
    await using pg = await requireServer(t, start);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    await prepare(pg, "its 2", "INSERT INTO t VALUES (2)");
    const context = testContext();
    await using reader = new Reader(configFor(pg), undefined, context);
    const first = reader.next();
    const warning = await waitUntil(
      () => Promise.resolve(context.messages.find((message) => /^warn: Creating/.test(message))),
      { what: "the warning", timeoutMs: 120_000 },
    );
    assert.match(
      warning,
      /waits for the transaction that was prepared as 'its 2' \d+ s ago by "[^"]+" in database "postgres".*COMMIT PREPARED 'its 2'.*ROLLBACK PREPARED 'its 2'/,
    );
    await pg.query("COMMIT PREPARED 'its 2'");
    await first;
    await reader.atLeast(2);
    const pending = reader.next();
    await waitForSlot(pg);
    await pg.query("INSERT INTO t VALUES (3)");
    await pending;
    const records = await reader.until(has(3));
    assert.deepEqual(
      records.map((record) => [record.operation, id(record)]),
      [["snapshot", 1], ["snapshot", 2], ["insert", 3]],
    );
  });

  Deno.test(`PostgreSQL ${version}: a slot that sends what is prepared is refused`, async (t) => {
    await using pg = await requireServer(t, start);
    if (pg === undefined) return;
    await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
    await pg.query("SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput', false, true)");
    await using reader = new Reader(configFor(pg));
    const reading: Promise<unknown> = reader.next();
    const error: ConnectorError | undefined = await reading.then(() => undefined, (error) => error);
    assert.equal(error?.code, "state_slot_two_phase");
    const findings: CheckFinding[] = [];
    await reader.source.check((finding) => void findings.push(finding));
    const slot = findings.find(({ name }) => name === "slot");
    assert.equal(slot?.status, "failed");
    assert.match(slot!.message, /before they commit/);
  });
}
