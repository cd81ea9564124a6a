import assert from "node:assert/strict";
import { SeededRandom } from "./seeded_random.ts";

/** The rule in BigInt, as it stands in the description of xorshift64. */
function* reference(seed: bigint): Generator<bigint> {
  const mask = 2n ** 64n - 1n;
  for (let x = seed;;) {
    x ^= (x << 13n) & mask;
    x ^= x >> 7n;
    x ^= (x << 17n) & mask;
    yield x;
  }
}

function draw(random: SeededRandom): bigint {
  random.next();
  return BigInt(random.high >>> 0) << 32n | BigInt(random.low >>> 0);
}

Deno.test("seed 42 draws the values that upstream draws", () => {
  const random = new SeededRandom(42n);
  assert.deepEqual(Array.from({ length: 5 }, () => draw(random)), [
    45454805674n,
    11532217803599905471n,
    10021416941527320954n,
    2899061411254629736n,
    5661411637479084162n,
  ]);
});

Deno.test("every seed draws as the rule in 64-bit integers does", () => {
  for (const seed of [1n, 0x8000000000000000n, 2n ** 64n - 1n, 0x123456789abcdefn]) {
    const random = new SeededRandom(seed);
    const rule = reference(seed);
    for (let i = 0; i < 1000; i++) assert.equal(draw(random), rule.next().value);
  }
});

Deno.test("seed 0 is replaced, because its state would never change", () => {
  assert.equal(draw(new SeededRandom(0n)), reference(0x853c49e6748fea9bn).next().value);
});

Deno.test("below() is the 64-bit value modulo n, for every n that is used", () => {
  for (const n of [1, 2, 3, 4, 10, 100, 1000, 1095, 9999, 29900, 604800, 1_000_001, 2 ** 21]) {
    const random = new SeededRandom(42n);
    const rule = reference(42n);
    for (let i = 0; i < 2000; i++) {
      assert.equal(random.below(n), Number(rule.next().value! % BigInt(n)), `n ${n}`);
    }
  }
});

Deno.test("fraction(), truth() and upperRange() follow the drawn value", () => {
  for (let i = 0, rule = reference(7n), random = new SeededRandom(7n); i < 500; i++) {
    assert.equal(random.fraction(), Number(rule.next().value) / 2 ** 64);
    assert.equal(random.truth(), rule.next().value! % 2n === 0n ? 1 : 0);
    assert.equal(random.upperRange(18, 80), 18 + Number((rule.next().value! >> 32n) % 62n));
  }
});

Deno.test("a restored state draws on as if nothing had happened", () => {
  const random = new SeededRandom(42n);
  for (let i = 0; i < 10; i++) random.next();
  const other = new SeededRandom(1n);
  other.restore(random.state);
  assert.match(random.state, /^[0-9a-f]{16}$/);
  for (let i = 0; i < 100; i++) assert.equal(draw(other), draw(random));
});
