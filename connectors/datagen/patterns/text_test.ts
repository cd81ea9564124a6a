import assert from "node:assert/strict";
import { dayOf, putDay, putHex, putHundredths, putInstant, putInteger } from "./text.ts";

const decoder = new TextDecoder();

function written(put: (bytes: Uint8Array, at: number) => number): string {
  const bytes = new Uint8Array(64);
  return decoder.decode(bytes.subarray(3, put(bytes, 3)));
}

Deno.test("integers are written in full, up to 2⁵³, and padded only to their width", () => {
  const values = [0, 7, 10, 99, 100, 12345678, 99999999, 100000000, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 10 ** 15];
  for (const value of [...values, Number.MAX_SAFE_INTEGER]) {
    assert.equal(written((bytes, at) => putInteger(bytes, at, value)), String(value));
    assert.equal(written((bytes, at) => putInteger(bytes, at, value, 8)), String(value).padStart(8, "0"));
  }
});

Deno.test("hundredths are written as JSON writes the fraction", () => {
  for (let value = 0; value < 20_000; value++) {
    assert.equal(written((bytes, at) => putHundredths(bytes, at, value)), JSON.stringify(value / 100));
  }
});

Deno.test("hex digits are those of the unsigned half", () => {
  assert.equal(written((bytes, at) => putHex(bytes, at, -1, 8)), "ffffffff");
  assert.equal(written((bytes, at) => putHex(bytes, at, 0x8c17f2b4, 8)), "8c17f2b4");
  assert.equal(written((bytes, at) => putHex(bytes, at, 0xabc, 4)), "0abc");
});

Deno.test("instants and days are RFC 3339 in UTC with microseconds", () => {
  for (
    const [micros, text] of [
      [0, "1970-01-01T00:00:00.000000"],
      [1_735_689_600_000_000, "2025-01-01T00:00:00.000000"],
      [1_709_251_199_999_999, "2024-02-29T23:59:59.999999"],
      [-1, "1969-12-31T23:59:59.999999"],
    ] as const
  ) {
    assert.equal(written((bytes, at) => putInstant(bytes, at, micros)), `"${text}+00:00"`);
    assert.equal(written((bytes, at) => putDay(bytes, at, dayOf(micros))), text.slice(0, 10));
  }
});
