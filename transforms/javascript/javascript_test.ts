import assert from "node:assert/strict";
import type { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Value } from "../../formats/data/value.ts";
import { testContext } from "../_shared/testing.ts";
import definition from "./definition.ts";
import { openTransform } from "./implementation.ts";

const ORDERS: Stream = {
  name: "orders",
  namespace: "public",
  key: ["id"],
  payload: "row",
  version: 1,
  columns: [{ name: "id", type: { kind: "int64" }, nullable: false }],
};

const record = (after: Value, others: Partial<DataRecord> = {}): DataRecord => ({
  stream: ORDERS,
  operation: "insert",
  after,
  timeMicros: 1_767_225_600_123_456n,
  order: "0/16B3748/0000000000000001",
  ...others,
});

/** What a function makes of records, and what it rejects. */
async function run(code: string, records: readonly DataRecord[], keys: Record<string, unknown> = {}) {
  const config = definition.config.parse({ code, ...keys });
  const context = testContext();
  await using transform = await openTransform(config, context) as
    & AsyncDisposable
    & Awaited<ReturnType<typeof openTransform>>;
  const rejected: { record: DataRecord; error: RecordError }[] = [];
  const made = await transform.apply!(records, (record, error) => rejected.push({ record, error }));
  return { made, rejected, context, transform };
}

Deno.test("the function gets each record with exact values, and what it returns takes the record's place", async () => {
  const row = { id: 9_007_199_254_740_993n, price: "12.340", raw: new Uint8Array([1, 2]), tags: ["a", null] };
  const { made } = await run(
    `export default (record) => {
       const { id, price, raw, tags } = record.after;
       if (typeof id !== "bigint" || !(raw instanceof Uint8Array)) throw new Error("types");
       return { ...record, after: { id: id + 1n, price: price + "0", size: raw.length, tags, time: record.time } };
     }`,
    [record(row)],
  );
  assert.deepEqual(made[0].after, {
    id: 9_007_199_254_740_994n,
    price: "12.3400",
    size: 2,
    tags: ["a", null],
    time: "2026-01-01T00:00:00.123456Z",
  });
  assert.equal(made[0].timeMicros, 1_767_225_600_123_456n);
});

Deno.test("nothing leaves a record out, a list makes several in order", async () => {
  const { made } = await run(
    `export default async (record) => record.after.id === 1 ? undefined : [record, { ...record, topic: "copies" }];`,
    [record({ id: 1 }), record({ id: 2 })],
  );
  assert.deepEqual(made.map(({ order, stream }) => [order, stream.topic]), [
    ["0/16B3748/0000000000000001", undefined],
    ["0/16B3748/0000000000000001.1", "copies"],
  ]);
  assert.ok(made[0].order! < made[1].order!);
});

