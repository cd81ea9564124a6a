/**
 * Several writers at once, each with a connection and a seed of its own. They go on whatever happens to the server:
 * a transaction whose end nobody heard of may have been committed or not, which the comparison does not need to know.
 */
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import { seededRandom } from "../fakes/context.ts";
import type { Postgres } from "../servers/postgres.ts";
import { type Below, type StatementOptions, Statements } from "./tables.ts";

/** Somebody else was faster, or it was in the way of somebody: the transaction is rolled back and that is all. */
const CONFLICTS = [
  "23505", // unique_violation
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available
];
/** What DDL on a table runs into that others have changed: no such column, wrong type, no such value in it. */
const DDL_ERRORS = /^22|^42/;
/** Lost connections have no SQLSTATE; shutdown, crash and start of a server have class 57P0, a standby has 25006. */
const OUTAGE = /^57P0|^25006|^08|^53300/;
/** What a standby says, without a SQLSTATE of its own, to a message that would be a transaction. */
const STANDBY = /during recovery/;

export class Writers implements AsyncDisposable {
  /** Transactions that went through, rolled back ones included. */
  transactions = 0;
  /** Why one of them has ended before its time. */
  failure: Error | undefined;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>[];

  /** @param server asked at each connect, so that it can become another one */
  constructor(server: () => Postgres, count: number, seed: number, options: StatementOptions) {
    this.#done = Array.from({ length: count }, (_, i) => this.#run(server, i, seed * 100 + i, options));
    for (const each of this.#done) each.catch((error) => this.failure = error);
  }

  /** Ends them, and what they have prepared. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#done);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#done);
  }

  async #run(server: () => Postgres, number: number, seed: number, options: StatementOptions): Promise<void> {
    const random = seededRandom(seed);
    const below: Below = (limit) => Math.floor(random() * limit);
    const statements = new Statements(below, server().version, options);
    let client: pg.Client | undefined;
    for (;;) {
      const isOver = this.#stop.signal.aborted;
      try {
        if (client === undefined) {
          client = await server().connect({ connectionTimeoutMillis: 2000 });
          // Without a limit a writer may wait for what it has prepared itself.
          await client.query(`SET lock_timeout = '300ms'; SELECT setseed(${below(1000) / 1000})`);
          await resolvePrepared(client, number, below);
        }
        if (isOver) {
          await resolvePrepared(client, number, below);
          break;
        }
        await transaction(client, number, statements, below);
        this.transactions++;
        // Leaves the processors to who reads.
        await new Promise((resolve) => setTimeout(resolve, below(4)));
      } catch (error) {
        const code = error instanceof pg.DatabaseError ? error.code ?? "" : "";
        const isLost = !(error instanceof pg.DatabaseError) || OUTAGE.test(code) ||
          STANDBY.test(error.message);
        if (isLost) {
          await client?.end().catch(() => {});
          client = undefined;
          await new Promise((resolve) => setTimeout(resolve, 50));
        } else if (CONFLICTS.includes(code) || (options.ddl && DDL_ERRORS.test(code))) {
          await client!.query("ROLLBACK").catch(() => {});
        } else {
          await client!.end();
          throw error;
        }
      }
    }
    await client.end();
  }
}

let serial = 0;

async function transaction(
  client: pg.Client,
  writer: number,
  statements: Statements,
  below: Below,
): Promise<void> {
  const rare = statements.rare();
  if (rare) {
    // VACUUM must be alone.
    for (const statement of rare) await client.query(statement);
    return;
  }
  const some = Array.from({ length: 1 + below(5) }, () => statements.next());
  if (below(5) === 0) {
    const undone = [statements.next(), "SAVEPOINT deeper", statements.next(), "RELEASE deeper"];
    some.splice(
      below(some.length),
      0,
      "SAVEPOINT s",
      ...undone,
      "ROLLBACK TO SAVEPOINT s",
      statements.next(),
    );
  }
  if (below(12) === 0) {
    const gid = `oracle_${writer}_${serial++}_${below(1e9)}`;
    await client.query(`BEGIN; ${some.join("; ")}; PREPARE TRANSACTION '${gid}'`);
    // Others commit in between, and so does this one.
    await client.query(`BEGIN; ${statements.next()}; COMMIT`).catch(async (error) => {
      if (!(error instanceof pg.DatabaseError) || !CONFLICTS.includes(error.code ?? "")) throw error;
      await client.query("ROLLBACK");
    });
    await client.query(`${below(3) === 0 ? "ROLLBACK" : "COMMIT"} PREPARED '${gid}'`);
    return;
  }
  await client.query(`BEGIN; ${some.join("; ")}; ${below(10) === 0 ? "ROLLBACK" : "COMMIT"}`);
}

/** What was prepared when the connection was lost. */
async function resolvePrepared(client: pg.Client, writer: number, below: Below): Promise<void> {
  const { rows } = await client.query("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE $1", [
    `oracle\\_${writer}\\_%`,
  ]);
  for (const { gid } of rows) {
    await client.query(`${below(2) === 0 ? "ROLLBACK" : "COMMIT"} PREPARED '${gid}'`);
  }
}
