import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { caughtUp, promote, slotTakenOver, startStandby } from "../../tests/servers/postgres_standby.ts";
import { freePort } from "../../tests/servers/process.ts";
import { Connection } from "./connection.ts";
import { endpointOf } from "./endpoint.ts";
import { configFor, Reader, testContext } from "./testing.ts";

const clock = testContext().clock;

/** A configuration with several servers in place of one. */
function several(pg: Postgres, hosts: readonly string[], keys: Record<string, unknown> = {}) {
  return configFor(pg, { host: undefined, hosts, connect_timeout_secs: 5, ...keys });
}

/** Which server a new connection reaches, by its port. */
async function reached(
  config: ReturnType<typeof configFor>,
  kind: "sql" | "replication" = "sql",
): Promise<number> {
  const endpoint = endpointOf(config, "test");
  await using connection = await Connection.open(endpoint, clock, kind, new AbortController().signal);
  const [server] = connection.endpoint.servers.candidates;
  assert.deepEqual(endpoint.servers.candidates, [server], "all later connections go to the same server");
  return server.port;
}

Deno.test("servers are tried in turn until one will do, by what target_session_attrs says", async () => {
  await using primary = await startPostgres();
  await using standby = await startStandby(primary);
  const [a, b] = [standby, primary].map(({ port }) => `127.0.0.1:${port}`);
  const nobody = `127.0.0.1:${await freePort()}`;
  for (const kind of ["sql", "replication"] as const) {
    assert.equal(
      await reached(several(primary, [nobody, a, b]), kind),
      primary.port,
      "read-write is the default",
    );
  }
  const port = (attrs: string, hosts = [nobody, b, a]) =>
    reached(several(primary, hosts, { target_session_attrs: attrs }));
  assert.equal(await port("any"), primary.port);
  assert.equal(await port("primary"), primary.port);
  assert.equal(await port("standby"), standby.port);
  assert.equal(await port("read-only"), standby.port);
  assert.equal(await port("prefer-standby"), standby.port);
  assert.equal(await port("prefer-standby", [nobody, b]), primary.port);
  await assert.rejects(port("standby", [nobody, b]), (error) => {
    assert.ok(error instanceof ConnectorError);
    assert.equal(error.code, "connection_no_server");
    assert.match(
      error.message,
      new RegExp(`ECONNREFUSED.*127\\.0\\.0\\.1:${primary.port} is a primary`, "s"),
    );
    assert.ok(error.retryable);
    return true;
  });
  await primary.query("ALTER SYSTEM SET default_transaction_read_only = on");
  await primary.query("SELECT pg_reload_conf()");
  await primary.restart();
  await assert.rejects(port("read-write", [b]), /is read-only/);
  assert.equal(await port("primary", [b]), primary.port);
});

Deno.test("who is refused as this user by one server is not tried on the next", async () => {
  await using first = await startPostgres();
  await using second = await startPostgres();
  const hosts = [first, second].map(({ port }) => `127.0.0.1:${port}`);
  await assert.rejects(reached(several(first, hosts, { password: "wrong" })), { code: "auth_rejected" });
  const one = configFor(first, { host: undefined, hosts: [`127.0.0.1:${await freePort()}`] });
  await assert.rejects(reached(one), { code: "connection_refused" });
});

Deno.test("after a failover the promoted standby is found, and the stream goes on there without a gap", async () => {
  await using primary = await startPostgres({
    version: 18,
    settings: { synchronized_standby_slots: "standby" },
  });
  await primary.query("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION rivven_pub FOR TABLE t");
  await primary.query(
    "SELECT pg_create_logical_replication_slot('rivven_slot', 'pgoutput', failover => true)",
  );
  await using standby = await startStandby(primary);
  const config = several(primary, [primary, standby].map(({ port }) => `127.0.0.1:${port}`), {
    snapshot: { mode: "never" },
  });
  let position;
  {
    await using reader = new Reader(config);
    await primary.query("INSERT INTO t SELECT generate_series(1, 100)");
    await reader.atLeast(100);
    position = reader.position;
    await caughtUp(standby, primary);
    await slotTakenOver(standby, "rivven_slot");
    await primary.query("INSERT INTO t SELECT generate_series(101, 150)");
    await caughtUp(standby, primary);
    await primary.stop("immediate");
    await assert.rejects(async () => {
      while (await reader.next());
    }, (error) => error instanceof ConnectorError && error.retryable);
  }
  {
    await using early = new Reader(config, position);
    await assert.rejects(early.next(), { code: "connection_no_server" });
  }
  await promote(standby);
  await standby.query("INSERT INTO t SELECT generate_series(151, 200)");
  await using reader = new Reader(config, position);
  const ids = (await reader.atLeast(100)).map(({ after }) => (after as { id: number }).id);
  assert.deepEqual(ids, Array.from({ length: 100 }, (_, i) => i + 101));
});

Deno.test("a Unix socket and an IPv6 address are reached as a host name is", async () => {
  await using pg = await startPostgres({ settings: { listen_addresses: "127.0.0.1, ::1" } });
  const hasIPv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");
  const hosts = [pg.socketDir, `${pg.socketDir}/`, "localhost", ...(hasIPv6 ? ["::1", "[::1]"] : [])];
  for (const kind of ["sql", "replication"] as const) {
    for (const host of hosts) assert.equal(await reached(configFor(pg, { host }), kind), pg.port, host);
  }
  assert.equal(await reached(several(pg, [`[::1]:${pg.port}`, pg.socketDir])), pg.port);
  await assert.rejects(reached(configFor(pg, { host: "/no/such/folder" })), { code: "connection_no_socket" });
  await assert.rejects(reached(configFor(pg, { host: "no-such-host.invalid" })), {
    code: "connection_unknown_host",
  });
});

Deno.test("options and application_name are those of the session, and the codecs' settings win", async () => {
  await using pg = await startPostgres();
  const keys = { options: "-c work_mem=1234kB -c DateStyle=German", application_name: "mine" };
  const endpoint = endpointOf(configFor(pg, keys), "test");
  await using connection = await Connection.open(endpoint, clock, "sql", new AbortController().signal);
  const [row] = await connection.query(
    "Cannot read settings",
    "SELECT current_setting('work_mem') AS work_mem, current_setting('datestyle') AS datestyle, " +
      "current_setting('application_name') AS name",
  );
  assert.equal(row.work_mem, "1234kB");
  assert.equal(row.name, "mine");
  assert.match(row.datestyle ?? "", /^ISO/);
});

Deno.test("a server that accepts the connection and says nothing is given up after connect_timeout_secs", async () => {
  await using pg = await startPostgres();
  await pg.pause();
  for (const mode of ["disable", "require"]) {
    const startedMs = performance.now();
    await assert.rejects(reached(configFor(pg, { connect_timeout_secs: 1, tls: { mode } })), {
      code: "connection_timeout",
    });
    assert.ok(performance.now() - startedMs < 20_000); // and not after the 30 s that are the default
  }
  const abort = new AbortController();
  const endpoint = endpointOf(configFor(pg), "test");
  const opening = Connection.open(endpoint, clock, "sql", abort.signal);
  abort.abort();
  await assert.rejects(opening, ConnectorError);
});
