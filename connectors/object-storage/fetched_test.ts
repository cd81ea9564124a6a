/** A store's https:// address, from a program that has the right to reach it and no other. */
import assert from "node:assert/strict";
import { makeAuthority } from "../../tests/servers/certificates.ts";
import { requireServer } from "../../tests/servers/missing.ts";

const PROGRAM = `
import { Connections } from ${JSON.stringify(import.meta.resolve("./exchange.ts"))};
using connections = new Connections();
const body = [new TextEncoder().encode("one "), new TextEncoder().encode("two")];
const url = new URL("https://localhost:" + Deno.args[0] + "/x?sig=secret");
for (const [method, pieces] of [["PUT", body], ["PUT", []], ["HEAD", undefined]]) {
  const answer = await connections.exchange({ method, url, headers: { "x-own": "1" }, body: pieces }, AbortSignal.timeout(20_000));
  console.log(answer.status, answer.headers.get("x-seen"), answer.text);
}
url.port = "1";
await connections.exchange({ method: "GET", url, headers: {} }, AbortSignal.timeout(20_000)).catch((error) => console.log(error.name, error.message));
`;

Deno.test("a confined program sends to https:// with nothing but the right to reach the host", async (t) => {
  await using authority = await requireServer(t, makeAuthority);
  if (authority === undefined) return;
  const { certPath, keyPath } = await authority.signed("server", {
    name: "localhost",
    names: ["DNS:localhost"],
  });
  await using server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    cert: await Deno.readTextFile(certPath),
    key: await Deno.readTextFile(keyPath),
    onListen() {},
  }, async (request) => {
    const seen = `${request.headers.get("content-length")} ${request.headers.get("x-own")}`;
    return new Response(await request.text(), { headers: { "x-seen": seen } });
  });
  const { port } = server.addr as Deno.NetAddr;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, PROGRAM);
    const output = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-q",
        "--no-prompt",
        "--no-lock",
        `--allow-net=localhost:${port},localhost:1`,
        file,
        String(port),
      ],
      env: { DENO_CERT: authority.caPath, NO_COLOR: "1" },
    }).output();

    const text = new TextDecoder().decode(output.stdout);
    assert.equal(new TextDecoder().decode(output.stderr), "");
    const [put, empty, head, refused] = text.split("\n");
    assert.deepEqual([put, empty, head], ["200 7 1 one two", "200 0 1 ", "200 null 1 "]);
    assert.match(refused, /^Error .*(refused|blocked)/i);
    assert(!/localhost|secret/.test(refused), refused);
  } finally {
    await Deno.remove(file);
  }
});
