/**
 * The demo's database: three tables with a spread of types, and the rows that are in them before the program starts.
 * main.ts makes it, writer.ts changes it, compare.ts reads it.
 */
import type { Client } from "npm:pg@8.23.1";

/** One table of the shop. */
export interface Table {
  readonly namespace: string;
  readonly name: string;
  /** Names of the primary key's columns, in key order. */
  readonly key: readonly string[];
}

export const TABLES: readonly Table[] = [
  { namespace: "public", name: "customers", key: ["id"] },
  { namespace: "public", name: "orders", key: ["id"] },
  { namespace: "public", name: "order_items", key: ["order_id", "line"] },
];

const DEFINITIONS = `
  -- Random characters: they don't compress, so PostgreSQL stores long ones outside the row.
  CREATE FUNCTION long_text(seed text, length int) RETURNS text LANGUAGE sql RETURN
    (SELECT left(string_agg(md5(seed || part), ''), length) FROM generate_series(0, length / 32) part);

  CREATE TABLE customers (
    id          bigint PRIMARY KEY,
    public_id   uuid NOT NULL UNIQUE,
    name        text NOT NULL,
    active      boolean NOT NULL,
    credit      numeric(12,2),
    tags        text[] NOT NULL,
    avatar      bytea,
    profile     jsonb NOT NULL,
    created_at  timestamptz NOT NULL
  );
  -- Updates and deletes then carry the whole row as it was. The other tables have the default: the key alone.
  ALTER TABLE customers REPLICA IDENTITY FULL;

  CREATE TABLE orders (
    id          bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON UPDATE CASCADE ON DELETE CASCADE,
    status      text NOT NULL,
    total       numeric(12,2) NOT NULL,
    -- Long values live outside the row, and an update that leaves them alone does not send them.
    note        text,
    details     jsonb,
    placed_at   timestamptz NOT NULL
  );
  CREATE INDEX ON orders (customer_id);

  CREATE TABLE order_items (
    order_id    bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line        int NOT NULL,
    product     text NOT NULL,
    quantity    int NOT NULL,
    price       numeric(12,2) NOT NULL,
    gift        boolean,
    PRIMARY KEY (order_id, line)
  );
`;

/** Ids start where a 64-bit integer no longer fits into a JavaScript number. */
export const FIRST_ID = 9_007_199_254_740_993n;

/** Makes the tables and fills them: `customers` rows, twice as many orders, and four times as many items. */
export async function createShop(client: Client, customers: number): Promise<void> {
  await client.query("BEGIN");
  await client.query(DEFINITIONS);
  await client.query(`
    INSERT INTO customers
    SELECT ${FIRST_ID} + n,
      md5(n::text)::uuid,
      (ARRAY['Zoë', '田中さくら', 'Ольга', 'O''Brien', 'Ada "the first"', 'Jürgen 🚲', E'two\\nlines', 'back\\slash'])[n % 8 + 1] || ' ' || n,
      n % 3 > 0,
      CASE WHEN n % 5 > 0 THEN (n * 37 % 1000000) / 100.0 END,
      (ARRAY['{}', '{vip}', '{"new customer",NULL,"NULL"}', '{"a,b","{c}","quo\\"te"}'])[n % 4 + 1]::text[],
      CASE WHEN n % 10 = 0 THEN decode(long_text(n::text, 6000), 'hex') WHEN n % 2 = 0 THEN '\\x00ff' END,
      jsonb_build_object('visits', ${FIRST_ID}::numeric * n, 'score', 1.50, 'city', 'Kraków 🏰', 'seen', NULL),
      '2026-01-01 00:00:00+00'::timestamptz + n * interval '1 minute 0.000001 seconds'
    FROM generate_series(0, ${customers - 1}) n`);
  await client.query(`
    INSERT INTO orders
    SELECT ${FIRST_ID} + n,
      ${FIRST_ID} + n % ${customers},
      (ARRAY['new', 'paid', 'sent'])[n % 3 + 1],
      (n * 91 % 100000) / 100.0,
      CASE WHEN n % 20 = 0 THEN long_text(n::text, 5000) END,
      CASE WHEN n % 2 = 0 THEN jsonb_build_array(n, 'gift wrap', true) END,
      '2026-02-01 00:00:00+00'::timestamptz + n * interval '7.5 seconds'
    FROM generate_series(0, ${2 * customers - 1}) n`);
  await client.query(`
    INSERT INTO order_items
    SELECT ${FIRST_ID} + n / 2, n % 2 + 1, 'product ' || n % 50, n % 9 + 1, (n * 13 % 5000) / 100.0,
      CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END
    FROM generate_series(0, ${4 * customers - 1}) n`);
  await client.query("COMMIT");
}
