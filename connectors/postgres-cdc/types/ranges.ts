/** Ranges and multiranges: their text, or objects with bounds (rangetypes.c, range_out; manual, section 8.17.5). */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import { type Codec, encode, malformed, spells, TEXT, writeByte } from "./codec.ts";
import type { TypeOptions } from "./options.ts";
import { QuotedReader } from "./quoted.ts";

const OPEN = 0x28, CLOSE = 0x29, OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, COMMA = 0x2c, QUOTE = 0x22;
const BACKSLASH = 0x5c, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;
const LOWER = encode('{"lower":'), UPPER = encode(',"upper":'), LOWER_INC = encode(',"lower_inc":');
const UPPER_INC = encode(',"upper_inc":'), NOT_EMPTY = encode(',"empty":false}');
const EMPTY = encode('{"lower":null,"upper":null,"lower_inc":false,"upper_inc":false,"empty":true}');

/** `{"lower":1,"upper":10,"lower_inc":true,"upper_inc":false,"empty":false}`; a bound that is not there is null. */
export function rangeCodec(typeName: string, bound: Codec, options: TypeOptions): Codec {
  return options.range_handling === "text" ? TEXT : objectCodec(new RangeReader(typeName, bound));
}

/** An array of such objects. */
export function multirangeCodec(typeName: string, bound: Codec, options: TypeOptions): Codec {
  if (options.range_handling === "text") return TEXT;
  const reader = new RangeReader(typeName, bound);
  return {
    type: { kind: "array", items: objectCodec(reader).type },
    write(out, source, start, end) {
      if (start >= end || source[start] !== OPEN_BRACE) {
        throw malformed(typeName, "it does not start with a brace");
      }
      writeByte(out, OPEN_BRACKET);
      let at = start + 1;
      if (at >= end || source[at] !== CLOSE_BRACE) {
        for (;;) {
          at = reader.write(out, source, at, end);
          if (at < end && source[at] === CLOSE_BRACE) break;
          if (at >= end || source[at] !== COMMA) throw malformed(typeName, "it ends before its last brace");
          writeByte(out, COMMA);
          at++;
        }
      }
      if (at + 1 !== end) throw malformed(typeName, "something follows its last brace");
      writeByte(out, CLOSE_BRACKET);
    },
  };
}

function objectCodec(reader: RangeReader): Codec {
  const { typeName, bound } = reader;
  return {
    type: {
      kind: "struct",
      fields: [
        { name: "lower", type: bound.type, nullable: true },
        { name: "upper", type: bound.type, nullable: true },
        { name: "lower_inc", type: { kind: "boolean" }, nullable: false },
        { name: "upper_inc", type: { kind: "boolean" }, nullable: false },
        { name: "empty", type: { kind: "boolean" }, nullable: false },
      ],
    },
    write(out, source, start, end) {
      if (spells(source, start, end, "empty")) return out.literal(EMPTY);
      if (reader.write(out, source, start, end) !== end) {
        throw malformed(typeName, "something follows its upper bound");
      }
    },
  };
}

/** Reads one range that is not empty and writes its object. */
class RangeReader {
  readonly #quoted = new QuotedReader(true);

  constructor(readonly typeName: string, readonly bound: Codec) {}

  /** Returns where it goes on after the range. */
  write(out: BatchWriter, source: Uint8Array, start: number, end: number): number {
    const { typeName } = this;
    if (start >= end || (source[start] !== OPEN_BRACKET && source[start] !== OPEN)) {
      throw malformed(typeName, "it does not start with a bracket");
    }
    out.literal(LOWER);
    let at = this.#writeBound(out, source, start + 1, end);
    if (at >= end || source[at] !== COMMA) throw malformed(typeName, "no comma follows its lower bound");
    out.literal(UPPER);
    at = this.#writeBound(out, source, at + 1, end);
    if (at >= end || (source[at] !== CLOSE_BRACKET && source[at] !== CLOSE)) {
      throw malformed(typeName, "no bracket follows its upper bound");
    }
    out.literal(LOWER_INC);
    out.boolean(source[start] === OPEN_BRACKET);
    out.literal(UPPER_INC);
    out.boolean(source[at] === CLOSE_BRACKET);
    out.literal(NOT_EMPTY);
    return at + 1;
  }

  #writeBound(out: BatchWriter, source: Uint8Array, at: number, end: number): number {
    const quoted = this.#quoted;
    if (at < end && source[at] === QUOTE) {
      const next = quoted.read(source, at, end);
      if (next < 0) throw malformed(this.typeName, "a quote is not closed");
      this.bound.write(out, quoted.source, quoted.start, quoted.end);
      return next;
    }
    const start = at;
    for (; at < end; at++) {
      const byte = source[at];
      if (byte === COMMA || byte === CLOSE || byte === CLOSE_BRACKET) break;
      if (byte === QUOTE || byte === BACKSLASH || byte === OPEN || byte === OPEN_BRACKET) {
        throw malformed(this.typeName, "a character that needs quotes has none");
      }
    }
    if (at === end) throw malformed(this.typeName, "it ends before its last bracket");
    if (at === start) out.null();
    else this.bound.write(out, source, start, at);
    return at;
  }
}
