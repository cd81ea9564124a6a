import assert from "node:assert/strict";
import definition, { config } from "./connector.ts";
import { foreignKeys } from "./foreign_keys.ts";

const MINIMAL = { host: "db", database: "shop", user: "rivven", password: "" };

Deno.test("the worker may reach the server and nothing else", () => {
  const permissions = (keys: Record<string, unknown>) =>
    definition.permissions(config.parse({ ...MINIMAL, ...keys }), "source");
  assert.deepEqual(permissions({ port: 6432 }), { net: ["db:6432"] });
  assert.deepEqual(permissions({ host: "::1" }), { net: ["[::1]:5432"] });
  const socket = "/run/postgresql/.s.PGSQL.5432";
  assert.deepEqual(permissions({ host: "/run/postgresql/" }), {
    net: [`unix:${socket}`],
    read: [socket],
    write: [socket],
  });
  assert.deepEqual(permissions({ host: undefined, hosts: ["a", "[::1]:1"] }), { net: ["a:5432", "[::1]:1"] });
  const tls = {
    mode: "verify-full",
    ca_cert_path: "/ca",
    client_cert_path: "/cert",
    client_key_path: "/key",
  };
  assert.deepEqual(permissions({ tls }), { net: ["db:5432"], read: ["/ca", "/cert", "/key"] });
});

Deno.test("older spellings are understood and named", () => {
  const { config: upgraded, notes } = definition.upgradeConfig!({
    username: "u",
    publication_name: "p",
    snapshot_mode: "never",
    tls: { mode: "verify-identity" },
  });
  assert.deepEqual(upgraded, {
    user: "u",
    publication: "p",
    snapshot: { mode: "never" },
    tls: { mode: "verify-full" },
  });
  assert.equal(notes.length, 4);
  // Where both are given, the schema complains about the one that it does not know.
  const both = definition.upgradeConfig!({ publication: "a", publication_name: "b" });
  assert.deepEqual(both.config, { publication: "a", publication_name: "b" });
});

Deno.test("spellings of Debezium and of other versions, for what the stream carries", () => {
  const parsed = (keys: Record<string, unknown>) =>
    config.parse({ ...MINIMAL, ...definition.upgradeConfig!(keys).config });
  assert.deepEqual(parsed({ skipped_operations: "c, truncate" }).skipped_operations, ["c", "truncate"]);
  assert.deepEqual(parsed({}).skipped_operations, ["t"]);
  assert.deepEqual(
    parsed({ message_key_columns: "public.orders:region,id;/shop\\..*/:code" }).message_key_columns,
    [{ table: "public.orders", columns: ["region", "id"] }, { table: "/shop\\..*/", columns: ["code"] }],
  );
  const identities = [{ table: "public.a", identity: "FULL" }, { table: "b", identity: "INDEX by_c" }];
  for (
    const given of ["public.a:FULL, b:INDEX by_c", [{ "public.a": "FULL" }, "b: INDEX by_c"], identities]
  ) {
    assert.deepEqual(parsed({ replica_identity_autoset: given }).replica_identity_autoset, identities);
  }
  assert.equal(parsed({ toast: "fetch" }).toast_handling, "reselect");
  const { config: upgraded, notes } = definition.upgradeConfig!({
    cdc_features: { tombstones: { enabled: true, emit_tombstone_after_delete: false } },
  });
  assert.deepEqual(upgraded, { tombstone: { after_delete: false, enabled: true } });
  assert.equal(notes.length, 2);
  // Other features stay where they are, to be refused by name.
  const rest = definition.upgradeConfig!({ cdc_features: { tombstones: {}, encryption: { enabled: true } } });
  assert.deepEqual(rest.config, { tombstone: {}, cdc_features: { encryption: { enabled: true } } });
});

