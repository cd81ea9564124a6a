/**
 * PostgreSQL's rows against what the program makes of them, under random writers and kills of the program: see
 * world.ts. Faults of the server are in the files beside it. A seed in a test's name repeats its workload, as far as a
 * server repeats itself; ORACLE_SEED sets another one.
 */
import { largeTransaction } from "./tables.ts";
import { oracle, pause } from "./world.ts";

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
