import assert from "node:assert/strict";
import { tableFilter, type TableSelection } from "./table_filter.ts";

const TABLES = [
  { schema: "public", name: "users" },
  { schema: "public", name: "orders" },
  { schema: "audit", name: "users" },
  { schema: "audit", name: "log.2026" },
];

function selected(selection: Partial<TableSelection>): string[] {
  const filter = tableFilter({ schemas: [], tables: [], excludeTables: [], streams: [], ...selection });
  return TABLES.filter((table) => filter.includes(table)).map(({ schema, name }) => `${schema}.${name}`);
}

Deno.test("tables are selected by exact names, wildcards and regular expressions, with and without their schema", () => {
  assert.deepEqual(selected({}), ["public.users", "public.orders", "audit.users", "audit.log.2026"]);
  assert.deepEqual(selected({ tables: ["users"] }), ["public.users", "audit.users"]);
  assert.deepEqual(selected({ tables: ["audit.users"] }), ["audit.users"]);
  assert.deepEqual(selected({ tables: ["public.*"] }), ["public.users", "public.orders"]);
  assert.deepEqual(selected({ tables: ["log.2026"] }), ["audit.log.2026"]);
  assert.deepEqual(selected({ tables: ["/(public|none)\\.o.*/"] }), ["public.orders"]);
  assert.deepEqual(selected({ schemas: ["aud*"], tables: ["users"] }), ["audit.users"]);
  assert.deepEqual(selected({ tables: ["Users"] }), []);
});

Deno.test("exclusion wins", () => {
  assert.deepEqual(selected({ tables: ["public.users", "orders"], excludeTables: ["users"] }), [
    "public.orders",
  ]);
});

Deno.test("the streams of the file restrict further; full_refresh leaves the changes out", () => {
  const streams = [
    { name: "users", namespace: "audit", sync_mode: "full_refresh" },
    { name: "public.orders", sync_mode: "incremental" },
  ] as const;
  assert.deepEqual(selected({ streams }), ["public.orders", "audit.users"]);
  const filter = tableFilter({ schemas: [], tables: [], excludeTables: [], streams });
  assert.deepEqual(TABLES.filter((table) => filter.streams(table)), [TABLES[1]]);
});

Deno.test("what selects nothing is named", () => {
  const filter = tableFilter({
    schemas: ["public", "none"],
    tables: ["users", "/x+/"],
    excludeTables: ["nothing"],
    streams: [{ name: "gone", namespace: "public", sync_mode: "incremental" }],
  });
  assert.deepEqual(filter.unmatched(TABLES), ["none", "/x+/", "public.gone"]);
  assert.deepEqual(filter.exact, [{ name: "users" }, { schema: "public", name: "gone" }]);
});
