/** The oracle (world.ts) under faults of the server and of the line to it. */
import assert from "node:assert/strict";
import { waitUntil } from "../servers/process.ts";
import { oracle, pause, SLOT } from "./world.ts";

const seed = Number(Deno.env.get("ORACLE_SEED") ?? 1);

Deno.test(`the server crashes, and is restarted (seed ${seed})`, async () => {
  await oracle({ seed, version: 16 }, async (world) => {
    await world.start();
    for (const how of ["kill", "fast", "immediate"] as const) {
      await world.writes(1500);
      if (how === "kill") {
        await world.pg.kill();
        await pause(world.below(300));
        await world.pg.start();
      } else await world.pg.restart({ mode: how });
    }
    await world.writes(1000);
  });
});

Deno.test(`a connection is swallowed: open at both ends, and dead (seed ${seed})`, async () => {
  await oracle({ seed, settings: { wal_sender_timeout: "1s" } }, async (world) => {
    await world.start();
    await world.writes(4500);
    world.proxy.swallow();
    await world.says("connection_timeout");
    await pause(500);
    world.proxy.pass();
    await world.writes(1000);
  });
});

Deno.test(`the server's process of the slot is terminated, also in the snapshot (seed ${seed})`, async () => {
  // One table takes its time, so that the snapshot is caught there on any machine.
  const slow = "SELECT id, v FROM emptied CROSS JOIN (SELECT pg_sleep(1)) s";
  const config = { snapshot: { select_overrides: { "public.emptied": slow } } };
  await oracle({ seed, rows: 4000, config }, async (world) => {
    const terminate = async (what: string) => {
      const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${what}`;
      await waitUntil(async () => (await world.pg.query(sql)).length > 0, {
        what,
        timeoutMs: 120_000,
        everyMs: 5,
      });
    };
    await world.start();
    await terminate("query LIKE 'COPY (SELECT%' AND application_name LIKE 'rivven%'");
    for (let loop = 0; loop < 2; loop++) {
      await world.writes(5000);
      await terminate(`pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${SLOT}')`);
    }
    await world.writes(1000);
  });
});

Deno.test(`the server stands still for some seconds (seed ${seed})`, async () => {
  await oracle({ seed, version: 17 }, async (world) => {
    await world.start();
    await world.says("Streaming from");
    await world.writes(1000);
    // Before, a table that was rewritten may have made the snapshot begin anew.
    const before = world.log;
    await world.pg.pause();
    await pause(3000);
    await world.pg.resume();
    await world.writes(1000);
    assert.doesNotMatch(world.log.slice(before.length), /trying again/);
  });
});

Deno.test(`the sink is slower than wal_sender_timeout allows (seed ${seed})`, async () => {
  const settings = { wal_sender_timeout: "3s" };
  await oracle(
    { seed, version: 14, settings, pipeline: { settings: { rate_limit: 1500 } }, writers: 1 },
    async (world) => {
      await world.start();
      await world.says("Streaming from");
      const before = world.log;
      await pause(9000);
      // Before, a table that was rewritten makes the snapshot begin anew.
      assert.doesNotMatch(world.log.slice(before.length), /trying again/);
    },
  );
});
