import assert from "node:assert/strict";
import { RecordError } from "../../formats/data/errors.ts";
import type { KeyRing } from "./keys.ts";
import { type Algorithm, ALGORITHMS, Opener, placeNames, placeText, readSealed, Sealer } from "./sealed.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const OTHER = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const ring = (versions: Record<number, Uint8Array>, active = 1, id = "default"): KeyRing => ({
  id,
  active,
  versions: new Map(Object.entries(versions).map(([version, key]) => [Number(version), key])),
});
const countingNonce = (bytes: Uint8Array) => bytes.set(Uint8Array.from({ length: 12 }, (_, i) => i));
const PLACE = { place: "shop.public.users.ssn", row: '{"id":7}' };

// Computed with another library; the key is the bytes 00 to 1f, the nonce 00 to 0b.
Deno.test("format 1 gives the texts that earlier versions gave", () => {
  const gcm = new Sealer(ring({ 1: KEY }), "aes-256-gcm", 1, countingNonce);
  const NOWHERE = { place: "" };
  assert.deepEqual(gcm.seal('"4111-1111"', NOWHERE), {
    __encrypted: true,
    __key_id: "default",
    __key_version: 1,
    __algorithm: "Aes256Gcm",
    __value: "AAECAwQFBgcICQoLZTbnKvTI8yq8cLWjKfGlPYBgXl5sutr9dr3r",
  });
  assert.equal(gcm.seal("42", NOWHERE).__value, "AAECAwQFBgcICQoLczBZEebkYKi72J81MIuvoF4z");
  assert.equal(
    new Sealer(ring({ 1: KEY }), "deterministic", 1).seal('"4111-1111"', NOWHERE).__value,
    "EgkBpLLKreVM++3395KATRmo/Z1qnORkY4Q2ywhV+MLUOoleCG6S",
  );
});

Deno.test("format 1 opens without a name of the algorithm too, as the first version wrote it", () => {
  const sealed = readSealed({
    __encrypted: true,
    __key_id: "default",
    __key_version: 1,
    __value: "AAECAwQFBgcICQoLZTbnKvTI8yq8cLWjKfGlPYBgXl5sutr9dr3r",
  });
  assert.equal(new Opener([ring({ 1: KEY })]).open(sealed!), '"4111-1111"');
});

// Computed with Python's `cryptography` from the description in README.md; nonce 00 to 0b.
Deno.test("format 2 gives the texts that its description gives", () => {
  const seal = (algorithm: Algorithm) =>
    new Sealer(ring({ 1: KEY }), algorithm, 2, countingNonce).seal('"4111-1111"', PLACE).__value;
  assert.equal(seal("aes-256-gcm"), "AAECAwQFBgcICQoLZTbnKvTI8yq8cLVLxsEWXT2XbSXhW+8lG0gV");
  assert.equal(seal("chacha20-poly1305"), "AAECAwQFBgcICQoLq885MRg6lHGGsh0Kmuq+kQoy/BWNtzvI9472");
  assert.equal(seal("deterministic"), "nmkiU2kysm4/mS9/jV8UlVuYPcD0EdDvCKJwGzR8shhKtSNJGKdh");
});

Deno.test("a value opens with its own version of its own key, whichever is active by now", () => {
  for (const algorithm of ALGORITHMS) {
    const old = new Sealer(ring({ 1: KEY }), algorithm, 2).seal("1", PLACE);
    const both = ring({ 1: KEY, 2: OTHER }, 2);
    const young = new Sealer(both, algorithm, 2).seal("2", PLACE);
    assert.equal(young.__key_version, 2);
    const opener = new Opener([both]);
    assert.equal(opener.open(readSealed(old)!), "1");
    assert.equal(opener.open(readSealed(young)!), "2");
    const onlyNew = new Opener([ring({ 2: OTHER }, 2)]);
    assert.equal(onlyNew.hasKey(readSealed(old)!), false);
    assert.throws(() => onlyNew.open(readSealed(old)!), { code: "not_found_key" });
    assert.throws(() => new Opener([ring({ 1: OTHER })]).open(readSealed(old)!), {
      code: "serialization_decrypt",
    });
  }
});

Deno.test("a value does not open with another place, another row, another key's name, or one bit changed", () => {
  for (const algorithm of ALGORITHMS) {
    const sealed = new Sealer(ring({ 1: KEY, 2: KEY }), algorithm, 2).seal('"x"', PLACE);
    const opener = new Opener([ring({ 1: KEY, 2: KEY }), ring({ 1: KEY }, 1, "other")]);
    const changed: Record<string, unknown>[] = [
      { __place: "shop.public.users.iban" },
      { __row: '{"id":8}' },
      { __row: undefined },
      { __key_id: "other" },
      { __key_version: 2 },
      { __value: "AAAA" },
      { __value: "not base64!" },
      { __algorithm: algorithm === "aes-256-gcm" ? "chacha20-poly1305" : "aes-256-gcm" },
    ];
    const bytes = Uint8Array.fromBase64(sealed.__value as string);
    for (const at of [0, 12, bytes.length - 1]) {
      const flipped = bytes.slice();
      flipped[at] ^= 1;
      changed.push({ __value: flipped.toBase64() });
    }
    assert.equal(opener.open(readSealed(sealed)!), '"x"');
    for (const change of changed) {
      const read = readSealed({ ...sealed, ...change } as never);
      assert.throws(() => opener.open(read!), RecordError, JSON.stringify(change));
    }
  }
});

Deno.test("deterministic values are equal for equal texts at one place, and for nothing else; others never are", () => {
  const seal = (algorithm: Algorithm, text: string, place = PLACE) =>
    new Sealer(ring({ 1: KEY }), algorithm, 2).seal(text, place).__value;
  assert.equal(seal("deterministic", "1"), seal("deterministic", "1"));
  assert.notEqual(seal("deterministic", "1"), seal("deterministic", "2"));
  assert.notEqual(seal("deterministic", "1"), seal("deterministic", "1", { ...PLACE, row: '{"id":8}' }));
  const many = new Set(Array.from({ length: 2000 }, () => seal("aes-256-gcm", "1")));
  assert.equal(many.size, 2000, "a nonce came twice");
});

Deno.test("what is no encrypted value is left alone", () => {
  const sealed = new Sealer(ring({ 1: KEY }), "aes-256-gcm", 2).seal("1", PLACE);
  const others = [
    null,
    "text",
    1,
    [sealed],
    {},
    { __encrypted: true },
    { ...sealed, __encrypted: "true" },
    { ...sealed, __key_version: 0 },
    { ...sealed, __v: 3 },
    { ...sealed, __algorithm: "rot13" },
    { ...sealed, __value: 1 },
  ];
  for (const value of others) assert.equal(readSealed(value as never), undefined, JSON.stringify(value));
});

Deno.test("names with dots keep apart in a place", () => {
  const names = ["a.b", "", "c\\", "d#e", "größe"];
  assert.deepEqual(placeNames(placeText(names)), names);
  assert.notEqual(placeText(["a.b", "c"]), placeText(["a", "b.c"]));
});
