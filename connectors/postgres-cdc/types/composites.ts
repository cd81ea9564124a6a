/** Composite types and rows as objects (rowtypes.c, record_out; manual, section 8.16.6). */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { Column } from "../../../formats/data/value.ts";
import { type Codec, encode, malformed, type ValueWriter, writeByte } from "./codec.ts";
import { QuotedReader } from "./quoted.ts";

const OPEN = 0x28, CLOSE = 0x29, COMMA = 0x2c, QUOTE = 0x22, BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;

/** A field of a composite type, in the order of the type. */
export interface Field {
  readonly name: string;
  readonly nativeType: string;
  readonly codec: Codec;
}

/**
 * Whether values from before a change of their types may be read. Only whoever knows that a value is older than the
 * types were looked up may allow it: to a type that lost a field since, a newer value would look the same.
 */
export interface OlderValues {
  areAllowed: boolean;
  /** The server's log went so far when the types were looked up: what committed before is not newer than they are. */
  lookedUpAt: bigint;
}

/**
 * An object with a member for each field. A value must have exactly the fields of the type: one that has not was
 * written before or after a change of the type. One from before, of a type that has only grown since, has the first
 * of its fields.
 *
 * @param hasOnlyGrown no field was ever taken away
 */
export function compositeCodec(
  typeName: string,
  fields: readonly Field[],
  hasOnlyGrown = false,
  older: OlderValues = { areAllowed: false, lookedUpAt: 0n },
): Codec {
  const quoted = new QuotedReader(true);
  const names = fields.map(({ name }, i) => encode(`${i > 0 ? "," : ""}${JSON.stringify(name)}:`));
  const write: ValueWriter = (out, source, start, end) => {
    if (start >= end || source[start] !== OPEN) {
      throw malformed(typeName, "it does not start with a parenthesis");
    }
    let at = start + 1;
    writeByte(out, OPEN_BRACE);
    for (let i = 0; i < fields.length; i++) {
      if (i > 0) {
        if (at >= end || source[at] !== COMMA) {
          const isShorter = at < end && source[at] === CLOSE;
          if (isShorter && hasOnlyGrown && older.areAllowed) break;
          throw wrongFields(isShorter);
        }
        at++;
      }
      out.literal(names[i]);
      at = writeField(out, fields[i].codec, source, at, end);
    }
    if (at >= end || source[at] !== CLOSE) throw wrongFields(source[at] === COMMA && at < end);
    if (at + 1 !== end) throw malformed(typeName, "something follows its last parenthesis");
    writeByte(out, CLOSE_BRACE);
  };

  function writeField(out: BatchWriter, codec: Codec, source: Uint8Array, at: number, end: number): number {
    if (at < end && source[at] === QUOTE) {
      const next = quoted.read(source, at, end);
      if (next < 0) throw malformed(typeName, "a quote is not closed");
      codec.write(out, quoted.source, quoted.start, quoted.end);
      return next;
    }
    const start = at;
    for (; at < end; at++) {
      const byte = source[at];
      if (byte === COMMA || byte === CLOSE) break;
      if (byte === QUOTE || byte === BACKSLASH || byte === OPEN) {
        throw malformed(typeName, "a character that needs quotes has none");
      }
    }
    if (at === end) throw malformed(typeName, "it ends before its last parenthesis");
    if (at === start) out.null();
    else codec.write(out, source, start, at);
    return at;
  }

  function wrongFields(isComplete: boolean) {
    return malformed(
      typeName,
      isComplete
        ? `it has not the ${fields.length} fields that the type has now, so it is from before an ALTER TYPE that dropped some`
        : "it ends before its last parenthesis",
    );
  }

  const columns = fields.map(({ name, nativeType, codec }): Column => ({
    name,
    type: codec.type,
    nullable: true,
    nativeType,
  }));
  return { type: { kind: "struct", fields: columns }, write };
}
