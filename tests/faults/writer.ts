/** Live writes for fault tests: changes of the table "accounts", the same sequence for the same seed. */
import type { Postgres } from "../servers/postgres.ts";

/** Inserts, updates and deletes for ever: transactions of a few rows, as fast as the server takes them, or paced. */
export class Writer implements AsyncDisposable {
  #stopped = false;
  #done: Promise<void>;

  /** @param pauseMs how long it rests after every transaction */
  constructor(pg: Postgres, seed: number, pauseMs = 0) {
    this.#done = this.#run(pg, seed, pauseMs);
  }

  async #run(pg: Postgres, seed: number, pauseMs: number): Promise<void> {
    const client = await pg.connect();
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    while (!this.#stopped) {
      await client.query("BEGIN");
      for (let k = random(6); k >= 0; k--) {
        const id = random(4000);
        const what = random(10);
        if (what < 4) {
          await client.query(
            "INSERT INTO accounts VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET balance = excluded.balance",
            [id, random(1000), `note ${random(1e6)}`],
          );
        } else if (what < 8) {
          await client.query("UPDATE accounts SET balance = balance + 1 WHERE id = $1", [id]);
        } else if (what < 9) await client.query("DELETE FROM accounts WHERE id = $1", [id]);
        else {
          await client.query(
            "UPDATE accounts SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM accounts WHERE id = $2)",
            [id, random(4000)],
          );
        }
      }
      await client.query(random(10) === 0 ? "ROLLBACK" : "COMMIT");
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await client.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}
