import assert from "node:assert/strict";
import { addressText, parseAddress, serversOf } from "./address.ts";
import { parseConnectionUri, UriError } from "./connection_uri.ts";

Deno.test("an address has a host and maybe a port, also as IPv6 and as a socket's folder", () => {
  const parsed = (text: string) => {
    const address = parseAddress(text, 5432);
    return address && [address.host, address.port];
  };
  assert.deepEqual(parsed("db"), ["db", 5432]);
  assert.deepEqual(parsed("db.example:5433"), ["db.example", 5433]);
  assert.deepEqual(parsed("10.0.0.1:1"), ["10.0.0.1", 1]);
  assert.deepEqual(parsed("::1"), ["::1", 5432]);
  assert.deepEqual(parsed("[::1]"), ["::1", 5432]);
  assert.deepEqual(parsed("[fe80::1%eth0]:5433"), ["fe80::1%eth0", 5433]);
  assert.deepEqual(parsed("/run/postgresql/"), ["/run/postgresql", 5432]);
  assert.deepEqual(parsed("/run/postgresql:5433"), ["/run/postgresql", 5433]);
  for (
    const wrong of ["", ":5432", "db:0", "db:65536", "db:x", "a b", "[db]:1", "u@db", "a,b", "x/y", "db:1:2"]
  ) {
    assert.equal(parsed(wrong), undefined, wrong);
  }
  assert.equal(addressText({ host: "::1", port: 1 }), "[::1]:1");
  assert.deepEqual(serversOf({ host: "::1", port: 2, hosts: [] }), [{ host: "::1", port: 2 }]);
  assert.deepEqual(serversOf({ port: 2, hosts: ["a", "b:3"] }), [{ host: "a", port: 2 }, {
    host: "b",
    port: 3,
  }]);
});

Deno.test("a connection URI is read as libpq reads it", () => {
  const config = (uri: string) => parseConnectionUri(uri).config;
  assert.deepEqual(config("postgres://u:p@db:5433/shop"), {
    user: "u",
    password: "p",
    host: "db",
    port: 5433,
    database: "shop",
  });
  assert.deepEqual(config("postgresql://"), {});
  assert.deepEqual(config("postgresql://db"), { host: "db", port: 5432 });
  assert.deepEqual(config("postgres://it%27s:a%3Ab%2F%40%25@db/my-db%20x"), {
    user: "it's",
    password: "a:b/@%",
    host: "db",
    port: 5432,
    database: "my-db x",
  });
  assert.deepEqual(config("postgres://u@[2001:db8::1]:1/d").host, "2001:db8::1");
  assert.deepEqual(config("postgres://%2Frun%2Fpostgresql/d"), {
    host: "/run/postgresql",
    port: 5432,
    database: "d",
  });
  assert.deepEqual(config("postgres:///d?host=/run/postgresql&port=5433"), {
    host: "/run/postgresql",
    port: 5433,
    database: "d",
  });
  assert.deepEqual(config("postgres://a:1,[::1]:2,c/d").hosts, ["a:1", "[::1]:2", "c:5432"]);
  assert.deepEqual(config("postgres:///d?host=a,b&port=1,2").hosts, ["a:1", "b:2"]);
  assert.deepEqual(config("postgres:///d?host=a,b&port=9").hosts, ["a:9", "b:9"]);
});

Deno.test("parameters of a URI are keys of the configuration", () => {
  const { config, tls } = parseConnectionUri(
    "postgres://db/d?user=u&password=p&application_name=mine&connect_timeout=3&target_session_attrs=primary" +
      "&options=-c%20work_mem%3D1MB&channel_binding=require&keepalives_idle=7&passfile=/p&client_encoding=utf8" +
      "&sslmode=verify-full&sslrootcert=/ca&sslcert=/c&sslkey=/k&sslnegotiation=direct&ssl_min_protocol_version=TLSv1.3",
  );
  assert.deepEqual(config, {
    host: "db",
    port: 5432,
    database: "d",
    user: "u",
    password: "p",
    application_name: "mine",
    connect_timeout_secs: 3,
    target_session_attrs: "primary",
    options: "-c work_mem=1MB",
    channel_binding: "require",
    tcp_keepalives_idle_secs: 7,
    passfile: "/p",
  });
  assert.deepEqual(tls, {
    mode: "verify-full",
    ca_cert_path: "/ca",
    client_cert_path: "/c",
    client_key_path: "/k",
    negotiation: "direct",
    min_protocol_version: "1.3",
  });
  assert.deepEqual(parseConnectionUri("postgres://db/d?sslmode=verify-full&sslrootcert=system").tls, {
    mode: "verify-full",
  });
  assert.deepEqual(parseConnectionUri("postgres://db/d?ssl=true").tls, { mode: "require" });
});

Deno.test("what is no connection URI is refused without a word of its password", () => {
  const wrong: [string, RegExp][] = [
    ["mysql://u:hidden@db", /must be a URI/],
    ["host=db password=hidden", /must be a URI/],
    ["postgres://u:hidden%zz@db/d", /%25/],
    ["postgres://u:hidden@db:port/d", /Host 1/],
    ["postgres://u:hidden@a,b/d?port=1,2,3", /2 hosts and 3 ports/],
    ["postgres://u:hidden@db/d?sslmod=require", /"sslmod".*sslmode/],
    ["postgres://u:hidden@db/d?connect_timeout=soon", /"connect_timeout"/],
  ];
  for (const [uri, message] of wrong) {
    assert.throws(() => parseConnectionUri(uri), (error) => {
      assert.ok(error instanceof UriError, uri);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("hidden"));
      return true;
    });
  }
});
