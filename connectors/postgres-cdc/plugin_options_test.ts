import assert from "node:assert/strict";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, testContext } from "./testing.ts";

Deno.test("what an older server can't send is an error before anything is made, and check says so", async (t) => {
  await using pg = await requireServer(t, () => startPostgres({ version: 13, fsync: false }));
  if (pg === undefined) return;
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  for (
    const [keys, code] of [
      [{ origin: "none" }, "state_origin"],
      [{ logical_messages: { enabled: true } }, "state_logical_messages"],
    ] as const
  ) {
    const config = configFor(pg, keys);
    await using reader = new Reader(config);
    await assert.rejects(reader.next(), { code });
    const found: string[] = [];
    await using source = openSource(config, testContext());
    await source.check(({ name, status }) => void (name === "stream_options" && found.push(status)));
    assert.deepEqual(found, ["failed"]);
  }
  assert.deepEqual(
    await pg.query("SELECT FROM pg_replication_slots UNION ALL SELECT FROM pg_publication"),
    [],
  );
});
