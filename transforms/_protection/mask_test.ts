import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fakes/arbitraries.ts";
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { maskedColumn, maskOf, type MaskSpec, STRATEGIES } from "./mask.ts";

const mask = (spec: MaskSpec, value: Value, type?: ColumnType) => maskOf(spec)(value, type);
const KEY = "a key of some length";

Deno.test("each strategy gives what its table says", () => {
  const cases: [MaskSpec, Value, Value][] = [
    [{ strategy: "asterisks" }, "hello", "*****"],
    [{ strategy: "asterisks" }, "x".repeat(50), "*".repeat(20)],
    [{ strategy: "asterisks", max_length: 3, mask_char: "•" }, "hello", "•••"],
    [{ strategy: "asterisks", fixed_length: 8 }, "a", "********"],
    [{ strategy: "asterisks" }, "", ""],
    [{ strategy: "asterisks" }, 42n, "****"],
    [{ strategy: "asterisks" }, { a: 1 }, "****"],
    [{ strategy: "asterisks" }, "zoë👩‍🚀", "******"],
    [{ strategy: "asterisks" }, "👍👍", "**"],
    [{ strategy: "fixed", replacement: "hidden" }, 1, "hidden"],
    [{ strategy: "redact" }, "x", "***REDACTED***"],
    [{ strategy: "partial", keep_last: 4 }, "123-45-6789", "*******6789"],
    [{ strategy: "partial", keep_first: 2, keep_last: 2 }, "ab👍cdefg", "ab****fg"],
    [{ strategy: "partial", keep_last: 4 }, "1234", "**34"],
    [{ strategy: "partial", keep_first: 9, keep_last: 9 }, "ab", "*b"],
    [{ strategy: "partial", keep_first: 1 }, "a", "*"],
    [{ strategy: "partial", keep_last: 2 }, 123456n, "****56"],
    [{ strategy: "null" }, "x", null],
    [{ strategy: "zero" }, 5, 0],
    [{ strategy: "zero" }, 5n, 0n],
    [{ strategy: "zero" }, "x", ""],
    [{ strategy: "email" }, "ada@example.com", "a***@example.com"],
    [{ strategy: "email" }, "a@example.com", "***@example.com"],
    [{ strategy: "email" }, "no address", "**********"],
    [{ strategy: "card" }, "4111-1111 11111111", "************1111"],
    [{ strategy: "card" }, 4111111111111111n, "************1111"],
    [{ strategy: "card" }, "12345678", "********"],
    [{ strategy: "truncate", length: 2 }, "👍bc", "👍b"],
    [{ strategy: "truncate", length: 0 }, "abc", ""],
    [
      { strategy: "hash", algorithm: "sha256" },
      "a",
      "ac8d8342bbb2362d13f0a559a3621bb407011368895164b628a54f7fc33fc43c",
    ],
  ];
  for (const [spec, value, expected] of cases) {
    assert.deepEqual(mask(spec, value), expected, JSON.stringify([spec, String(value)]));
  }
});

// RFC 4231, section 4.3: key "Jefe".
Deno.test("hash is HMAC-SHA-256 of the text", () => {
  assert.equal(
    mask({ strategy: "hash", key: "Jefe" }, "what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  assert.equal(mask({ strategy: "hash", key: KEY }, 7n), mask({ strategy: "hash", key: KEY }, "7"));
  assert.equal((mask({ strategy: "hash", key: KEY, truncate: 16 }, "x") as string).length, 16);
});

Deno.test("null stays null by every strategy", () => {
  for (const strategy of STRATEGIES) {
    for (const type_preserving of [true, false]) {
      assert.equal(mask({ strategy, key: KEY, length: 3, type_preserving }, null), null, strategy);
    }
  }
});

const TYPED: [ColumnType, Value, Value][] = [
  [{ kind: "int32" }, 5, 0],
  [{ kind: "int64" }, 5n, 0n],
  [{ kind: "float64" }, 1.5, 0],
  [{ kind: "boolean" }, true, false],
  [{ kind: "decimal", precision: 12, scale: 2 }, "12.50", "0.00"],
  [{ kind: "date" }, "2026-01-31", "1970-01-01"],
  [{ kind: "timestamp", precision: 6 }, "2026-01-31T12:00:00", "1970-01-01T00:00:00"],
  [{ kind: "timestamptz", precision: 6 }, "2026-01-31T12:00:00Z", "1970-01-01T00:00:00Z"],
  [{ kind: "uuid" }, "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab", "00000000-0000-0000-0000-000000000000"],
  [{ kind: "enum", values: ["new", "paid"] }, "paid", "new"],
  [{ kind: "bytes" }, Uint8Array.of(1, 2), new Uint8Array()],
  [{ kind: "array", items: { kind: "int32" } }, [1, 2], []],
  [{ kind: "string" }, "abc", "***"],
];

Deno.test("type_preserving gives the zero of a type, and text where there was text", () => {
  const spec: MaskSpec = { strategy: "asterisks", type_preserving: true };
  for (const [type, value, expected] of TYPED) assert.deepEqual(mask(spec, value, type), expected, type.kind);
  assert.equal(mask(spec, 5), 0);
  const column = { name: "c", type: { kind: "decimal", precision: 12, scale: 2 }, nullable: false } as const;
  assert.deepEqual(maskedColumn(column, spec), column);
  assert.deepEqual(maskedColumn({ ...column, default: "4.00" }, spec), column);
});

Deno.test("a masked column is a text, and one that becomes null may be", () => {
  const column = {
    name: "c",
    type: { kind: "int64" },
    nullable: false,
    nativeType: "int8",
    default: "7",
  } as const;
  assert.deepEqual(maskedColumn(column, { strategy: "hash" }), {
    name: "c",
    type: { kind: "string" },
    nullable: false,
  });
  assert.equal(maskedColumn(column, { strategy: "null" }).nullable, true);
});

Deno.test("partial never shows more than half, whatever the text", () => {
  fc.assert(fc.property(anyText, fc.nat({ max: 9 }), fc.nat({ max: 9 }), (text, keep_first, keep_last) => {
    const shown =
      [...mask({ strategy: "partial", keep_first, keep_last, mask_char: "\u0001" }, text) as string]
        .filter((point) => point !== "\u0001").length;
    assert.ok(shown <= [...text].length / 2);
  }));
});

Deno.test("what is masked whole does not depend on the value but in its length", () => {
  const specs: MaskSpec[] = [
    { strategy: "asterisks" },
    { strategy: "fixed", replacement: "x" },
    { strategy: "redact" },
    { strategy: "null" },
    { strategy: "zero" },
    { strategy: "asterisks", type_preserving: true },
  ];
  fc.assert(fc.property(anyText, anyText, (a, b) => {
    const points = (text: string) => [...text].length;
    for (const spec of specs) {
      if (points(a) === points(b)) assert.deepEqual(mask(spec, a), mask(spec, b));
      const kept = mask(spec, `${a}`);
      assert.equal(kept, mask(spec, "z".repeat(points(a))));
    }
  }));
});
