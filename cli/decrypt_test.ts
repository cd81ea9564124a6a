import assert from "node:assert/strict";
import { batchFromRecords } from "../formats/data/batch.ts";
import { type Layout, LAYOUTS } from "../formats/data/envelope.ts";
import type { DataRecord } from "../formats/data/record.ts";
import encryption from "../transforms/encrypt_field/definition.ts";
import { openTransform } from "../transforms/encrypt_field/implementation.ts";
import { configOf, record, run, stream, testContext } from "../transforms/_shared/testing.ts";
import { createDecrypter, keysFromEnvironment } from "../transforms/_protection/decrypt.ts";

const KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW_KEY = "ab".repeat(32);
const PROGRAM = new URL("../main.ts", import.meta.url).pathname;
const USERS = stream({ id: "int64 key", ssn: "string", profile: "json" });
const ROW = {
  id: 9007199254740993n,
  ssn: "123-45-6789 ß\n",
  profile: { token: 12345678901234567890n, n: 1 },
};

async function encrypted(
  env: Record<string, string>,
  records: readonly DataRecord[],
): Promise<readonly DataRecord[]> {
  const { config } = encryption.completeConfig!(
    { fields: ["ssn", "profile.token"] },
    (name) => env[name],
    () => "",
  );
  return (await run(openTransform(configOf(encryption, config), testContext()), records)).records;
}

function lines(records: readonly DataRecord[], layout: Layout): string[] {
  const origin = { connector: "postgres-cdc", name: "shop", version: "0" };
  const head = { lane: "stream", position: { v: 1 }, readAtMicros: 0n, layout, origin };
  return new TextDecoder().decode(batchFromRecords(head, records).bytes).trimEnd().split("\n");
}

async function decrypt(
  args: readonly string[],
  input: string,
  env: Record<string, string> = { RIVVEN_ENCRYPTION_KEY: KEY },
) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", PROGRAM, "decrypt", ...args],
    env: { ...env, NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

const CHANGES = [
  record(USERS, "insert", { after: ROW }),
  record(USERS, "update", { before: ROW, after: { ...ROW, ssn: "new" } }),
];

for (const layout of LAYOUTS) {
  Deno.test(`messages in layout ${layout} open to exactly what they were`, async () => {
    const decrypter = createDecrypter({ keys: { default: { 1: KEY } } });
    const sealed = lines(await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, CHANGES), layout);
    assert.ok(sealed.every((line) => line.includes("__encrypted") && !line.includes("6789")));
    const opened = sealed.map((line) => decrypter.text(line));
    // The schema in the message is that of what went out.
    const comparable = (line: string) => layout === "full" ? line.slice(line.indexOf('"payload"')) : line;
    assert.deepEqual(opened.map(comparable), lines(CHANGES, layout).map(comparable));
    const parsed = decrypter.value(JSON.parse(sealed[1])) as Record<string, unknown>;
    assert.ok(!JSON.stringify(parsed, (_, v) => typeof v === "bigint" ? `${v}` : v).includes("__encrypted"));
  });

  Deno.test(`values of two messages in layout ${layout} that were swapped do not open`, async () => {
    const decrypter = createDecrypter({ keys: { default: { 1: KEY } } });
    const other = { ...ROW, id: 2n, ssn: "other" };
    const [one, two] = lines(
      await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, [
        CHANGES[0],
        record(USERS, "insert", { after: other }),
      ]),
      layout,
    );
    const value = (line: string) => /"ssn":(\{.*?"__value":"[^"]*"\})/.exec(line)![1];
    const wrong = { code: "serialization_wrong_place" };
    assert.throws(() => decrypter.text(one.replace(value(one), value(two))), wrong);
    const column = one.replace(/"token":\{.*?"__value":"[^"]*"\}/, `"token":${value(one)}`);
    assert.throws(() => decrypter.text(column), wrong);
    assert.match(
      createDecrypter({ keys: { default: { 1: KEY } }, checkPlace: false }).text(column),
      /123-45/,
    );
  });
}

Deno.test("a value of another table does not open where the layout names the table", async () => {
  const decrypter = createDecrypter({ keys: { default: { 1: KEY } } });
  const [line] = lines(await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, [CHANGES[0]]), "standard");
  for (const name of ["shop", "public", "users"]) {
    const moved = line.replace(new RegExp(`("(?:db|schema|table)":)"${name}"`), '$1"elsewhere"');
    assert.throws(() => decrypter.text(moved), { code: "serialization_wrong_place" }, name);
  }
});

