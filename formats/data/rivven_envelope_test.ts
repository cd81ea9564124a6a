/** The fast way to read the `rivven` layout says what the thorough one says, or nothing. */
import assert from "node:assert/strict";
import { seededRandom } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import { recognise } from "./envelope_parts.ts";
import { RivvenEnvelope } from "./rivven_envelope.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const LINES = linesOf(
  fakeBatch([
    fakeRecord(1),
    fakeRecord(2, { operation: "snapshot", source: undefined }),
    fakeRecord(3, {
      operation: "update",
      before: { id: 3n, customer: null },
      source: { txId: 5, deep: { a: [1, { b: "}" }] } },
    }),
    fakeRecord(4, { operation: "update", before: undefined }),
    fakeRecord(5, { operation: "delete", before: { id: 4n }, after: undefined }),
    fakeRecord(6, { operation: "record", after: { id: 12345678901234567890n } }),
    fakeRecord(7, { stream: fakeStream('ü"\\', { namespace: undefined }), order: undefined }),
    fakeRecord(8, { after: { id: 6n, customer: "日本\n\u0001", total: "-1e5", list: [1.5e-7, true, {}] } }),
  ], { layout: "rivven" }),
);

function compare(fast: RivvenEnvelope, json: Uint8Array): void {
  const { name, namespace, isRow, own, ...found } = recognise(json, JSON.parse(text.decode(json)))!;
  assert.equal(fast.operation, found.operation);
  assert.equal(fast.timeMicros, found.timeMicros);
  assert.deepEqual(fast.before < 0 ? undefined : [fast.before, fast.beforeEnd], found.before);
  assert.deepEqual(fast.after < 0 ? undefined : [fast.after, fast.afterEnd], found.after);
  assert.equal(found.marker, undefined);
  assert.ok(isRow);
  const names = JSON.parse(`{${text.decode(json.subarray(fast.names, fast.namesEnd))}}`);
  const prefix = namespace === undefined ? "" : `${namespace}.`;
  assert.ok(names.stream === name || names.stream === prefix + name);
  assert.equal(names.namespace || undefined, namespace);
  assert.deepEqual(JSON.parse(`{${text.decode(fast.own).slice(1)}}`), JSON.parse(`{${own.slice(1)}}`));
}

Deno.test("what this program writes in the rivven layout is read the fast way", () => {
  const fast = new RivvenEnvelope();
  for (const line of LINES) {
    const json = utf8.encode(line);
    assert.ok(fast.read(json), line);
    compare(fast, json);
    assert.equal(fast.isExact, line.includes("12345678901234567890"));
  }
});

Deno.test("whatever is changed in a rivven envelope, it is read rightly or left to the thorough way", () => {
  const random = seededRandom(13);
  const fast = new RivvenEnvelope();
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
