import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { configFor, Reader, replay, serverRows, sortedRows, waitForSlot } from "./testing.ts";
import { createWorkload, WORKLOAD_TABLES, writeAtRandom } from "./testdata/workload.ts";

const isFinish = ({ stream, operation }: DataRecord) => stream.name === "finish" && operation === "insert";

for (const version of [18, 15] as const) {
  Deno.test(`PostgreSQL ${version}: snapshot and stream together are the tables, whatever is written meanwhile`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await createWorkload(pg, 3000);
    const stop = new AbortController();
    const writers = [1, 2].map((seed) => writeAtRandom(pg, seed, stop.signal));
    await using reader = new Reader(configFor(pg));
    await reader.until((records) => records.some(({ operation }) => operation !== "snapshot"));
    await reader.until((records) => records.length > 16_000);
    stop.abort();
    await Promise.all(writers);
    await pg.query("INSERT INTO finish VALUES (1)");
    const records = await reader.until((records) => records.some(isFinish));

    const tables = replay(records);

    for (const table of WORKLOAD_TABLES) {
      assert.deepEqual(
        sortedRows(tables.get(table.replaceAll(/^"|"$|"(?=\.)|(?<=\.)"/g, "").replaceAll('""', '"'))),
        await serverRows(pg, table),
        table,
      );
    }
    const snapshots = records.filter(({ operation }) => operation === "snapshot");
    assert.equal(snapshots.length >= 11_000, true);
    const markers = reader.batches.flatMap((batch) =>
      new TextDecoder().decode(batch.bytes).match(/"snapshot":"\w+/g) ?? []
    );
    const rare = markers.map((marker) => marker.slice(12)).filter((marker) =>
      marker !== "true" && marker !== "false"
    );
    // The tables are read at the same time and handed on as they come, so only the end has a place.
    assert.equal(rare.at(-1), "last");
    assert.deepEqual(rare.slice(0, -1).sort(), [
      "first",
      ...Array(3).fill("first_in_data_collection"),
      ...Array(3).fill("last_in_data_collection"),
    ]);
  });

  Deno.test(`PostgreSQL ${version}: resuming from any position gives exactly the rest, with the same orders`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await createWorkload(pg, 100);
    const config = configFor(pg, { snapshot: { mode: "never" } });
    await using first = new Reader(config);
    first.acknowledges = false;
    const started = first.next();
    await waitForSlot(pg, "rivven_slot");
    const stop = new AbortController();
    const writing = writeAtRandom(pg, 7, stop.signal);
    await started;
    // One transaction of several batches, with updates that change the key.
    await pg.query(
      "BEGIN; INSERT INTO pairs SELECT 'bulk', i, 5000 FROM generate_series(1, 2500) i; " +
        "UPDATE pairs SET a = 6000 WHERE a = 5000 AND b <= 700; COMMIT",
    );
    stop.abort();
    await writing;
    await pg.query("INSERT INTO finish VALUES (1)");
    const all = await first.until((records) => records.some(isFinish));
    await first[Symbol.asyncDispose]();
    const positions = first.batches.map(({ position }) => position);
    assert.equal(positions.some((position) => (position as { next?: number }).next !== undefined), true);

    let seen = 0;
    for (const [i, position] of positions.entries()) {
      seen += first.batches[i].length;
      if (i % 3 > 0 && i < positions.length - 10 && (position as { next?: number }).next === undefined) {
        continue;
      }
      if (seen >= all.length) break;
      await using again = new Reader(config, position);
      again.acknowledges = false;
      const rest = await again.until((records) => records.some(isFinish));
      const same = (record: DataRecord) => ({ ...record, stream: record.stream.name });
      assert.deepEqual(rest.map(same), all.slice(seen).map(same));
    }
  });

  Deno.test(`PostgreSQL ${version}: old rows are what the replica identity sends, unchanged TOAST is named`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE d (id int PRIMARY KEY, big text, note text);
      CREATE TABLE f (id int PRIMARY KEY, big text, note text);
      ALTER TABLE f REPLICA IDENTITY FULL;
      CREATE TABLE i (id int PRIMARY KEY, code text NOT NULL, note text);
      CREATE UNIQUE INDEX by_code ON i (code);
      ALTER TABLE i REPLICA IDENTITY USING INDEX by_code;
    `);
    await using reader = new Reader(configFor(pg, { snapshot: { mode: "never" } }));
    const started = reader.next();
    await waitForSlot(pg, "rivven_slot");
    const big = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 128))";
    await pg.query(
      `INSERT INTO d VALUES (1, ${big}, 'a'); INSERT INTO f VALUES (1, ${big}, NULL); INSERT INTO i VALUES (1, 'x', NULL)`,
    );
    await pg.query("UPDATE d SET note = NULL; UPDATE f SET note = 'b'; UPDATE i SET note = 'b'");
    await pg.query("UPDATE d SET id = 2; UPDATE f SET id = 2; UPDATE i SET code = 'y'");
    await pg.query("DELETE FROM d; DELETE FROM f; DELETE FROM i");
    await started;
    const records = await reader.atLeast(15);
    const [{ big: dBig }, { big: fBig }] = records.map(({ after }) => after as { big: string });
    assert.equal(dBig.length, 4096);

    assert.deepEqual(
      records.map((
        { stream, operation, key, before, after, unavailable },
      ) => [stream.name, operation, key, before, after, unavailable]),
      [
        ["d", "insert", { id: 1 }, undefined, { id: 1, big: dBig, note: "a" }, undefined],
        ["f", "insert", { id: 1 }, undefined, { id: 1, big: fBig, note: null }, undefined],
        ["i", "insert", { code: "x" }, undefined, { id: 1, code: "x", note: null }, undefined],
        ["d", "update", { id: 1 }, undefined, { id: 1, note: null }, ["big"]],
        [
          "f",
          "update",
          { id: 1 },
          { id: 1, big: fBig, note: null },
          { id: 1, big: fBig, note: "b" },
          undefined,
        ],
        ["i", "update", { code: "x" }, undefined, { id: 1, code: "x", note: "b" }, undefined],
        ["d", "delete", { id: 1 }, { id: 1 }, undefined, undefined],
        ["d", "insert", { id: 2 }, undefined, { id: 2, note: null }, ["big"]],
        ["f", "delete", { id: 1 }, { id: 1, big: fBig, note: "b" }, undefined, undefined],
        ["f", "insert", { id: 2 }, undefined, { id: 2, big: fBig, note: "b" }, undefined],
        ["i", "delete", { code: "x" }, { code: "x" }, undefined, undefined],
        ["i", "insert", { code: "y" }, undefined, { id: 1, code: "y", note: "b" }, undefined],
        ["d", "delete", { id: 2 }, { id: 2 }, undefined, undefined],
        ["f", "delete", { id: 2 }, { id: 2, big: fBig, note: "b" }, undefined, undefined],
        ["i", "delete", { code: "y" }, { code: "y" }, undefined, undefined],
      ],
    );
  });
}
