/** The source alone, with its connection cut inside every kind of message that the server sends. */
import assert from "node:assert/strict";
import { configFor, Reader, testContext } from "../../connectors/postgres-cdc/testing.ts";
import type { Position } from "../../connectors/contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { seededRandom } from "../fakes/context.ts";
import { type Postgres, startPostgres } from "../servers/postgres.ts";
import { startProxy } from "../servers/proxy.ts";
import { makeWitness } from "./compare.ts";
import { MESSAGE_KINDS, MessageCutter } from "./message_cutter.ts";
import { createTables, PUBLICATION } from "./tables.ts";
import { judge, SLOT } from "./world.ts";
import { Writers } from "./writers.ts";

const seed = Number(Deno.env.get("ORACLE_SEED") ?? 1);

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
