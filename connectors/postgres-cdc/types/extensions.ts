/** Types of extensions, known by the extension's and their own name: hstore, pgvector, PostGIS. */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { ColumnType } from "../../../formats/data/value.ts";
import { binaryCodec, Scratch } from "./binary.ts";
import { type Codec, decode, encode, malformed, writeByte } from "./codec.ts";
import { checkInteger, writeFloat } from "./numbers.ts";
import type { TypeOptions } from "./options.ts";
import { QuotedReader } from "./quoted.ts";

const OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d, OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c, COLON = 0x3a, QUOTE = 0x22, SPACE = 0x20, EQUALS = 0x3d, GREATER = 0x3e, SLASH = 0x2f;

/** The codec of an extension's base type; undefined when it is one that is text. */
export function extensionCodec(extension: string, name: string, options: TypeOptions): Codec | undefined {
  switch (`${extension}.${name}`) {
    case "hstore.hstore":
      return hstoreCodec(options);
    case "vector.vector":
    case "vector.halfvec":
      return vectorCodec(name);
    case "vector.sparsevec":
      return sparseVectorCodec();
    case "postgis.geometry":
    case "postgis.geography":
      return postgisCodec(name, options);
    default:
      return undefined;
  }
}

// ---- hstore: manual, F.17 hstore; hstore_io.c, hstore_out -----------------------------------------------------------

/** `"a"=>"1", "b"=>NULL` as an object of strings, or as that object's JSON text, which is Debezium's json mode. */
function hstoreCodec({ hstore_handling }: TypeOptions): Codec {
  const key = new QuotedReader(false);
  const value = new QuotedReader(false);
  if (hstore_handling === "object") {
    return {
      type: { kind: "map", values: { kind: "string" } },
      write(out, source, start, end) {
        writeByte(out, OPEN_BRACE);
        let isFirst = true;
        readPairs(key, value, source, start, end, (isNull) => {
          if (!isFirst) writeByte(out, COMMA);
          isFirst = false;
          out.text(key.source, key.start, key.end);
          writeByte(out, COLON);
          if (isNull) out.null();
          else out.text(value.source, value.start, value.end);
        });
        writeByte(out, CLOSE_BRACE);
      },
    };
  }
  return {
    type: { kind: "string" },
    write(out, source, start, end) {
      const members: string[] = [];
      readPairs(key, value, source, start, end, (isNull) => {
        const name = decode(key.source, key.start, key.end);
        const text = isNull ? null : decode(value.source, value.start, value.end);
        members.push(`${JSON.stringify(name)}:${JSON.stringify(text)}`);
      });
      out.string(`{${members.join(",")}}`);
    },
  };
}

/** Calls `pair` for each pair, which then stands in the two readers. */
function readPairs(
  key: QuotedReader,
  value: QuotedReader,
  source: Uint8Array,
  start: number,
  end: number,
  pair: (isNull: boolean) => void,
): void {
  let at = start;
  while (at < end) {
    if (source[at] !== QUOTE) throw malformed("hstore", "a key has no quotes");
    at = key.read(source, at, end);
    if (at < 0) throw malformed("hstore", "the quote of a key is not closed");
    if (at + 2 >= end || source[at] !== EQUALS || source[at + 1] !== GREATER) {
      throw malformed("hstore", "no arrow and value follow a key");
    }
    at += 2;
    if (source[at] === QUOTE) {
      at = value.read(source, at, end);
      if (at < 0) throw malformed("hstore", "the quote of a value is not closed");
      pair(false);
    } else {
      if (at + 4 > end || decode(source, at, at + 4) !== "NULL") {
        throw malformed("hstore", "a value has no quotes");
      }
      at += 4;
      pair(true);
    }
    if (at === end) return;
    if (at + 2 >= end || source[at] !== COMMA || source[at + 1] !== SPACE) {
      throw malformed("hstore", "no comma and pair follow a pair");
    }
    at += 2;
  }
}

// ---- pgvector: its README, "Reference"; vector.c, halfvec.c, sparsevec.c --------------------------------------------

const VECTOR: ColumnType = { kind: "array", items: { kind: "float32" } };

/** `[1,2.5,3]`. */
function vectorCodec(name: string): Codec {
  return {
    type: VECTOR,
    write(out, source, start, end) {
      if (end - start < 2 || source[start] !== OPEN_BRACKET || source[end - 1] !== CLOSE_BRACKET) {
        throw malformed(name, "it has not two brackets");
      }
      writeByte(out, OPEN_BRACKET);
      eachPart(source, start + 1, end - 1, (from, to, isFirst) => {
        if (!isFirst) writeByte(out, COMMA);
        writeFloat(out, name, source, from, to);
      });
      writeByte(out, CLOSE_BRACKET);
    },
  };
}

