/**
 * JSON looked at in its bytes, without making values of it: where a value ends, and whether it is valid at all
 * (RFC 8259). Only text without white space between its parts is taken, as programs write it; the rest is left to
 * JSON.parse.
 */

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, OPEN_ARRAY = 0x5b, BACKSLASH = 0x5c, CLOSE_ARRAY = 0x5d;
const OPEN = 0x7b, CLOSE = 0x7d;
/** Deeper values are left to JSON.parse. */
const MAX_DEPTH = 64;
/** A double has 15 digits that always count. */
const EXACT_DIGITS = 15;

/** What the scans since the last `reset()` have met: what would else take a second look at every byte. */
export const met = {
  /** All bytes of all strings, joined by or: from 0x80 on there is one that is not ASCII. */
  bits: 0,
  /** Some number has so many digits in a row that only the exact parser reads it rightly. */
  isExact: false,
  reset(): void {
    met.bits = 0;
    met.isExact = false;
  },
};

/** Behind the value that starts at `at`; -1 where there is none that this can tell. */
export function skipValue(json: Uint8Array, at: number, depth = 0): number {
  switch (json[at]) {
    case QUOTE:
      return skipString(json, at);
    case OPEN:
      return depth < MAX_DEPTH ? skipObject(json, at, depth) : -1;
    case OPEN_ARRAY:
      return depth < MAX_DEPTH ? skipArray(json, at, depth) : -1;
    case 0x74:
      return startsWith(json, at, TRUE) ? at + 4 : -1;
    case 0x66:
      return startsWith(json, at, FALSE) ? at + 5 : -1;
    case 0x6e:
      return startsWith(json, at, NULL) ? at + 4 : -1;
    default:
      return skipNumber(json, at);
  }
}

/** `true` */
export const TRUE: Uint8Array = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");
/** `null` */
export const NULL: Uint8Array = new TextEncoder().encode("null");

/** Whether `text` stands at `at`. */
export function startsWith(json: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (json[at + i] !== text[i]) return false;
  return true;
}

/** Behind the string whose opening quote is at `at`; -1 where it is none. */
export function skipString(json: Uint8Array, at: number): number {
  if (json[at] !== QUOTE) return -1;
  let bits = 0;
  for (let i = at + 1; i < json.length; i++) {
    const byte = json[i];
    if (byte === QUOTE) {
      met.bits |= bits;
      return i + 1;
    }
    if (byte < 0x20) return -1;
    bits |= byte;
    if (byte !== BACKSLASH) continue;
    const escaped = json[++i];
    if (escaped === 0x75) {
      for (let k = 0; k < 4; k++) if (!isHex(json[++i])) return -1;
    } else if (ESCAPES[escaped] !== 1) return -1;
  }
  return -1;
}

const ESCAPES = new Uint8Array(256);
for (const escaped of '"\\/bfnrt') ESCAPES[escaped.charCodeAt(0)] = 1;

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function skipNumber(json: Uint8Array, start: number): number {
  let at = json[start] === 0x2d ? start + 1 : start;
  if (json[at] === 0x30) at++;
  else if ((at = skipDigits(json, at)) < 0) return -1;
  if (json[at] === 0x2e && (at = skipDigits(json, at + 1)) < 0) return -1;
  if (json[at] === 0x65 || json[at] === 0x45) {
    at++;
    if (json[at] === 0x2b || json[at] === 0x2d) at++;
    return skipDigits(json, at);
  }
  return at;
}

/** Behind one digit or more. */
function skipDigits(json: Uint8Array, start: number): number {
  let at = start;
  while (isDigit(json[at])) at++;
  if (at - start > EXACT_DIGITS) met.isExact = true;
  return at === start ? -1 : at;
}

function skipObject(json: Uint8Array, start: number, depth: number): number {
  let at = start + 1;
  if (json[at] === CLOSE) return at + 1;
  for (;;) {
    at = skipString(json, at);
    if (at < 0 || json[at] !== COLON) return -1;
    at = skipValue(json, at + 1, depth + 1);
    if (at < 0) return -1;
    if (json[at] === CLOSE) return at + 1;
    if (json[at++] !== COMMA) return -1;
  }
}

function skipArray(json: Uint8Array, start: number, depth: number): number {
  let at = start + 1;
  if (json[at] === CLOSE_ARRAY) return at + 1;
  for (;;) {
    at = skipValue(json, at, depth + 1);
    if (at < 0) return -1;
    if (json[at] === CLOSE_ARRAY) return at + 1;
    if (json[at++] !== COMMA) return -1;
  }
}
