import assert from "node:assert/strict";
import { completeKeys, readKey, ringOf } from "./keys.ts";

const HEX = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY = Uint8Array.fromHex(HEX);
const OTHER = "ff".repeat(32);

/** `completeKeys` with these variables. */
function complete(config: Record<string, unknown>, variables: Record<string, string> = {}) {
  const { config: made, problems } = completeKeys({ fields: ["ssn"], ...config }, (name) => variables[name]);
  return { made, keys: problems.map(({ key }) => key), text: JSON.stringify(problems) };
}

Deno.test("a key is 32 bytes in hex or in base64, of either alphabet, padded or not", () => {
  const high = new Uint8Array(32).fill(0xfb);
  for (
    const text of [HEX, HEX.toUpperCase(), KEY.toBase64(), KEY.toBase64({ omitPadding: true }), ` ${HEX}\n`]
  ) {
    assert.deepEqual(readKey(text), KEY, text);
  }
  assert.deepEqual(readKey(high.toBase64({ alphabet: "base64url" })), high);
  assert.deepEqual(readKey(high.toBase64()), high);
});

Deno.test("anything else is no key, and the message says nothing of it", () => {
  const texts = [
    "",
    "secret",
    HEX.slice(2),
    `${HEX}00`,
    `${HEX.slice(0, -1)}g`,
    KEY.slice(1).toBase64(),
    "é".repeat(43),
  ];
  for (const text of texts) {
    const read = readKey(text);
    assert.ok(!(read instanceof Uint8Array), text);
    if (text !== "") assert.ok(!read.problem.includes(text));
  }
});

Deno.test("the variables are versions 1 and up; the highest is used", () => {
  const { made, keys } = complete({}, { RIVVEN_ENCRYPTION_KEY: HEX, RIVVEN_ENCRYPTION_KEY_V3: OTHER });
  assert.deepEqual(keys, []);
  assert.deepEqual(made.key_versions, { 1: HEX, 3: OTHER });
  const ring = ringOf({ key_id: "default", ...made });
  assert.equal(ring.active, 3);
  assert.deepEqual(ring.versions.get(1), KEY);
});

Deno.test("versions may be named, and one of them chosen", () => {
  const keys = { active_version: 1, versions: { 1: "OLD", 2: "NEW" } };
  const { made, keys: problems } = complete({ keys }, { OLD: HEX, NEW: OTHER });
  assert.deepEqual(problems, []);
  assert.deepEqual([made.key_versions, made.active_version], [{ 1: HEX, 2: OTHER }, 1]);
});

Deno.test("provider file takes the texts of the versions themselves, and `key` is version 1", () => {
  const file = complete({ keys: { provider: "file", versions: { 2: OTHER } } });
  assert.deepEqual([file.made.key_versions, file.made.active_version, file.keys], [{ 2: OTHER }, 2, []]);
  const own = complete({ key: KEY.toBase64() });
  assert.deepEqual([own.made.key_versions, own.made.key, own.keys], [{ 1: HEX }, undefined, []]);
});

Deno.test("without a key, or with one that is none, nothing starts", () => {
  assert.deepEqual(complete({}).keys, ["fields"]);
  assert.match(complete({}).text, /RIVVEN_ENCRYPTION_KEY is not set/);
  assert.deepEqual(complete({}, { RIVVEN_ENCRYPTION_KEY: "hunter2" }).keys, ["fields"]);
  assert.ok(!complete({}, { RIVVEN_ENCRYPTION_KEY: "hunter2" }).text.includes("hunter2"));
  assert.deepEqual(complete({ key: "hunter2" }).keys, ["key"]);
  assert.deepEqual(complete({ keys: { versions: { 1: "A", 2: "B" } } }, { A: HEX }).keys, [
    "keys.versions.2",
  ]);
  assert.deepEqual(complete({ keys: { versions: { zero: "A" } } }, { A: HEX }).keys, ["keys.versions.zero"]);
  assert.deepEqual(complete({ keys: { active_version: 2 } }, { RIVVEN_ENCRYPTION_KEY: HEX }).keys, [
    "keys.active_version",
  ]);
});

Deno.test("providers that hold keys elsewhere are refused by name", () => {
  for (const provider of ["vault", "aws-kms", "gcp-kms", "azure-kv"]) {
    const { keys, text } = complete({ keys: { provider } }, { RIVVEN_ENCRYPTION_KEY: HEX });
    assert.deepEqual(keys, ["keys.provider"]);
    assert.match(text, new RegExp(provider));
  }
});
