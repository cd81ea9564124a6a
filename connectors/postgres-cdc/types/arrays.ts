/** Arrays of any type, as nested JSON arrays (arrayfuncs.c, array_out; manual, section 8.15.6). */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import { type Codec, malformed, type ValueWriter, writeByte } from "./codec.ts";
import { QuotedReader } from "./quoted.ts";

const OPEN = 0x7b, CLOSE = 0x7d, QUOTE = 0x22, BACKSLASH = 0x5c, EQUALS = 0x3d;
const OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, COMMA = 0x2c;
/** PostgreSQL's MAXDIM. */
const MAX_DEPTH = 6;

/**
 * The array of what `item` writes. Lower bounds (`[2:3]={…}`) are left out. Any column may hold arrays of any number
 * of dimensions, so the type is one array of items, whose values may be nested.
 *
 * @param delimiter what stands between items: a comma, a semicolon for box
 */
export function arrayCodec(typeName: string, item: Codec, delimiter: number): Codec {
  const quoted = new QuotedReader(false);
  const write: ValueWriter = (out, source, start, end) => {
    let at = elementsStart(typeName, source, start, end);
    let depth = 0;
    let leafDepth = 0;
    for (;;) {
      // An item or an inner array starts here.
      if (at >= end) throw malformed(typeName, "it ends before its last brace");
      if (source[at] === OPEN) {
        if (depth === MAX_DEPTH || (leafDepth > 0 && depth >= leafDepth)) {
          throw malformed(typeName, "its items are not all equally deep");
        }
        writeByte(out, OPEN_BRACKET);
        depth++;
        at++;
        if (depth > 1 || at >= end || source[at] !== CLOSE) continue;
      } else {
        if (depth === 0) throw malformed(typeName, "it does not start with a brace");
        if (leafDepth === 0) leafDepth = depth;
        else if (leafDepth !== depth) throw malformed(typeName, "its items are not all equally deep");
        at = writeItem(out, source, at, end);
      }
      // What follows it: as many ends of arrays as there are, then the next one or nothing.
      while (at < end && source[at] === CLOSE) {
        writeByte(out, CLOSE_BRACKET);
        at++;
        if (--depth > 0) continue;
        if (at !== end) throw malformed(typeName, "something follows its last brace");
        return;
      }
      if (at >= end) throw malformed(typeName, "it ends before its last brace");
      if (source[at] !== delimiter) throw malformed(typeName, "no delimiter follows an item");
      writeByte(out, COMMA);
      at++;
    }
  };

  function writeItem(out: BatchWriter, source: Uint8Array, at: number, end: number): number {
    if (source[at] === QUOTE) {
      const next = quoted.read(source, at, end);
      if (next < 0) throw malformed(typeName, "a quote is not closed");
      item.write(out, quoted.source, quoted.start, quoted.end);
      return next;
    }
    const start = at;
    for (; at < end; at++) {
      const byte = source[at];
      if (byte === delimiter || byte === CLOSE) break;
      if (byte === OPEN || byte === QUOTE || byte === BACKSLASH) {
        throw malformed(typeName, "a character that needs quotes has none");
      }
    }
    if (at === start) throw malformed(typeName, "an item is missing");
    if (at === end) throw malformed(typeName, "it ends before its last brace");
    if (isNull(source, start, at)) out.null();
    else item.write(out, source, start, at);
    return at;
  }

  return { type: { kind: "array", items: item.type }, write };
}

/** Where the first brace is, behind the dimensions that an array with other lower bounds than 1 has in front. */
function elementsStart(typeName: string, source: Uint8Array, start: number, end: number): number {
  if (start >= end || source[start] !== OPEN_BRACKET) return start;
  const equals = source.indexOf(EQUALS, start);
  if (equals < 0 || equals >= end) throw malformed(typeName, "nothing follows its dimensions");
  for (let i = start; i < equals; i++) {
    const byte = source[i];
    // Digits, colons, signs and brackets.
    const isBound = byte >= 0x30 && byte <= 0x3a || byte === 0x2d || byte === OPEN_BRACKET ||
      byte === CLOSE_BRACKET;
    if (!isBound) throw malformed(typeName, "its dimensions are no numbers");
  }
  return equals + 1;
}

/** NULL, in capitals or not; the text "null" always has quotes. */
function isNull(source: Uint8Array, start: number, end: number): boolean {
  return end - start === 4 && (source[start] | 0x20) === 0x6e && (source[start + 1] | 0x20) === 0x75 &&
    (source[start + 2] | 0x20) === 0x6c && (source[start + 3] | 0x20) === 0x6c;
}
