/** The fast way to read an envelope says what the thorough one says, or nothing. */
import assert from "node:assert/strict";
import { orderText } from "./batch_data.ts";
import { seededRandom } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import { recognise } from "./envelope_parts.ts";
import { skipValue } from "./json_scan.ts";
import { StandardEnvelope } from "./standard_envelope.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const LINES = linesOf(fakeBatch([
  fakeRecord(1),
  fakeRecord(2, { operation: "snapshot", source: undefined }),
  fakeRecord(3, {
    operation: "update",
    before: { id: 3n, customer: null },
    source: { txId: 5, deep: { a: [1, { b: "}" }] } },
  }),
  fakeRecord(4, { operation: "delete", before: { id: 4n }, after: undefined }),
  fakeRecord(5, { stream: fakeStream('ü"\\', { namespace: undefined, database: undefined }) }),
  fakeRecord(6, {
    after: { id: 6n, customer: "日本\n\u0001", total: "-1e5", list: [1.5e-7, true, false, {}] },
  }),
]));

/** What both must agree on. */
function thorough(json: Uint8Array) {
  const found = recognise(json, JSON.parse(text.decode(json)))!;
  return { ...found, own: JSON.parse(`{${found.own.slice(1)}}`) };
}

function compare(fast: StandardEnvelope, json: Uint8Array): void {
  const found = thorough(json);
  assert.equal(fast.operation, found.operation);
  assert.equal(fast.timeMicros, found.timeMicros);
  assert.deepEqual(fast.before < 0 ? undefined : [fast.before, fast.beforeEnd], found.before);
  assert.deepEqual(fast.after < 0 ? undefined : [fast.after, fast.afterEnd], found.after);
  assert.equal(found.marker, undefined);
  assert.deepEqual(JSON.parse(`{${text.decode(fast.own).slice(1)}}`), found.own);
}

Deno.test("what this program writes is read the fast way", () => {
  const fast = new StandardEnvelope();
  for (const line of LINES) {
    const json = utf8.encode(line);
    assert.ok(fast.read(json), line);
    compare(fast, json);
  }
});

Deno.test("whatever is changed in an envelope, it is read rightly or left to the thorough way", () => {
  const random = seededRandom(11);
  const fast = new StandardEnvelope();
  const pick = (below: number) => Math.floor(random() * below);
  let taken = 0;
  for (let round = 0; round < 20_000; round++) {
    const json = utf8.encode(LINES[pick(LINES.length)]);
    const at = pick(json.length);
    const changed = [
      () => json.with(at, pick(256)),
      () => json.slice(0, at),
      () => new Uint8Array([...json.slice(0, at), json[pick(json.length)], ...json.slice(at)]),
      () => new Uint8Array([...json.slice(0, at), ...json.slice(at + 1 + pick(8))]),
    ][pick(4)]();
    if (!fast.read(changed)) continue;
    taken++;
    compare(fast, changed);
  }
  assert.ok(taken > 1000, `${taken} taken`);
});

Deno.test("what stands as in the envelope before is not read again, and a change in it is noticed", () => {
  const random = seededRandom(12);
  const pick = (below: number) => Math.floor(random() * below);
  const after = { id: 12345678901234567890n, customer: "é" };
  const other = fakeRecord(1, { after, order: orderText("0000000000000001", 7) });
  const [line, next] = linesOf(fakeBatch([fakeRecord(1), other])).map((text) => utf8.encode(text));
  const fast = new StandardEnvelope();
  let same = 0, changes = 0;
  for (let round = 0; round < 20_000; round++) {
    assert.ok(fast.read(line));
    assert.equal(fast.isExact, false);
    assert.ok(fast.read(next));
    assert.ok(fast.isAsBefore && fast.isExact);
    compare(fast, next);
    const json = next.slice();
    json[pick(json.length)] = pick(2) === 0 ? pick(256) : 0x30 + pick(10);
    if (!fast.read(json)) continue;
    fast.isAsBefore ? same++ : changes++;
    compare(fast, json);
  }
  assert.ok(same > 1000 && changes > 1000, `${same} and ${changes}`);
});

Deno.test("values end where JSON.parse says they do, and what is none has no end", () => {
  const good = [
    '""',
    '"a\\"b\\u00e9"',
    "0",
    "-0.5e+10",
    "12",
    "true",
    "false",
    "null",
    "[]",
    "[1,[2],{}]",
    '{"a":{"b":[]}}',
  ];
  for (const value of good) assert.equal(skipValue(utf8.encode(`${value},`), 0), value.length, value);
  const bad = [
    '"a',
    '"\\x"',
    '"\\u00g0"',
    '"\n"',
    "01x",
    "-",
    "1.",
    ".5",
    "1e",
    "tru",
    "[1,]",
    "[1",
    '{"a"}',
    '{"a":}',
    "{,}",
    "",
    "+1",
  ];
  for (const value of bad) {
    const end = skipValue(utf8.encode(value), 0);
    assert.ok(end < value.length, value);
    if (end >= 0) assert.doesNotThrow(() => JSON.parse(value.slice(0, end)), value);
  }
  assert.equal(skipValue(utf8.encode("[".repeat(1000) + "]".repeat(1000)), 0), -1);
});
