import assert from "node:assert/strict";
import { makeAuthority, tlsSettings } from "../../tests/servers/certificates.ts";
import { requireServer } from "../../tests/servers/missing.ts";
import { startPostgres } from "../../tests/servers/postgres.ts";
import type { CheckFinding } from "../contract.ts";
import { openSource } from "./source.ts";
import { configFor, Reader, testContext } from "./testing.ts";

async function check(config: ReturnType<typeof configFor>): Promise<Map<string, CheckFinding>> {
  const findings = new Map<string, CheckFinding>();
  await using source = openSource(config, testContext());
  // The worst finding of a name counts.
  await source.check((finding) => {
    if (findings.get(finding.name)?.status !== "failed") findings.set(finding.name, finding);
  });
  return findings;
}

const failures = (findings: Map<string, CheckFinding>) =>
  [...findings.values()].filter(({ status }) => status === "failed").map(({ name }) => name);

Deno.test("check() finds nothing wrong with a good server, says what a run would create, and changes nothing", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const findings = await check(configFor(pg, { tables: ["t"] }));
  assert.deepEqual([...findings.values()].filter(({ status }) => status !== "ok"), []);
  assert.match(findings.get("slot")!.message, /would be created/);
  assert.match(
    findings.get("publication")!.message,
    /CREATE PUBLICATION "rivven_pub" FOR TABLE "public"\."t"/,
  );
  assert.deepEqual(await pg.query("SELECT slot_name FROM pg_replication_slots"), []);
  assert.deepEqual(await pg.query("SELECT pubname FROM pg_publication"), []);
});

Deno.test("check() names every right that a role lacks, with the statement that grants it", async () => {
  await using pg = await startPostgres();
  await pg.query(`
    CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE "B b" (id int);
    CREATE ROLE reader LOGIN PASSWORD 'x';
  `);
  const config = configFor(pg, { user: "reader", password: "x" });
  const before = await check(config);
  assert.deepEqual(failures(before), ["replication", "publication", "select"]);
  assert.match(before.get("select")!.hint!, /GRANT SELECT ON "public"\."B b", "public"\."a" TO "reader"/);
  await pg.query(before.get("replication")!.hint!.match(/ALTER ROLE "reader" REPLICATION/)![0]);
  await pg.query(before.get("select")!.hint!.replace("Run: ", ""));
  await pg.query(before.get("publication")!.hint!.match(/CREATE PUBLICATION .*?\)/)![0]);
  const after = await check(config);
  assert.deepEqual(failures(after), []);
  assert.equal(after.get("replica_identity")!.status, "warning");
  await pg.query(after.get("replica_identity")!.hint!.match(/ALTER TABLE .* FULL/)![0]);
  assert.equal((await check(config)).has("replica_identity"), false);
  await pg.query("ALTER TABLE a ENABLE ROW LEVEL SECURITY");
  const hidden = await check(config);
  assert.deepEqual(failures(hidden), ["row_security"]);
  await pg.query(hidden.get("row_security")!.hint!.replace("Run: ", ""));
  assert.deepEqual(failures(await check(config)), []);
});

Deno.test("check() says what is wrong with the server, the slot and the selection", async () => {
  await using pg = await startPostgres({
    settings: { wal_level: "replica", max_slot_wal_keep_size: "64MB" },
  });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const findings = await check(configFor(pg, { tables: ["t", "missing"], auto_create_slot: false }));
  assert.deepEqual(failures(findings), ["wal_level", "slot", "tables"]);
  assert.match(findings.get("tables")!.message, /"missing"/);
  assert.equal(findings.get("tables")!.blame, "config");
  assert.equal(findings.get("wal_level")!.blame, "environment");
  assert.equal(findings.get("max_slot_wal_keep_size")!.status, "warning");
});

