/**
 * The demo's customers: a stream of small transactions that insert, update (keys too), delete and now and then roll
 * back, at an even pace. main.ts runs one while the program reads.
 */
import type { Client } from "npm:pg@8.23.1";
import { FIRST_ID } from "./shop.ts";

export interface WriterOptions {
  /** Rows changed per second, on average. */
  readonly rowsPerSecond: number;
  /** The same seed does the same to the same tables. */
  readonly seed: number;
}

/** What the committed transactions changed, by row; cascades included. */
export interface Written {
  transactions: number;
  rolledBack: number;
  inserted: number;
  updated: number;
  deleted: number;
}

/** Writes until `signal` is aborted, and at most `maxTransactions`. The transaction under way is finished. */
export async function write(
  client: Client,
  options: WriterOptions,
  signal: AbortSignal,
  maxTransactions = Infinity,
): Promise<Written> {
  const random = seededRandom(options.seed);
  const written: Written = { transactions: 0, rolledBack: 0, inserted: 0, updated: 0, deleted: 0 };
  const shop = new Shop(client, random);
  await shop.look();
  const started = performance.now();
  while (!signal.aborted && written.transactions + written.rolledBack < maxTransactions) {
    await transaction(client, shop, random, written);
    const rows = written.inserted + written.updated + written.deleted;
    await pause(rows / options.rowsPerSecond * 1000 - (performance.now() - started), signal);
  }
  return written;
}

async function transaction(client: Client, shop: Shop, random: () => number, total: Written): Promise<void> {
  const before = shop.save();
  const changed: Changed = { inserted: 0, updated: 0, deleted: 0 };
  await client.query("BEGIN");
  for (let steps = 1 + Math.floor(random() * 3); steps > 0; steps--) {
    await shop.step(changed);
  }
  if (random() < 0.05) {
    await client.query("ROLLBACK");
    shop.restore(before);
    total.rolledBack++;
    return;
  }
  await client.query("COMMIT");
  total.transactions++;
  total.inserted += changed.inserted;
  total.updated += changed.updated;
  total.deleted += changed.deleted;
}

interface Changed {
  inserted: number;
  updated: number;
  deleted: number;
}

/** What can happen in the shop. Rows are picked by position among the ids, so no list of them is kept. */
class Shop {
  readonly #client: Client;
  readonly #random: () => number;
  /** Never given twice, also not after a rollback. */
  #nextCustomer = FIRST_ID;
  #nextOrder = FIRST_ID;
  #oldestOrder = FIRST_ID;

  constructor(client: Client, random: () => number) {
    this.#client = client;
    this.#random = random;
  }