Deno.test("what it throws rejects that record alone, and no value of the row is quoted", async () => {
  const { made, rejected } = await run(
    `export default (record) => {
       if (record.after.id === 2) return JSON.parse(record.after.secret);
       if (record.after.id === 3) return { ...record, after: { f: () => 1 } };
       if (record.after.id === 4) return record.nothing.there;
       if (record.after.id === 5) return { ...record, operation: "explode" };
       return record;
     }`,
    [1, 2, 3, 4, 5].map((id) => record({ id, secret: "s3cr3t" })),
  );
  assert.deepEqual(made.map(({ after }) => (after as { id: number }).id), [1]);
  const messages = rejected.map(({ error }) => error.message);
  assert.match(messages[0], /SyntaxError \(line 2, column \d+\)/);
  assert.match(messages[1], /after\.f is a function/);
  assert.match(messages[2], /undefined \(reading 'there'\) \(line 4/);
  assert.match(messages[3], /`operation`/);
  assert.ok(!messages.join().includes("s3cr3t"));
});

Deno.test("the function can reach no network, no file and no variable, and can't end the program", async () => {
  Deno.env.set("RIVVEN_TEST_SECRET", "visible");
  const { made } = await run(
    `import process from "node:process";
     import fs from "node:fs";
     import net from "node:net";
     const tries = {
       file: () => fs.readFileSync("/etc/passwd", "utf8"),
       write: () => fs.writeFileSync("/tmp/rivven-test-written", "x"),
       variable: () => process.env.RIVVEN_TEST_SECRET ?? (() => { throw new Error("hidden") })(),
       connect: () => new Promise((resolve, reject) => net.connect(1, "127.0.0.1", resolve).on("error", reject))
         .catch((error) => { if (error.code === "ECONNREFUSED") return "reached"; throw error; }),
       deno: () => Deno.readTextFileSync("/etc/passwd"),
       end: () => { process.kill(process.pid, "SIGTERM"); },
       exit: () => Deno.exit(3),
       fetch: () => fetch("http://127.0.0.1:1/"),
       worker: () => new Worker("data:application/javascript,"),
       local: () => import("file:///" + "etc/hostname.js").catch((error) => {
         if (/read access|NotCapable/.test(error.message)) throw error;
       }),
     };
     export default async (record) => {
       const reached = [];
       for (const [name, attempt] of Object.entries(tries)) {
         try { await attempt(); reached.push(name); } catch { /* denied */ }
       }
       return { ...record, after: { reached } };
     };`,
    [record({ id: 1 })],
  );
  assert.deepEqual(made[0].after, { reached: [] });
});

Deno.test("console goes to the log", async () => {
  const { context } = await run(
    `export default (record) => { console.log("seen", record.operation); return record; }`,
    [
      record({ id: 1 }),
    ],
  );
  assert.deepEqual(context.warnings, ["seen insert"]);
});

Deno.test("a batch that takes too long ends with an error that names the transform", async () => {
  await assert.rejects(
    run(`export default () => new Promise(() => {});`, [record({ id: 1 })], { timeout_ms: 50 }),
    (error: ConnectorError) =>
      error.code === "timeout_function" && /test #1/.test(error.message) && error.retryable,
  );
});

Deno.test("code that doesn't load, or has no function, is told at the start", async () => {
  const unusable = (code: string, message: RegExp) =>
    assert.rejects(run(code, []), (error: ConnectorError) => {
      assert.match(error.message, message);
      return error.code === "config_function";
    });
  await unusable("export const x = 1;", /default export is no function/);
  await unusable("export default function (", /does not load: .*Unexpected/);
  await unusable("throw new Error('at once'); export default () => 1;", /at once/);
});

Deno.test("TypeScript loses its types; what is more than types is refused by the check", async () => {
  const { made } = await run(
    `interface R { after: { id: number } }
     export default (record: R): R => ({ ...record, after: { id: record.after.id + 1 as number } });`,
    [record({ id: 1 })],
    { language: "typescript" },
  );
  assert.deepEqual(made[0].after, { id: 2 });
  const config = definition.config.parse({
    language: "typescript",
    code: "enum A { B }\nexport default () => null;",
  });
  assert.match(definition.checkConfig!(config)[0].message, /enum is not supported/);
});

Deno.test("code that imports anything but node: modules is refused, since Deno would load it without a right", () => {
  const found = (code: string) =>
    definition.checkConfig!(definition.config.parse({ code })).map(({ message }) => message);
  assert.deepEqual(
    found(`import fs from "node:fs"; const s = "import x from './x.js'"; export default () => null;`),
    [],
  );
  for (
    const code of [
      `import x from "file:///etc/x.json" with { type: "json" };`,
      `const x = await import("/etc/x.js");`,
      `export * from "npm:pg@8";`,
      `import("data:application/javascript,");`,
      `import("file:" + "///etc/x.js");`,
      "import(`file:///etc/${name}.js`);",
    ]
  ) assert.match(found(`${code}\nexport default () => null;`)[0], /which it has no right to/);
});

Deno.test("code that can't be read, or has no default export, is refused before anything starts", () => {
  const found = (code: string, language = "javascript") =>
    definition.checkConfig!(definition.config.parse({ code, language })).map(({ message }) => message).join();
  const F = "\nexport default (r) => r;";
  assert.match(
    found("export default (r) => {\n  retrun r;\n}"),
    /read as javascript: Unexpected identifier 'r'/,
  );
  assert.match(found(`import fs from "node:fs";\nconst x = ;${F}`), /Unexpected token ';'/);
  assert.match(found("export default (r: any) => r;"), /Unexpected token ':'/);
  assert.match(found("export default (r: any) => { retrun r }", "typescript"), /read as typescript/);
  assert.match(found("export const change = (r) => r;"), /no default export/);
  assert.match(found("module.exports = (r) => r;"), /no default export/);
  const good = [
    "export { f as default };\nfunction f(r) { return r }",
    "const f = (a, b) => b, a = 1, b = 2;\nexport default (r) => f(f<a>(b), r);",
    `import fs from "node:fs";\nimport { join } from "node:path";\nawait 1;${F}`,
    `export const type = "a", as = \`export default\`;${F}`,
    "export default class { static of = 1 }",
  ];
  for (const code of good) assert.equal(found(code), "", code);
});

Deno.test("columns are forgotten, unless the function keeps them", async () => {
  const code = "export default (record) => record;";
  const { transform } = await run(code, []);
  assert.equal(transform.stream!(ORDERS).columns, undefined);
  const kept = await run(code, [], { columns: "keep" });
  assert.equal(kept.transform.stream!(ORDERS), ORDERS);
});

Deno.test("the code of a file is read on the main thread, and a .ts file is TypeScript", () => {
  const complete = (config: Record<string, unknown>) =>
    definition.completeConfig!(config, () => undefined, (path) => {
      if (path !== "./f.ts") throw new Error("no such file");
      return "the code";
    });
  assert.deepEqual(complete({ file: "./f.ts" }).config, {
    file: "./f.ts",
    language: "typescript",
    code: "the code",
  });
  assert.match(complete({ file: "./g.js" }).problems[0].message, /"\.\/g\.js" can't be read/);
  assert.equal(complete({ file: "./f.ts", code: "x" }).problems[0].key, "code");
});
