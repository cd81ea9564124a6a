import assert from "node:assert/strict";
import fc from "fast-check";
import { type DateTime, parseDateTime } from "./times.ts";

const two = (max: number) => fc.nat(max).map((n) => String(n).padStart(2, "0"));

/** Times without a zone as `2026-01-31T12:00:00.5`, some of which don't exist, and some with one wrong character. */
const anyTime = fc.tuple(
  fc.nat(9999).map((year) => String(year).padStart(4, "0")),
  two(13),
  two(32),
  fc.constantFrom("T", " "),
  two(24),
  two(60),
  two(60),
  fc.oneof(
    fc.constant(""),
    fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 11 }).map((f) => `.${f}`),
  ),
).map(([year, month, day, between, hour, minute, second, fraction]) =>
  `${year}-${month}-${day}${between}${hour}:${minute}:${second}${fraction}`
).chain((text) =>
  fc.option(fc.tuple(fc.nat(text.length), fc.constantFrom(..."0-:. TZ/;x٣")), { freq: 3 }).map((change) =>
    change === null ? text : text.slice(0, change[0]) + change[1] + text.slice(change[0] + 1)
  )
);

// A small z and an offset of zero are read by the regular expression.
Deno.test("times in the usual form are read as those in every other form", () => {
  let valid = 0;
  fc.assert(
    fc.property(anyTime, (text) => {
      const usual = parseDateTime(`${text}Z`);
      assert.deepEqual(usual, parseDateTime(`${text}z`));
      assert.deepEqual(usual, parseDateTime(`${text}+00:00`));
      const local: DateTime | undefined = usual && { ...usual, offset: undefined };
      // A blank may stand in front of a zone alone.
      if (usual !== undefined && !text.endsWith(" ")) {
        valid++;
        assert.deepEqual(parseDateTime(text), local);
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(valid > 100, `${valid} of them were times`);
});

Deno.test("the usual form has its days, seconds and digits, and what is none is undefined", () => {
  assert.deepEqual(parseDateTime("2026-01-31T12:00:01.120Z"), {
    days: 20_484,
    second: 43_201,
    nanos: 120_000_000,
    digits: 3,
    offset: 0,
    isDate: false,
  });
  for (
    const text of [
      "2026-02-29T00:00:00Z",
      "2026-01-01T24:00:00Z",
      "2026-01-01T00:00:00Zz",
      "2026-01-01T00:00:00.",
    ]
  ) {
    assert.equal(parseDateTime(text), undefined, text);
  }
});
