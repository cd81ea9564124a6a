/** The oracle (world.ts) where the primary dies and a standby takes over. */
import assert from "node:assert/strict";
import { promote, stopFollowing } from "../servers/postgres_standby.ts";
import { waitUntil } from "../servers/process.ts";
import { oracle, SLOT, type World } from "./world.ts";

const seed = Number(Deno.env.get("ORACLE_SEED") ?? 1);

for (const version of [17, 18] as const) {
  Deno.test(`PostgreSQL ${version} fails over to a standby that has the slot (seed ${seed})`, async () => {
    await oracle({ seed, version, standby: "has slot" }, async (world) => {
      await world.start();
      await world.writes(5000);
      await failOver(world);
      await world.writes(2000);
    });
  });
}

Deno.test(`a standby without the slot is not read from: the program ends and says why (seed ${seed})`, async () => {
  await oracle({ seed, version: 16, standby: "has no slot" }, async (world) => {
    await world.start();
    await world.writes(5000);
    await failOver(world);
    assert.equal(await world.stops(), 1);
    assert.match(world.log, /code="state_slot_gone"/);
  });
});

Deno.test(`a standby that lacks what was read already is not read from, however far its log is (seed ${seed})`, async () => {
  await oracle({ seed, version: 17, standby: "has slot" }, async (world) => {
    const { pg, standby, proxy } = world;
    await world.start();
    await world.writes(4000);
    await stopFollowing(standby!, pg);
    const [{ lsn: left }] = await pg.query("SELECT pg_current_wal_lsn() AS lsn");
    // On a busy machine the program may still be busy with what the standby has as well.
    const isRead =
      `SELECT FROM pg_replication_slots WHERE slot_name = '${SLOT}' AND confirmed_flush_lsn > $1::pg_lsn`;
    await waitUntil(async () => (await pg.query(isRead, [left])).length > 0, {
      what: "what the standby lacks to be read",
      timeoutMs: 120_000,
    });
    await world.writes(1000);
    const [{ lsn }] = await pg.query("SELECT pg_current_wal_lsn() AS lsn");
    proxy.refuse();
    await failOver(world);
    // Nothing of the log that the program knows is missing by number.
    while (
      (await standby!.query("SELECT pg_current_wal_lsn() <= $1::pg_lsn AS short", [lsn]))[0].short === "t"
    ) {
      await standby!.query("SELECT pg_switch_wal()");
    }
    proxy.pass();
    assert.equal(await world.stops(), 1);
    assert.match(world.log, /code="state_server_behind"/);
  });
});

/** The primary dies, its standby takes over, and whoever connects is led there. */
async function failOver(world: World): Promise<void> {
  await world.pg.kill();
  const standby = world.standby!;
  world.proxy.retarget(standby);
  await promote(standby);
  world.pg = standby; // for writers, too, who must find no standby
}
