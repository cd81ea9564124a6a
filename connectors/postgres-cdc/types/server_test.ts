/** The codec against real servers, whose own settings are the opposite of ours. */
import assert from "node:assert/strict";
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import type { Row } from "../../../formats/data/value.ts";
import { requireServer } from "../../../tests/servers/missing.ts";
import { type Postgres, startPostgres } from "../../../tests/servers/postgres.ts";
import type { PostgresVersion } from "../../../tests/servers/postgres_files.ts";
import { DEFAULT_TYPE_OPTIONS, SESSION_SETTINGS, TYPE_QUERY, TypeCatalog, type TypeOptions } from "./mod.ts";
import { PRELUDE, typeCases } from "./server_cases.ts";
import { batchOf, facesOf, isRefused } from "./testing.ts";

/** What a database administrator might have set, each against ours. */
const HOSTILE = {
  DateStyle: "German, DMY",
  IntervalStyle: "sql_standard",
  TimeZone: "Asia/Kolkata",
  extra_float_digits: "-3",
  bytea_output: "escape",
};

async function startHostile(
  t: Deno.TestContext,
  version: PostgresVersion,
  env: Record<string, string> = {},
): Promise<Postgres | undefined> {
  const options = { version, fsync: false, settings: HOSTILE, env };
  const server = await requireServer(t, () => startPostgres(options));
  await server?.query(settingsSql());
  return server;
}

function settingsSql(): string {
  return Object.entries(SESSION_SETTINGS).map(([name, value]) => `SET ${name} = '${value}'`).join("; ");
}

async function loadCatalog(server: Postgres, options: Partial<TypeOptions> = {}): Promise<TypeCatalog> {
  return new TypeCatalog(await server.query(TYPE_QUERY), { ...DEFAULT_TYPE_OPTIONS, ...options });
}

interface TableColumn {
  readonly name: string;
  readonly oid: number;
  readonly typmod: number;
  readonly native: string;
}

