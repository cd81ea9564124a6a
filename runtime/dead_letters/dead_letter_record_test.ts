import assert from "node:assert/strict";
import fc from "fast-check";
import { RecordError } from "../../formats/data/errors.ts";
import { LAYOUTS } from "../../formats/data/envelope.ts";
import { anyRecord } from "../../tests/fakes/arbitraries.ts";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { letterOf } from "./dead_letter.ts";
import { letterJson, merged, recordOf, withValue } from "./dead_letter_record.ts";

const refused = new RecordError("no", { code: "schema" });

Deno.test("a dead letter is the record that it was, with the type of every value", () => {
  fc.assert(fc.property(anyRecord, fc.constantFrom(...LAYOUTS), (record, layout) => {
    const batch = fakeBatch([record], { layout });
    const letter = letterOf(batch, 0, "sink", refused);
    const [expected] = fakeBatch([record], { layout: "standard" }).records;
    const found = recordOf(letter, letterJson(letter));
    // What is written by itself says nothing of its source and its time.
    const known = expected.bare || ["schema", "tombstone"].includes(expected.operation)
      ? { timeMicros: found.timeMicros, source: undefined, unavailable: undefined, before: undefined }
      : {};
    assert.deepEqual(clean(found), clean({ ...expected, ...known }));
  }));
});

/** Without members that are undefined or empty. */
function clean(record: object): object {
  return Object.fromEntries(
    Object.entries(record).filter(([name, value]) =>
      value !== undefined && value !== false && !(name === "source" && Object.keys(value).length === 0)
    ),
  );
}

Deno.test("one value is set by its path, the rest stays; the key follows the row", () => {
  const letter = letterOf(fakeBatch([fakeRecord(7)]), 0, "sink", refused);
  const json = letterJson(letter)!;
  const edited = withValue(withValue(json, ["after", "total"], "1.00"), ["after", "id"], 8);
  const record = recordOf(letter, edited);
  assert.deepEqual(record.after, { id: 8n, customer: 'customer 7 "ß"', total: "1.00" });
  assert.deepEqual(record.key, { id: 8n });
  assert.equal(record.order, fakeRecord(7).order);
  assert.deepEqual(recordOf(letter, json).after, fakeRecord(7).after, "the letter itself was changed");
  assert.deepEqual(withValue(null, ["a", "b"], 1), { a: { b: 1 } });
});

Deno.test("a merge patch replaces members, removes those that are null, and keeps the others", () => {
  assert.deepEqual(merged({ a: 1, b: { c: 2, d: 3 } }, { b: { c: null, e: 4 }, f: [null] }), {
    a: 1,
    b: { d: 3, e: 4 },
    f: [null],
  });
  assert.deepEqual(merged(7, { a: 1 }), { a: 1 });
});

Deno.test("what is no record is an error that says how to give one, and no value of it", () => {
  const letter = letterOf(fakeBatch([fakeRecord(7)]), 0, "sink", refused);
  const raw = { ...letter, record: undefined, payload: new Uint8Array([0xff, 1]) };
  for (const [of, json] of [[raw, letterJson(raw)], [letter, 7], [letter, { op: "c", after: {} }]] as const) {
    assert.throws(() => recordOf(of, json), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, "serialization_dead_letter");
      assert.match(error.hint, /--from FILE/);
      assert.doesNotMatch(error.message, /customer/);
      return true;
    });
  }
});