Deno.test("a name that no table has fails check and is told by a run; allow_missing_tables takes it", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const keys = { tables: ["t", "to_come"], snapshot: { mode: "initial_only" } };
  const tables = async (more: Record<string, unknown>) =>
    (await check(configFor(pg, { ...keys, ...more }))).get("tables")!;
  assert.equal((await tables({})).status, "failed");
  const allowed = await tables({ allow_missing_tables: true });
  assert.deepEqual([allowed.status, /no table matches "to_come"$/.test(allowed.message)], ["ok", true]);
  assert.equal((await tables({ tables: ["to_come"], allow_missing_tables: true })).status, "failed");
  for (const [level, more] of [["warn", {}], ["info", { allow_missing_tables: true }]] as const) {
    await using reader: Reader = new Reader(configFor(pg, { ...keys, ...more }));
    while (await reader.next());
    const told = reader.context.messages.find((message) => /No table matches/.test(message));
    assert.match(told ?? "", new RegExp(`^${level}: .*"patterns":\\["to_come"\\]`));
  }
});

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: check() says what column lists and row filters leave out`, async (t) => {
    await using pg = await requireServer(t, () => startPostgres({ version, fsync: false }));
    if (pg === undefined) return;
    await pg.query(`
      CREATE TABLE t (id int PRIMARY KEY, shown text, hidden text, twice int GENERATED ALWAYS AS (id * 2) STORED);
      CREATE TABLE whole (id int PRIMARY KEY);
      CREATE PUBLICATION rivven_pub FOR TABLE t (id, shown) WHERE (id > 1), whole;
    `);
    const { status, message } = (await check(configFor(pg))).get("publication_limits")!;
    assert.equal(status, "ok");
    assert.match(message, /columns "hidden" and rows but those where \(id > 1\) of "public\.t"$/);
    await pg.query("ALTER PUBLICATION rivven_pub SET TABLE t, whole");
    assert.equal((await check(configFor(pg))).has("publication_limits"), false);
  });
}

Deno.test("check() says of each connection how it is protected", async (t) => {
  await using ca = await requireServer(t, makeAuthority);
  if (ca === undefined) return;
  const server = await ca.signed("server", { name: "localhost", names: ["DNS:localhost"] });
  await using pg = await startPostgres({ settings: tlsSettings(server) });
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  const said = async (keys: Record<string, unknown>) => {
    const messages: string[] = [];
    await using source = openSource(configFor(pg, keys), testContext());
    await source.check(({ name, message, status }) =>
      name === "ssl" && messages.push(`${status} ${message}`)
    );
    return messages;
  };
  const verified = { host: "localhost", tls: { mode: "verify-full", ca_cert_path: ca.caPath } };
  const [control, replication, ...more] = await said(verified);
  assert.match(
    control,
    /^ok control connection: TLS.*, certificate and host name verified, login by SCRAM-SHA-256-PLUS$/,
  );
  assert.match(replication, /^ok replication connection: TLS/);
  assert.deepEqual(more, []);
  assert.deepEqual(await said({ tls: { mode: "disable" } }), [
    "ok control connection: not encrypted, login by SCRAM-SHA-256",
    "ok replication connection: not encrypted, login by SCRAM-SHA-256",
  ]);
  const refused = await check(configFor(pg, { tls: { mode: "verify-full" } }));
  assert.deepEqual(failures(refused), ["connection"]);
  assert.equal(refused.get("connection")!.blame, "environment");
});

Deno.test("check() does not wait for a lock for ever", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY)");
  await pg.query("BEGIN; LOCK pg_publication IN ACCESS EXCLUSIVE MODE");
  const findings = await check(configFor(pg, { options: "-c statement_timeout=200" }));
  assert.deepEqual(failures(findings), ["publication"]);
  assert.match(findings.get("publication")!.message, /statement timeout/);
  assert.match(findings.get("publication")!.hint!, /took longer than allowed/);
});

Deno.test("check() of a server that is not there has one finding", async () => {
  await using pg = await startPostgres();
  const closed = await check(configFor(pg, { port: 1 }));
  assert.deepEqual(failures(closed), ["connection"]);
  assert.equal(closed.size, 1);
  const wrong = await check(configFor(pg, { password: "no" }));
  assert.equal(wrong.get("connection")!.blame, "environment");
});

Deno.test("discover() lists tables with columns, keys and what limits their capture, partitioned ones once", async () => {
  await using pg = await startPostgres();
  await pg.query(`
    CREATE TABLE pairs (note text, b int NOT NULL DEFAULT 5, a int, c int GENERATED ALWAYS AS (a + b) STORED, PRIMARY KEY (b, a));
    CREATE TABLE parts (id int PRIMARY KEY, at date) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
    CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY);
    CREATE TABLE keyless (id int);
    CREATE VIEW shown AS SELECT 1;
    INSERT INTO keyless SELECT generate_series(1, 50); ANALYZE keyless;
  `);
  await using source = openSource(configFor(pg), testContext());
  const found = await source.discover!();
  assert.deepEqual(found.map(({ stream }) => stream.name), ["keyless", "pairs", "parts", "volatile"]);
  const [keyless, pairs, parts, unlogged] = found;
  assert.equal(keyless.estimatedRows, 50);
  assert.match(keyless.remarks![0], /no primary key/);
  assert.deepEqual(pairs.stream.key, ["b", "a"]);
  assert.deepEqual(
    pairs.stream.columns!.map(({ name, nullable, default: value }) => [name, nullable, value]),
    [
      ["note", true, undefined],
      ["b", false, "5"],
      ["a", false, undefined],
    ],
  );
  assert.deepEqual(parts.remarks, []);
  assert.deepEqual(unlogged.syncModes, ["full_refresh"]);
});

Deno.test("check() mends what signals need, statement by statement", async () => {
  await using pg = await startPostgres();
  await pg.query("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t");
  const config = configFor(pg, { signal: { enabled: true } });
  for (
    const statement of [/^CREATE TABLE "public"."rivven_signal"/, /^ALTER PUBLICATION "rivven_pub" ADD TABLE/]
  ) {
    const findings = await check(config);
    assert.deepEqual(failures(findings), ["signal_table"]);
    const hint = findings.get("signal_table")!.hint!.replace("Run: ", "");
    assert.match(hint, statement);
    await pg.query(hint);
  }
  assert.equal((await check(config)).get("signal_table")!.status, "ok");
  await pg.query("ALTER TABLE rivven_signal DROP data");
  await pg.query((await check(config)).get("signal_table")!.hint!.replace("Run: ", ""));
  assert.deepEqual(failures(await check(config)), []);
});
