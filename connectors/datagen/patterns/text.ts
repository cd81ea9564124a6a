/**
 * Writes values as JSON text at a place in a byte array, each function returning where it ended. Called by
 * fields.ts for every value of every generated row, so nothing here makes an object.
 */

const utf8 = new TextEncoder();
const ZERO = 0x30, QUOTE = 0x22, POINT = 0x2e;
const HEX = utf8.encode("0123456789abcdef");
const DAY_MICROS = 86_400_000_000;

/** UTF-8 bytes of a constant. */
export function encode(text: string): Uint8Array {
  return utf8.encode(text);
}

/** Bytes as they are. */
export function put(bytes: Uint8Array, at: number, text: Uint8Array): number {
  const size = text.length;
  for (let i = 0; i < size; i++) bytes[at + i] = text[i];
  return at + size;
}

/** An integer from 0 to 2⁵³, with zeros in front up to `width` digits. */
export function putInteger(bytes: Uint8Array, at: number, value: number, width = 1): number {
  let size = width;
  for (let limit = TENS[width]; value >= limit; limit *= 10) size++;
  const end = at + size;
  let i = end;
  // Division of doubles is several times slower than that of 32-bit integers.
  while (value > 0x7fffffff) {
    const rest = Math.floor(value / 10);
    bytes[--i] = ZERO + (value - rest * 10);
    value = rest;
  }
  let small = value | 0;
  while (i > at) {
    const rest = small / 10 | 0;
    bytes[--i] = ZERO + (small - rest * 10);
    small = rest;
  }
  return end;
}

const TENS = Array.from({ length: 17 }, (_, i) => 10 ** i);

/** A number of hundredths as JSON writes the fraction: 1200 → 12, 1250 → 12.5, 1254 → 12.54. */
export function putHundredths(bytes: Uint8Array, at: number, hundredths: number): number {
  const whole = Math.floor(hundredths / 100);
  const rest = hundredths - whole * 100;
  at = putInteger(bytes, at, whole);
  if (rest === 0) return at;
  const tenths = rest / 10 | 0;
  bytes[at++] = POINT;
  bytes[at++] = ZERO + tenths;
  if (rest !== tenths * 10) bytes[at++] = ZERO + rest - tenths * 10;
  return at;
}

/** The lowest `digits` hex digits of a 32-bit integer. */
export function putHex(bytes: Uint8Array, at: number, half: number, digits: number): number {
  let rest = half | 0;
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = HEX[rest & 15];
    rest >>>= 4;
  }
  return at + digits;
}

const dates = new Map<number, Uint8Array>();

/** `2026-01-31` without quotes; `day` counts from 1970-01-01. */
export function putDay(bytes: Uint8Array, at: number, day: number): number {
  let text = dates.get(day);
  if (text === undefined) {
    if (dates.size > 8192) dates.clear();
    dates.set(day, text = encode(new Date(day * 86_400_000).toISOString().slice(0, 10)));
  }
  return put(bytes, at, text);
}

/** The day that an instant lies in, counted from 1970-01-01. */
export function dayOf(micros: number): number {
  return Math.floor(micros / DAY_MICROS);
}

/** `"2026-01-31T12:00:00.123456+00:00"`, RFC 3339 as upstream writes UTC. */
export function putInstant(bytes: Uint8Array, at: number, micros: number): number {
  const day = dayOf(micros);
  const ofDay = micros - day * DAY_MICROS;
  const seconds = Math.floor(ofDay / 1_000_000);
  const minutes = seconds / 60 | 0;
  const hours = minutes / 60 | 0;
  bytes[at] = QUOTE;
  at = putDay(bytes, at + 1, day);
  bytes[at] = 0x54;
  at = putInteger(bytes, at + 1, hours, 2);
  bytes[at] = 0x3a;
  at = putInteger(bytes, at + 1, minutes - hours * 60, 2);
  bytes[at] = 0x3a;
  at = putInteger(bytes, at + 1, seconds - minutes * 60, 2);
  bytes[at] = POINT;
  at = putInteger(bytes, at + 1, ofDay - seconds * 1_000_000, 6);
  return put(bytes, at, UTC);
}

const UTC = encode('+00:00"');
