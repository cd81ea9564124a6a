import assert from "node:assert/strict";
import definition, { config } from "./connector.ts";

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

Deno.test("what is not in this build is refused, with its off form allowed", () => {
  const refused = [{ drop_slot_on_stop: true }, { snapshot: { mode: "no_data" } }];
  for (const keys of refused) {
    const { error } = config.safeParse({ ...MINIMAL, ...keys });
    assert.match(error?.message ?? "", /not in this build yet/, JSON.stringify(keys));
  }
  assert.equal(
    config.safeParse({ ...MINIMAL, drop_slot_on_stop: false, tls: { mode: "disable" } }).success,
    true,
  );
});