Deno.test("keys and lists of rows open too; what is no message of ours stays byte for byte", async () => {
  const decrypter = createDecrypter({ keys: { default: { 1: KEY } } });
  const [line] = lines(await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, [CHANGES[0]]), "plain");
  assert.equal(
    decrypter.text(`[ ${line} , ${line} ]`),
    `[ ${lines([CHANGES[0]], "plain")[0]} , ${lines([CHANGES[0]], "plain")[0]} ]`,
  );
  const others = [
    '{"a": 1.50, "b":1e400}',
    "",
    "not json",
    '{"__encrypted":true,"n": 1.50}',
    '["__encrypted", 12345678901234567890.5]',
  ];
  for (const text of others) assert.equal(decrypter.text(text), text);
  assert.throws(() => decrypter.text('{"__encrypted":'), { code: "serialization_not_json" });
  assert.throws(
    () => createDecrypter({ keys: { default: { 1: "hunter2" } } }),
    (error: Error) => !error.message.includes("hunter2"),
  );
});

Deno.test("decrypt reads files and standard input, with every version of the key", async () => {
  const both = { RIVVEN_ENCRYPTION_KEY: KEY, RIVVEN_ENCRYPTION_KEY_V2: NEW_KEY };
  const old = lines(await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, CHANGES), "standard");
  const young = lines(await encrypted(both, CHANGES), "standard");
  const input = [...old, ...young].join("\n") + "\n";
  const clear = lines(CHANGES, "standard");
  const { code, stdout, stderr } = await decrypt([], input, both);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(stdout.trimEnd().split("\n"), [...clear, ...clear]);

  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, input);
    assert.equal((await decrypt([file], "", both)).stdout, stdout);
    const failed = await decrypt([file], "");
    assert.equal(failed.code, 3);
    assert.match(failed.stderr, /line 3: There is no version 2 of the key "default"/);
    assert.deepEqual(failed.stdout.trimEnd().split("\n"), clear);
    const kept = await decrypt([file, "--on-missing-key", "keep"], "");
    assert.deepEqual(kept.stdout.trimEnd().split("\n"), [...clear, ...young]);
  } finally {
    await Deno.remove(file);
  }
  assert.deepEqual(keysFromEnvironment((name) => (both as Record<string, string>)[name]), {
    default: { 1: KEY, 2: NEW_KEY },
  });
});

Deno.test("decrypt says what is wrong: no key, no file, a value that was changed", async () => {
  const [line] = lines(await encrypted({ RIVVEN_ENCRYPTION_KEY: KEY }, [CHANGES[0]]), "standard");
  const none = await decrypt([], line, {});
  assert.equal(none.code, 3);
  assert.match(none.stderr, /RIVVEN_ENCRYPTION_KEY is not set/);
  const broken = await decrypt([], line, { RIVVEN_ENCRYPTION_KEY: "hunter2" });
  assert.equal(broken.code, 2);
  assert.ok(!broken.stderr.includes("hunter2"));
  assert.equal((await decrypt(["/no/such/file"], "")).code, 3);
  const changed = await decrypt([], line.replace(/"__value":"../, '"__value":"//'));
  assert.equal(changed.code, 1);
  assert.match(changed.stderr, /standard input, line 1: An encrypted value .* doesn't open/);
});