const DIMENSIONS = encode('{"dimensions":'), ELEMENTS = encode(',"vector":{');

/** `{1:0.5,3:2}/5`: index (from 1) and value of what is not 0, then the number of dimensions. */
function sparseVectorCodec(): Codec {
  return {
    type: {
      kind: "struct",
      fields: [
        { name: "dimensions", type: { kind: "int32" }, nullable: false },
        { name: "vector", type: { kind: "map", values: { kind: "float32" } }, nullable: false },
      ],
    },
    write(out, source, start, end) {
      const slash = source.lastIndexOf(SLASH, end - 1);
      if (slash <= start + 1 || source[start] !== OPEN_BRACE || source[slash - 1] !== CLOSE_BRACE) {
        throw malformed("sparsevec", "it has not two braces and dimensions");
      }
      out.literal(DIMENSIONS);
      writeDigits(out, source, slash + 1, end);
      out.literal(ELEMENTS);
      eachPart(source, start + 1, slash - 1, (from, to, isFirst) => {
        const colon = source.indexOf(COLON, from);
        if (colon < 0 || colon >= to) throw malformed("sparsevec", "an element has no index");
        if (!isFirst) writeByte(out, COMMA);
        writeByte(out, QUOTE);
        writeDigits(out, source, from, colon);
        writeByte(out, QUOTE);
        writeByte(out, COLON);
        writeFloat(out, "sparsevec", source, colon + 1, to);
      });
      writeByte(out, CLOSE_BRACE);
      writeByte(out, CLOSE_BRACE);
    },
  };
}

function writeDigits(out: BatchWriter, source: Uint8Array, start: number, end: number): void {
  checkInteger("sparsevec", source, start, end);
  out.digits(source, start, end);
}

/** Calls `part` for what lies between the commas; not at all when there is nothing. */
function eachPart(
  source: Uint8Array,
  start: number,
  end: number,
  part: (from: number, to: number, isFirst: boolean) => void,
): void {
  if (start === end) return;
  for (let from = start;;) {
    let to = from;
    while (to < end && source[to] !== COMMA) to++;
    part(from, to, from === start);
    if (to === end) return;
    from = to + 1;
  }
}

// ---- PostGIS: its manual, "OGC Geometry"; liblwgeom, lwin_wkb.c -------------------------------------------------------

const WKB = encode('{"wkb":'), SRID = encode(',"srid":');
/** Bit of a geometry's type that says that the SRID follows it. */
const HAS_SRID = 0x20000000;

/**
 * geometry and geography: hex of EWKB. The SRID is taken out, so that `wkb` is what ST_AsBinary gives for two
 * dimensions; further ones keep the flags that PostGIS has for them. No SRID is 0, as ST_SRID has it.
 */
function postgisCodec(name: string, options: TypeOptions): Codec {
  const binary = binaryCodec(options);
  const scratch = new Scratch();
  return {
    type: {
      kind: "struct",
      fields: [
        { name: "wkb", type: binary.type, nullable: false },
        { name: "srid", type: { kind: "int32" }, nullable: false },
      ],
    },
    write(out, source, start, end) {
      const ewkb = scratch.unhex(source, start, end);
      const isLittleEndian = ewkb?.[0] === 1;
      const view = ewkb && new DataView(ewkb.buffer, ewkb.byteOffset, ewkb.length);
      const type = view && view.byteLength > 5 ? view.getUint32(1, isLittleEndian) : 0;
      const hasSrid = (type & HAS_SRID) !== 0;
      // Byte order, type, SRID, and at least a count of what follows.
      if (!view || ewkb[0] > 1 || ewkb.length < (hasSrid ? 13 : 9)) {
        throw malformed(name, "it is no EWKB in hex");
      }
      let wkb = ewkb;
      let srid = 0;
      if (hasSrid) {
        srid = view.getInt32(5, isLittleEndian);
        // Byte order and type move up over the SRID.
        view.setUint32(5, type & ~HAS_SRID, isLittleEndian);
        ewkb[4] = ewkb[0];
        wkb = ewkb.subarray(4);
      }
      out.literal(WKB);
      binary.write(out, wkb);
      out.literal(SRID);
      out.literal(encode(String(srid)));
      writeByte(out, CLOSE_BRACE);
    },
  };
}