  /** Reads which ids there are. */
  async look(): Promise<void> {
    const { rows: [row] } = await this.#client.query<{ customer: string; order: string; oldest: string }>(
      `SELECT (SELECT max(id) FROM customers) AS customer, max(id) AS "order", min(id) AS oldest FROM orders`,
    );
    this.#nextCustomer = BigInt(row.customer) + 1n;
    this.#nextOrder = BigInt(row.order) + 1n;
    this.#oldestOrder = BigInt(row.oldest);
  }

  /** What a rollback has to put back. */
  save(): bigint {
    return this.#oldestOrder;
  }

  restore(oldestOrder: bigint): void {
    this.#oldestOrder = oldestOrder;
  }

  async step(changed: Changed): Promise<void> {
    const dice = this.#random();
    if (dice < 0.30) await this.#placeOrder(changed);
    else if (dice < 0.60) {
      changed.updated += await this.#run(MOVE_ORDER, [await this.#anOrder(), this.#word()]);
    } else if (dice < 0.75) {
      changed.updated += await this.#run(TOUCH_CUSTOMER, [this.#aCustomer(), this.#word()]);
    } else if (dice < 0.80) changed.updated += await this.#run(REWRITE_NOTE, [await this.#anOrder()]);
    else if (dice < 0.85) await this.#addCustomer(changed);
    else if (dice < 0.90) changed.updated += await this.#run(RENUMBER_ITEMS, [await this.#anOrder()]);
    else if (dice < 0.92) await this.#renumberCustomer(changed);
    else await this.#dropOldestOrder(changed);
  }

  async #placeOrder(changed: Changed): Promise<void> {
    const order = this.#nextOrder++;
    const placed = await this.#run(PLACE_ORDER, [order, this.#aCustomer(), this.#word(), this.#cents()]);
    changed.inserted += placed;
    if (placed === 0) return; // the customer has another number now
    const items = 1 + Math.floor(this.#random() * 4);
    changed.inserted += await this.#run(ADD_ITEMS, [order, items, this.#cents()]);
  }

  async #addCustomer(changed: Changed): Promise<void> {
    changed.inserted += await this.#run(ADD_CUSTOMER, [this.#nextCustomer++, this.#word(), this.#cents()]);
  }

  /** The customer's orders follow the new number. */
  async #renumberCustomer(changed: Changed): Promise<void> {
    const [from, to] = [this.#aCustomer(), this.#nextCustomer++];
    const orders = await this.#count("SELECT count(*) FROM orders WHERE customer_id = $1", [from]);
    if (await this.#run("UPDATE customers SET id = $2 WHERE id = $1", [from, to]) === 1) {
      changed.updated += 1 + orders;
    }
  }

  async #dropOldestOrder(changed: Changed): Promise<void> {
    const order = this.#oldestOrder++;
    const items = await this.#count("SELECT count(*) FROM order_items WHERE order_id = $1", [order]);
    if (await this.#run("DELETE FROM orders WHERE id = $1", [order]) === 1) changed.deleted += 1 + items;
  }

  #aCustomer(): bigint {
    const known = Number(this.#nextCustomer - FIRST_ID);
    return FIRST_ID + BigInt(Math.floor(this.#random() * known));
  }

  /** One that exists: numbers are also used up by orders that were never placed. */
  async #anOrder(): Promise<bigint> {
    const known = Number(this.#nextOrder - this.#oldestOrder);
    const wanted = this.#oldestOrder + BigInt(Math.floor(this.#random() * known));
    const { rows: [row] } = await this.#client.query<{ id: string }>(
      "SELECT id FROM orders WHERE id >= $1 ORDER BY id LIMIT 1",
      [wanted],
    );
    return row === undefined ? this.#oldestOrder : BigInt(row.id);
  }

  #word(): string {
    return WORDS[Math.floor(this.#random() * WORDS.length)];
  }

  #cents(): string {
    return (this.#random() * 10_000).toFixed(2);
  }

  async #run(sql: string, parameters: unknown[]): Promise<number> {
    return (await this.#client.query(sql, parameters)).rowCount ?? 0;
  }

  async #count(sql: string, parameters: unknown[]): Promise<number> {
    const { rows: [row] } = await this.#client.query<{ count: string }>(sql, parameters);
    return Number(row.count);
  }
}

const WORDS = [
  "paid",
  "sent",
  "zurück",
  "返品",
  "“quoted”",
  "it's",
  "tab\there",
  "🎁",
  "",
  "NULL",
  "\\N",
  "\u0001",
];

const PLACE_ORDER = `
  INSERT INTO orders
  SELECT $1::bigint, id, $3::text, $4::numeric, CASE WHEN $1::bigint % 7 = 0 THEN long_text($1::text, 4000) END,
    jsonb_build_object('word', $3::text, 'amount', $4::numeric, 'id', $1::bigint), clock_timestamp()
  FROM customers WHERE id = $2`;
const ADD_ITEMS = `
  INSERT INTO order_items
  SELECT $1::bigint, line, 'product ' || line, line * 2, $3::numeric, line % 2 = 0 FROM generate_series(1, $2::int) line`;
const ADD_CUSTOMER = `
  INSERT INTO customers
  VALUES ($1::bigint, md5($1::text)::uuid, $2, true, $3::numeric, ARRAY[$2, NULL], decode(md5($1::text), 'hex'),
    jsonb_build_object('word', $2::text), clock_timestamp())`;
const MOVE_ORDER = `UPDATE orders SET status = $2, total = total + 0.01 WHERE id = $1`;
const REWRITE_NOTE = `
  UPDATE orders SET note = CASE WHEN note IS NULL THEN long_text(clock_timestamp()::text, 3000) END WHERE id = $1`;
const TOUCH_CUSTOMER = `
  UPDATE customers SET active = NOT active, tags = tags[1:3] || $2::text,
    profile = profile || jsonb_build_object('seen', clock_timestamp(), 'word', $2::text)
  WHERE id = $1`;
/** From 1, 2, 3 to 1001, 1002, 1003: keys change. */
const RENUMBER_ITEMS = `UPDATE order_items SET line = line + 1000 WHERE order_id = $1`;

/** mulberry32: small, and good enough for picking rows. */
function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
