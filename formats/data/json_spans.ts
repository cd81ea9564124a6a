/** Where the members of a JSON object lie in its bytes, so that they can be copied as they are. For envelope_parts.ts. */

/** Name → [start, end) of the value, the last one where a name comes twice, as JSON.parse has it. */
export type Spans = Map<string, readonly [start: number, end: number]>;

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c;

/** The members of the object that starts at `start` (white space before it is skipped). It must be valid JSON. */
export function memberSpans(json: Uint8Array, start = 0): Spans {
  const spans: Spans = new Map();
  let at = skipSpace(json, start) + 1;
  for (;;) {
    at = skipSpace(json, at);
    if (json[at] === COMMA) at = skipSpace(json, at + 1);
    if (json[at] !== QUOTE) return spans;
    const nameEnd = stringEnd(json, at);
    const name = nameOf(json, at, nameEnd);
    at = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = valueEnd(json, at);
    spans.set(name, [at, end]);
    at = end;
  }
}

function nameOf(json: Uint8Array, start: number, end: number): string {
  let name = "";
  for (let i = start + 1; i < end - 1; i++) {
    if (json[i] === BACKSLASH || json[i] >= 0x80) {
      return JSON.parse(new TextDecoder().decode(json.subarray(start, end)));
    }
    name += String.fromCharCode(json[i]);
  }
  return name;
}

function valueEnd(json: Uint8Array, start: number): number {
  const first = json[start];
  if (first === QUOTE) return stringEnd(json, start);
  let at = start;
  if (first !== 0x7b && first !== 0x5b) {
    // A number, true, false or null ends where something else begins.
    while (
      at < json.length && json[at] !== COMMA && json[at] !== 0x7d && json[at] !== 0x5d && json[at] > 0x20
    ) at++;
    return at;
  }
  let depth = 0;
  for (; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) at = stringEnd(json, at) - 1;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return at + 1;
  }
  return at;
}

/** Behind the closing quote of the string whose opening one is at `start`. */
function stringEnd(json: Uint8Array, start: number): number {
  let at = start + 1;
  while (json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipSpace(json: Uint8Array, start: number): number {
  let at = start;
  while (json[at] <= 0x20) at++;
  return at;
}