async function columnsOf(server: Postgres, table: string): Promise<TableColumn[]> {
  const rows = await server.query(
    `SELECT attname, atttypid::text AS oid, atttypmod::text AS typmod, format_type(atttypid, atttypmod) AS native
      FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
    [table],
  );
  return rows.map(({ attname, oid, typmod, native }) => ({
    name: attname!,
    oid: Number(oid),
    typmod: Number(typmod),
    native: native!,
  }));
}

/** The columns and rows in pgoutput messages: manual, "Logical Replication Message Formats". */
function decodeMessages(messages: readonly Uint8Array[]) {
  const text = new TextDecoder("utf-8", { fatal: true });
  const columns: { name: string; oid: number; typmod: number }[] = [];
  const rows: (string | null)[][] = [];
  for (const message of messages) {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    let at = 5;
    const string = () => {
      const end = message.indexOf(0, at);
      const value = text.decode(message.subarray(at, end));
      at = end + 1;
      return value;
    };
    if (message[0] === 0x52) { // Relation
      string();
      string();
      const count = view.getInt16(at + 1);
      at += 3;
      for (let i = 0; i < count; i++) {
        at++;
        columns.push({ name: string(), oid: view.getUint32(at), typmod: view.getInt32(at + 4) });
        at += 8;
      }
    } else if (message[0] === 0x49) { // Insert
      const count = view.getInt16(at + 1);
      at += 3;
      const row: (string | null)[] = [];
      for (let i = 0; i < count; i++) {
        if (message[at++] === 0x6e) row.push(null);
        else {
          const size = view.getInt32(at);
          row.push(text.decode(message.subarray(at + 4, at + 4 + size)));
          at += 4 + size;
        }
      }
      rows.push(row);
    }
  }
  return { columns, rows };
}

for (const version of [18, 17, 16, 15, 14] as const) {
  Deno.test(`every type of PostgreSQL ${version} is written as documented, the same in snapshot and stream`, async (t) => {
    await using server = await startHostile(t, version);
    if (!server) return;
    const cases = typeCases(version).map((type, i) => ({ ...type, name: `c${i}` }));
    await server.query(PRELUDE);
    await server.query(
      `CREATE TABLE everything (${cases.map(({ name, sql }) => `${name} ${sql}`).join(", ")})`,
    );
    await server.query("CREATE PUBLICATION p FOR TABLE everything");
    await server.query("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    const rowCount = Math.max(...cases.map(({ values }) => values.length)) + 1;
    for (let r = 0; r < rowCount; r++) {
      await server.query(
        `INSERT INTO everything VALUES (${cases.map(({ values }) => values[r]?.sql ?? "NULL").join(", ")})`,
      );
    }

    const columns = await columnsOf(server, "everything");
    const snapshot = (await server.query("SELECT * FROM everything ORDER BY ctid")).map(
      Object.values<string | null>,
    );
    const changes = await server.query(
      "SELECT data FROM pg_logical_slot_peek_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')",
    );
    const stream = decodeMessages(changes.map(({ data }) => Uint8Array.fromHex(data!.slice(2))));
    assert.deepEqual(stream.columns, columns.map(({ name, oid, typmod }) => ({ name, oid, typmod })));
    assert.equal(stream.rows.length, rowCount);

    const catalog = await loadCatalog(server);
    for (const [i, { sql, type, name }] of cases.entries()) {
      assert.ok(catalog.has(columns[i].oid), sql);
      assert.deepEqual(catalog.columnType(columns[i].oid, columns[i].typmod), type, sql);
      assert.equal(
        catalog.nativeType(columns[i].oid, columns[i].typmod),
        columns[i].native,
        `${name} ${sql}`,
      );
    }
    for (let r = 0; r < rowCount; r++) {
      assert.deepEqual(stream.rows[r], snapshot[r]);
      const written = facesOf(catalog, columns, stream.rows[r]);
      assert.deepEqual(facesOf(catalog, columns, snapshot[r]), written);
      for (const [i, { sql, values }] of cases.entries()) {
        const { json, value } = values[r] ?? { json: "null" };
        assert.equal(written[i].json, json, `${sql} ${values[r]?.sql}`);
        assert.deepEqual(written[i].value, value === undefined ? JSON.parse(json) : value, `${sql} ${json}`);
      }
    }
  });

  Deno.test(`PostgreSQL ${version} takes the session settings as start-up options of both kinds of connection`, async (t) => {
    await using server = await startHostile(t, version);
    if (!server) return;
    const options = Object.entries(SESSION_SETTINGS)
      .filter(([name]) => name !== "client_encoding")
      .map(([name, value]) => `-c ${name}=${value.replaceAll(" ", "\\ ")}`).join(" ");
    for (const replication of ["database", undefined]) {
      const client = await server.connect(
        { options, replication, client_encoding: "UTF8" } as pg.ClientConfig,
      );
      for (const [name, value] of Object.entries(SESSION_SETTINGS)) {
        const { rows } = await client.query(`SHOW ${name}`);
        assert.deepEqual(Object.values(rows[0]), [value], name);
      }
      await client.end();
    }
  });
}

Deno.test("format_type() and nativeType() agree on every type and modifier", async (t) => {
  await using server = await startHostile(t, 18);
  if (!server) return;
  await server.query(PRELUDE);
  await server.query(`CREATE TABLE modified (${
    [
      "bit",
      "bit(7)",
      "bit(7)[]",
      "varbit(9)",
      "char",
      "char(1)",
      "bpchar",
      "varchar(1)[]",
      "numeric(1000,-1000)",
      "numeric(1000,1000)",
      "numeric(7)",
      ...[0, 3, 6].flatMap((p) => [`time(${p})`, `timetz(${p})`, `timestamp(${p})`, `timestamptz(${p})[]`]),
      ...["year", "month", "day", "hour", "minute", "second", "year to month", "day to hour", "day to minute"]
        .map(
          (fields) => `interval ${fields}`,
        ),
      "interval day to second",
      "interval hour to minute",
      "interval hour to second(2)",
      "interval minute to second(6)",
      "interval second(0)",
      "interval(4)",
      "interval(4)[]",
    ].map((type, i) => `c${i} ${type}`).join(", ")
  })`);
  const catalog = await loadCatalog(server);
  for (const { oid, typmod, native } of await columnsOf(server, "modified")) {
    assert.equal(catalog.nativeType(oid, typmod), native);
  }
  const rows = await server.query("SELECT oid::text, format_type(oid, -1) AS native FROM pg_type");
  const known = rows.filter(({ oid }) => catalog.has(Number(oid)));
  assert.ok(known.length > 190);
  for (const { oid, native } of known) assert.equal(catalog.nativeType(Number(oid), -1), native);
});

Deno.test("types that are made or changed later are text until their rows are added", async (t) => {
  await using server = await startHostile(t, 18);
  if (!server) return;
  await server.query("CREATE TYPE pair AS (a int4)");
  const catalog = await loadCatalog(server);
  await server.query(
    "CREATE TABLE kin (id int4); CREATE DOMAIN kins AS kin[]; ALTER TYPE pair ADD ATTRIBUTE b int4",
  );
  await server.query(
    "CREATE TABLE uses (p pair, k kins); INSERT INTO uses VALUES (ROW(1, 2), ARRAY[ROW(3)::kin])",
  );
  const [pair, kins] = await columnsOf(server, "uses");
  const [{ p, k }] = await server.query("SELECT * FROM uses");
  assert.equal(catalog.has(kins.oid), false);
  assert.equal(facesOf(catalog, [kins], [k])[0].json, '"{(3)}"');
  assert.ok(isRefused(catalog, pair.oid, p!));

  catalog.add(await server.query(TYPE_QUERY));
  assert.equal(catalog.has(kins.oid), true);
  assert.deepEqual(facesOf(catalog, [pair, kins], [p, k]).map(({ json }) => json), [
    '{"a":1,"b":2}',
    '[{"id":3}]',
  ]);
});

Deno.test("a table's row type is loaded only where something is made of it", async (t) => {
  await using server = await startHostile(t, 18);
  if (!server) return;
  const count = async () => (await server.query(TYPE_QUERY)).length;
  const before = await count();
  await server.query("CREATE TABLE unused (id int4)");
  assert.equal(await count(), before);
  await server.query("CREATE TABLE uses (rows unused[])");
  assert.equal(await count(), before + 2);
});

/** One type with random values of it and another way to the same JSON, both by the server. */
interface Property {
  readonly type: string;
  /** SQL for a value of the type; uses i, which counts from 1. */
  readonly random: string;
  /** SQL for its JSON, from x. */
  readonly json: string;
  readonly options?: Partial<TypeOptions>;
}

const MICROS = "(random() * 1e18)::int8 % 200000000000000000";
const RANDOM_TEXT =
  "(SELECT string_agg(substr(E'ab\"\\\\{}()[],;:=> \\n\\tNULL''ü😀\\u0001', 1 + (random() * 27)::int, 1), '') FROM generate_series(0, i % 12))";

const PROPERTIES: readonly Property[] = [
  { type: "int8", random: "(random() * 1e18)::int8 * (i % 3 - 1)", json: "to_json(x)" },
  { type: "float8", random: "(random() - 0.5) * 10::float8 ^ (random() * 600 - 300)", json: "to_json(x)" },
  {
    type: "float4",
    random: "((random() - 0.5) * 10::float8 ^ (random() * 70 - 35))::float4",
    json: "to_json(x)",
  },
  {
    type: "numeric",
    random: "(random() * 1e15)::numeric * 10::numeric ^ (i % 40 - 20)",
    json: "to_json(x::text)",
  },
  { type: "text", random: RANDOM_TEXT, json: "to_json(x)" },
  {
    type: "bytea",
    random: `convert_to(${RANDOM_TEXT}, 'UTF8')`,
    json: `to_json(translate(encode(x, 'base64'), E'\\n', ''))`,
  },
  { type: "uuid", random: "gen_random_uuid()", json: "to_json(x)" },
  { type: "date", random: "'0001-01-01'::date + (random() * 3652058)::int", json: "to_json(x)" },
  {
    type: "date",
    random: "'1970-01-01'::date + (random() * 4e6 - 2e6)::int",
    json: "to_json(x - '1970-01-01')",
    options: { time_precision: "connect" },
  },
  { type: "time", random: "'00:00'::time + random() * interval '24 h'", json: "to_json(x)" },
  {
    type: "timestamp",
    random: `'1970-01-01'::timestamp + (${MICROS}) * (i % 3 - 1) * interval '0.1 us'`,
    json: "to_json((extract(epoch FROM x) * 1000000)::int8)",
    options: { time_precision: "microseconds" },
  },
  {
    type: "timestamptz",
    random: `'1970-01-01'::timestamptz + (${MICROS}) * (i % 3 - 1) * interval '0.1 us'`,
    json: "to_json(floor(extract(epoch FROM x) * 1000)::int8)",
    options: { time_precision: "milliseconds" },
  },
  { type: "timestamp", random: `'2000-01-01'::timestamp + random() * interval '1000 y'`, json: "to_json(x)" },
  {
    type: "timestamptz",
    random: `'2000-01-01'::timestamptz + random() * interval '1000 y'`,
    json:
      `to_json(to_char(x AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || rtrim(to_char(x, '.US'), '.0') || 'Z')`,
  },
  {
    type: "interval",
    random:
      "make_interval((random() * 20 - 10)::int, (random() * 30)::int, 0, (random() * 90 - 45)::int, 0, 0, random() * 1e5 - 5e4)",
    json: `to_json((extract(year FROM x) * 12 + extract(month FROM x))::int8 * 2629800000000
      + extract(day FROM x)::int8 * 86400000000
      + ((extract(hour FROM x) * 60 + extract(minute FROM x)) * 60000000 + extract(microseconds FROM x))::int8)`,
    options: { interval_handling: "numeric" },
  },
  { type: "jsonb", random: `jsonb_build_object(${RANDOM_TEXT}, ${RANDOM_TEXT}, 'n', random())`, json: "x" },
  { type: "json", random: `to_json(ARRAY[${RANDOM_TEXT}, ${RANDOM_TEXT}])`, json: "x" },
  { type: "int4[]", random: "ARRAY[i, NULL, (random() * 1e9)::int]", json: "to_json(x)" },
  { type: "text[]", random: `ARRAY[${RANDOM_TEXT}, NULL, ${RANDOM_TEXT}, '']`, json: "to_json(x)" },
  {
    type: "text[]",
    random: `ARRAY[ARRAY[${RANDOM_TEXT}, 'a'], ARRAY[NULL, ${RANDOM_TEXT}]]`,
    json: "to_json(x)",
  },
  {
    type: "jsonb[]",
    random: `ARRAY[jsonb_build_object(${RANDOM_TEXT}, ${RANDOM_TEXT}), NULL]`,
    json: "to_json(x)",
  },
  {
    type: "tagged",
    random: `ROW(i, ${RANDOM_TEXT}, ARRAY[${RANDOM_TEXT}, NULL])::tagged`,
    json: "to_json(x)",
  },
  {
    type: "tagged[]",
    random:
      `ARRAY[ROW(i, ${RANDOM_TEXT}, ARRAY[${RANDOM_TEXT}])::tagged, NULL, ROW(NULL, NULL, NULL)::tagged]`,
    json: "to_json(x)",
  },
  {
    type: "textrange",
    random:
      `textrange(least(${RANDOM_TEXT}, 'zz' COLLATE "C"), NULLIF('~~' || ${RANDOM_TEXT}, '~~'), (ARRAY['[]','[)','(]','()'])[1 + i % 4])`,
    json:
      `json_build_object('lower', lower(x), 'upper', upper(x), 'lower_inc', lower_inc(x), 'upper_inc', upper_inc(x),
      'empty', isempty(x))`,
    options: { range_handling: "object" },
  },
  {
    type: "int8multirange",
    random: "int8multirange(int8range(i, i + (random() * 9)::int), int8range(i + 10, NULL))",
    json: `(SELECT json_agg(json_build_object('lower', lower(r), 'upper', upper(r), 'lower_inc', lower_inc(r),
      'upper_inc', upper_inc(r), 'empty', isempty(r)) ORDER BY r) FROM unnest(x) r)`,
    options: { range_handling: "object" },
  },
  {
    type: "hstore",
    random: `hstore(ARRAY[${RANDOM_TEXT}, 'k'], ARRAY[${RANDOM_TEXT}, NULL])`,
    json: "hstore_to_json(x)",
  },
  { type: "money", random: "((random() - 0.5) * 1e12)::numeric::money", json: "to_json(x::numeric::text)" },
];

for (const version of [18, 17, 16, 15, 14] as const) {
  Deno.test(`random values of PostgreSQL ${version} are written as its own JSON functions write them`, async (t) => {
    await using server = await startHostile(t, version);
    if (!server) return;
    await server.query(`CREATE EXTENSION hstore; CREATE TYPE tagged AS (id int4, "a b" text, tags text[]);
      CREATE TYPE textrange AS RANGE (subtype = text, collation = "C"); SELECT setseed(0.25)`);
    for (const [n, { type, random, json, options }] of PROPERTIES.entries()) {
      const table = `random_${n}`;
      await server.query(
        `CREATE TABLE ${table} (x ${type}); INSERT INTO ${table} SELECT ${random} FROM generate_series(1, 300) i`,
      );
      const catalog = await loadCatalog(server, options);
      const columns = await columnsOf(server, table);
      for (
        const { x, expected } of await server.query(`SELECT x, (${json})::text AS expected FROM ${table}`)
      ) {
        const [{ json: written }] = facesOf(catalog, columns, [x]);
        assert.deepEqual(parse(written), parse(expected!), `${type}: ${x}`);
      }
    }
  });
}

/** JSON with all digits of its integers. */
function parse(text: string): unknown {
  return JSON.parse(
    text,
    (_name, value, context?: { source?: string }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
        ? BigInt(context!.source!)
        : value,
  );
}

Deno.test("every interval that is written reads back as the same interval", async (t) => {
  await using server = await startHostile(t, 18);
  if (!server) return;
  await server.query(
    `SELECT setseed(0.5); CREATE TABLE spans AS SELECT make_interval((random() * 20 - 10)::int,
    (random() * 30)::int, 0, (random() * 90 - 45)::int, 0, 0, random() * 1e5 - 5e4) AS x FROM generate_series(1, 300)`,
  );
  const catalog = await loadCatalog(server);
  const columns = await columnsOf(server, "spans");
  const texts = (await server.query("SELECT x FROM spans ORDER BY ctid")).map(({ x }) =>
    (batchOf(catalog, columns, [x]).records[0].after as Row).x
  );
  const same = await server.query(
    `SELECT count(*) AS n FROM (SELECT x, row_number() OVER (ORDER BY ctid) AS n FROM spans) s
      JOIN unnest($1::text[]) WITH ORDINALITY AS w(text, n) USING (n) WHERE (w.text::interval)::text = x::text`,
    [texts],
  );
  assert.deepEqual(same, [{ n: "300" }]);
});

/** Makes locales of glibc's sources in a folder; undefined where localedef or its sources are not installed. */
async function makeLocales(names: readonly string[]): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "locales_" });
  await Deno.chmod(dir, 0o755);
  for (const name of names) {
    try {
      await new Deno.Command("localedef", {
        args: ["--no-archive", "-i", name, "-f", "UTF-8", `${dir}/${name}.UTF-8`],
        stdout: "null",
        stderr: "null",
      }).output();
      await Deno.stat(`${dir}/${name}.UTF-8/LC_MONETARY`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await Deno.remove(dir, { recursive: true });
      return undefined;
    }
  }
  return dir;
}

Deno.test("money has the value that the server's locale gives it, whatever its symbol, groups and digits", async (t) => {
  const locales: [string, [money: string, json: string][]][] = [
    ["ja_JP", [["1234567", '"1234567"'], ["-5", '"-5"']]],
    ["de_DE", [["'1.234.567,89'", '"1234567.89"'], ["'-0,05'", '"-0.05"']]],
    ["de_CH", [["1234567.25::numeric", '"1234567.25"'], ["-1::int", '"-1.00"']]],
    ["ar_BH", [["1234567.125::numeric", '"1234567.125"'], ["-0.001::numeric", '"-0.001"']]],
    ["en_US", [["-1234.5::numeric", '"-1234.50"']]],
  ];
  const dir = await makeLocales(locales.map(([name]) => name));
  if (!dir) {
    await t.step({
      name: "skipped: localedef or the sources of locales are not installed",
      ignore: true,
      fn() {},
    });
    return;
  }
  try {
    await using server = await startHostile(t, 18, { LOCPATH: dir });
    if (!server) return;
    for (const [locale, values] of locales) {
      await server.query(`SET lc_monetary = '${locale}.UTF-8'`);
      const catalog = await loadCatalog(server);
      for (const [sql, json] of values) {
        const [{ x }] = await server.query(`SELECT (${sql})::money AS x`);
        const [money] = facesOf(catalog, [{ name: "x", oid: 790, typmod: -1 }], [x]);
        assert.equal(money.json, json, `${locale} ${x}`);
      }
    }
    const dollars = await loadCatalog(server);
    await server.query("SET lc_monetary = 'ja_JP.UTF-8'");
    const [{ x }] = await server.query("SELECT 1234567::money AS x");
    assert.ok(isRefused(dollars, 790, x!), "a text of another locale than the catalog's is refused");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
