/**
 * PostgreSQL's rows against what the program makes of them, under random writers and every fault: see world.ts. A
 * seed in a test's name repeats its workload, as far as a server repeats itself; ORACLE_SEED sets another one.
 */
import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { configFor, Reader, testContext } from "../../connectors/postgres-cdc/testing.ts";
import { seededRandom } from "../fakes/context.ts";
import type { Position } from "../../connectors/contract.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { promote, stopFollowing } from "../servers/postgres_standby.ts";
import { startProxy } from "../servers/proxy.ts";
import { makeWitness } from "./compare.ts";
import { MESSAGE_KINDS, MessageCutter } from "./message_cutter.ts";
import { createTables, largeTransaction, PUBLICATION } from "./tables.ts";
import { judge, oracle, pause, SLOT, type World } from "./world.ts";
import { Writers } from "./writers.ts";

const seed = Number(Deno.env.get("ORACLE_SEED") ?? 1);

for (const version of [14, 16, 17] as const) {
  Deno.test(`PostgreSQL ${version}, undisturbed: the file says what is in the tables (seed ${seed})`, async () => {
    await oracle({ seed, version }, async (world) => {
      await world.start();
      await world.writes(6000);
    });
  });
}

Deno.test(`tables are emptied and altered under the writers' hands (seed ${seed})`, async () => {
  const config = { skipped_operations: ["none"] };
  await oracle({ seed, truncate: true, ddl: true, config }, async (world) => {
    await world.start();
    await world.writes(6000);
    await world.kill();
    await pause(300);
    await world.start();
    await world.writes(3000);
  });
});

Deno.test(`killed again and again, in the snapshot and behind it (seed ${seed})`, async () => {
  await oracle({ seed, rows: 3000 }, async (world) => {
    for (let loop = 0; loop < 8; loop++) {
      await world.start();
      await pause(50 + world.below(loop < 4 ? 400 : 1000));
      await world.kill();
    }
  });
});

Deno.test(`killed inside a transaction of 50,000 rows (seed ${seed})`, async () => {
  await oracle({ seed, version: 17 }, async (world) => {
    await world.start();
    await world.writes(3500);
    await world.pg.query(largeTransaction(50_000, 1));
    for (let loop = 0; loop < 2; loop++) {
      await world.writes(5000 + world.below(10_000));
      await world.kill();
      await world.start();
    }
    await world.writes(30_000);
  });
});

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
  await oracle({ seed, rows: 4000 }, async (world) => {
    const terminate = async (what: string) => {
      const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${what}`;
      while ((await world.pg.query(sql)).length === 0) await pause(5);
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
    await world.writes(4000);
    await world.pg.pause();
    await pause(3000);
    await world.pg.resume();
    await world.writes(1000);
    assert.doesNotMatch(world.log, /trying again/);
  });
});

Deno.test(`the sink is slower than wal_sender_timeout allows (seed ${seed})`, async () => {
  const settings = { wal_sender_timeout: "1s" };
  await oracle(
    { seed, version: 14, settings, pipeline: { settings: { rate_limit: 1500 } }, writers: 1 },
    async (world) => {
      await world.start();
      await world.says("Streaming from");
      const before = world.log;
      await pause(5000);
      // Before, a table that was rewritten makes the snapshot begin anew.
      assert.doesNotMatch(world.log.slice(before.length), /trying again/);
    },
  );
});

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
  const standby = world.pg = world.standby!;
  world.proxy.retarget(standby);
  await promote(standby);
}

Deno.test(`connections cut inside every kind of message (seed ${seed})`, async (t) => {
  await using pg = await startPostgres({ fsync: false, settings: { max_prepared_transactions: "20" } });
  await createTables(pg, 300);
  await makeWitness(pg);
  await using proxy = await startProxy({ target: pg });
  const config = configFor({ ...account(pg), host: proxy.host, port: proxy.port }, {
    slot_name: SLOT,
    publication: PUBLICATION,
    slot_max_retries: 100,
    slot_retry_delay_ms: 100,
    tls: { mode: "disable" },
  });
  await using writers = new Writers(() => pg, 2, seed, { dir: pg.socketDir });
  const random = seededRandom(seed);
  const cutter = new MessageCutter(proxy);
  const context = testContext();
  const lines: string[] = [];
  let position: Position | undefined;

  /** Reads on from where the last one was cut off, and takes over what it gets, until it is cut off or has enough. */
  const read = async (isEnough: () => boolean) => {
    await using reader = new Reader(config, position, context);
    while (!isEnough()) {
      const batch = await reader.next();
      assert(batch);
      lines.push(...new TextDecoder().decode(batch.bytes).split("\n").slice(0, -1));
      position = batch.position;
    }
  };

  for (const kind of MESSAGE_KINDS) {
    await t.step(kind, async () => {
      for (const part of [0, random(), random(), 1]) {
        cutter.cut(kind, part);
        while (!cutter.isDone) {
          const error = await read(() => false).catch((error) => error);
          assert(error instanceof ConnectorError && error.retryable, `${error}`);
          // Writers' VACUUM FULL may be in the way of a snapshot, too.
          assert.equal(error.code === "conflict_rewritten" || error.kind === "connection", true, `${error}`);
        }
      }
    });
  }
  await writers.stop();
  await pg.query("INSERT INTO finish VALUES (1)");
  await read(() => lines.at(-1)?.includes('"table":"finish"') ?? false);
  await judge(pg, lines, true);

  await t.step("a line that is lost, comes twice or in another order is noticed", async () => {
    const isChange = (line: string) => line.includes('"lane":"stream"');
    const first = lines.findIndex(isChange);
    for (let n = 0; n < 3; n++) {
      const at = first + 1 + Math.floor(random() * (lines.length - first - 2));
      await assert.rejects(judge(pg, lines.toSpliced(at, 1), true));
      await assert.rejects(judge(pg, lines.toSpliced(at, 0, lines[at]), true));
      await assert.rejects(judge(pg, lines.toSpliced(at, 2, lines[at + 1], lines[at]), true));
    }
    await assert.rejects(judge(pg, lines.toSpliced(first - 1, 1), true), "a row of the snapshot");
  });
});

const account = ({ user, password, database }: Postgres) => ({ user, password, database });