Deno.test("what the stream can't carry is refused with the reason", () => {
  const refusal = (keys: Record<string, unknown>) =>
    config.safeParse({ ...MINIMAL, ...keys }).error?.message ?? "";
  assert.match(refusal({ two_phase: true }), /read when they commit/);
  assert.match(refusal({ tombstone: { behavior: "emit_with_key" } }), /not in this build yet/);
  assert.match(
    refusal({ replica_identity_autoset: [{ table: "t", identity: "INDEX" }] }),
    /INDEX and its name/,
  );
  assert.match(refusal({ unavailable_value_placeholder: "hex:0g" }), /hexadecimal/);
  assert.match(refusal({ skipped_operations: ["x"] }), /Invalid option/);
  assert.match(refusal({ skipped_operations: ["none", "t"] }), /stands alone/);
});

Deno.test("topics of schema changes and transactions are off, and take Debezium's spelling", () => {
  const { schema_change_topic, transaction_topic } = config.parse(MINIMAL);
  assert.deepEqual(schema_change_topic, { enabled: false, include_columns: true, schemas: [] });
  assert.deepEqual(transaction_topic, {
    enabled: false,
    include_data_collections: true,
    min_events_threshold: 0,
  });
  const upgraded = definition.upgradeConfig!({
    provide_transaction_metadata: true,
    transaction_topic: { topic_name: "t" },
  });
  assert.deepEqual(upgraded.config, { transaction_topic: { topic_name: "t", enabled: true } });
  assert.equal(upgraded.notes.length, 1);
});

Deno.test("sizes and intervals of the slot's keys are checked", () => {
  const refusal = (keys: Record<string, unknown>) =>
    config.safeParse({ ...MINIMAL, ...keys }).error?.message ?? "";
  assert.match(refusal({ max_wal_lag: "10" }), /such as 10GB/);
  assert.match(refusal({ heartbeat_interval_secs: 3601 }), /3600/);
  assert.match(refusal({ heartbeat_topic_prefix: "x" }), /heartbeat_topic_prefix/);
  assert.equal(config.parse({ ...MINIMAL, max_wal_lag: "1.5 TB" }).max_wal_lag, "1.5 TB");
});

Deno.test("the file channel needs its file, and the worker may read it; other channels are refused with the reason", () => {
  const signal = { enabled: true, enabled_channels: ["file"] };
  assert.match(config.safeParse({ ...MINIMAL, signal }).error?.message ?? "", /The file channel needs it/);
  const parsed = config.parse({ ...MINIMAL, signal: { ...signal, file: "/etc/signals" } });
  assert.deepEqual(definition.permissions(parsed, "source").read, ["/etc/signals"]);
  const { error } = config.safeParse({ ...MINIMAL, signal: { enabled: true, enabled_channels: ["topic"] } });
  assert.match(error?.message ?? "", /reads no topics/);
});

Deno.test("keys of other tools are refused, each with what to write in its place", () => {
  for (const path of Object.keys(foreignKeys)) {
    const [key, inner] = path.split(".");
    const keys = { [key]: inner === undefined ? 1 : { [inner]: 1 } };
    const issues = config.safeParse({ ...MINIMAL, ...keys }).error?.issues ?? [];
    const unknown = issues.find((issue) => issue.code === "unrecognized_keys");
    assert.deepEqual(unknown?.keys, [inner ?? key], `${path} is a key of this source`);
  }
});

Deno.test("patterns that are none, or that could take forever, are refused where they stand", () => {
  const paths = [["tables"], ["exclude_tables"], ["schemas"], ["snapshot", "include_tables"]];
  for (const path of paths) {
    const read = (pattern: string) => {
      const value = [pattern] as unknown;
      const keys = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
      return config.safeParse({ ...MINIMAL, ...keys });
    };
    assert.equal(read("/orders_[0-9]+/").success, true);
    for (
      const [pattern, message] of [["/(a+)+/", /can take forever/], ["/(/", /no regular expression/]] as const
    ) {
      const [issue] = read(pattern).error!.issues;
      assert.deepEqual(issue.path, [...path, 0]);
      assert.match(issue.message, message);
    }
  }
});
