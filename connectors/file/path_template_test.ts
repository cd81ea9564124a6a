import assert from "node:assert/strict";
import { resolve } from "node:path";
import { fakeStream } from "../../tests/fakes/records.ts";
import { hourOf } from "../_files/placeholders.ts";
import { baseFolder, PathTemplate, safeName, templateProblem } from "./path_template.ts";

const hour = hourOf(BigInt(Date.UTC(2026, 0, 31, 7, 59)) * 1000n);
const at = (template: string, more = {}) =>
  new PathTemplate(template, "p1").pathOf(fakeStream("orders", more), hour);

Deno.test("every placeholder is filled in", () => {
  assert.equal(at("out/{database}/{namespace}.{stream}.jsonl"), "out/shop/public.orders.jsonl");
  assert.equal(at("out/{schema}/{table}-{topic}-{pipeline}"), "out/public/orders-public.orders-p1");
  assert.equal(at("out/{topic}.jsonl", { topic: "shop.orders" }), "out/shop.orders.jsonl");
  assert.equal(at("out/{yyyy}/{MM}/{dd}/{HH}.jsonl"), "out/2026/01/31/07.jsonl");
  assert.equal(at("{namespace}.{stream}", { namespace: undefined }), "_.orders");
});

Deno.test("the hour is the one that the change was in, before 1970 too", () => {
  assert.equal(hourOf(0n), 0);
  assert.equal(hourOf(3_599_999_999n), 0);
  assert.equal(hourOf(3_600_000_000n), 1);
  assert.equal(hourOf(-1n), -1);
  assert.equal(hourOf(-3_600_000_000n), -1);
  assert.equal(hourOf(-3_600_000_001n), -2);
  assert.equal(new PathTemplate("{yyyy}{MM}{dd}{HH}", "").pathOf(fakeStream("a"), -1), "1969123123");
});

Deno.test("the base is the folder before the first placeholder", () => {
  assert.equal(baseFolder("./out/{stream}.jsonl"), "out");
  assert.equal(baseFolder("/data/a/b-{yyyy}/{stream}.jsonl"), "/data/a");
  assert.equal(baseFolder("/data/orders.jsonl"), "/data");
  assert.equal(baseFolder("orders.jsonl"), ".");
  assert.equal(baseFolder("{stream}.jsonl"), ".");
  assert.equal(baseFolder("../up/{stream}"), "../up");
});

Deno.test("one file has one path, however the template is spelt", () => {
  for (const template of ["out/{stream}.jsonl", "./out/{stream}.jsonl", "out//x/../{stream}.jsonl"]) {
    assert.equal(at(template), "out/orders.jsonl");
    assert.equal(new PathTemplate(template, "").base, "out");
  }
});

Deno.test("no name leads out of the base folder", () => {
  const names = [
    "../../etc/x",
    "..",
    ".",
    "/etc/passwd",
    "a/../../b",
    "..\\..\\x",
    "%2e%2e%2f",
    "a\0b",
    "C:",
    "~",
    "..%2f",
    "",
    "\uD800/..",
    `${"../".repeat(40)}etc/x`,
  ];
  for (const name of names) {
    for (
      const template of [
        "/base/{stream}",
        "/base/{stream}/x.jsonl",
        "/base/{database}{namespace}{stream}.jsonl",
      ]
    ) {
      const path = new PathTemplate(template, "p").pathOf(
        fakeStream(name, { namespace: name, database: name }),
        0,
      );
      assert.ok(resolve(path).startsWith("/base/"), `${JSON.stringify(name)} → ${path}`);
      assert.equal(resolve(path), path.replace(/\/$/, ""));
    }
  }
  assert.equal(safeName("../../etc/x"), "%2E.%2F..%2Fetc%2Fx");
});

Deno.test("different names stay different, and short enough for a file system", () => {
  const long = "x".repeat(200);
  const names = [
    "a/b",
    "a%2Fb",
    "a_b",
    "",
    "_",
    ".a",
    "%2Ea",
    long,
    long + "y",
    "ü".repeat(100),
    "表".repeat(60),
  ];
  const safe = names.filter((name) => name !== "").map(safeName);
  assert.equal(new Set(safe).size, safe.length);
  for (const name of safe) assert.ok(new TextEncoder().encode(name).length <= 80, name);
  assert.equal(safeName("Größe"), "Größe");
});

Deno.test("what is wrong with a template is said in a sentence", () => {
  assert.match(templateProblem("/{stream}.jsonl")!, /right below "\/"/);
  assert.match(templateProblem("/x.jsonl")!, /right below "\/"/);
  assert.match(templateProblem("out/{tabel}.jsonl")!, /no placeholder "\{tabel\}".*\{table\}/);
  assert.match(templateProblem("out/{stream")!, /unmatched brace/);
  assert.match(templateProblem("out/{stream}/../x")!, /"\.\."/);
  assert.match(templateProblem("out/")!, /names a folder/);
  assert.match(templateProblem("out/a\nb")!, /control character/);
  for (const right of ["out/{stream}.jsonl", "../up/x.jsonl", "x.jsonl", "/data/{yyyy}/{MM}/{stream}"]) {
    assert.equal(templateProblem(right), undefined);
  }
});
