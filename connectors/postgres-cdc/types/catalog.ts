/**
 * The types of one database, and for each the codec: what its columns are called in a schema and how its values are
 * written. The source asks once per column, when a relation appears.
 */
import type { ColumnType } from "../../../formats/data/value.ts";
import { arrayCodec } from "./arrays.ts";
import { bitCodec, byteaCodec, uuidCodec, writeBoolean, writeChar } from "./binary.ts";
import { type Codec, TEXT, type ValueWriter, writeText } from "./codec.ts";
import { compositeCodec, type OlderValues } from "./composites.ts";
import { extensionCodec } from "./extensions.ts";
import { geometryCodec } from "./geometry.ts";
import { nativeName } from "./native_names.ts";
import {
  bigIntegerCodec,
  C_MONEY,
  floatCodec,
  integerCodec,
  moneyCodec,
  type MoneyFormat,
  numericCodec,
} from "./numbers.ts";
import type { TypeOptions } from "./options.ts";
import type { TypeRow } from "./query.ts";
import { multirangeCodec, rangeCodec } from "./ranges.ts";
import {
  dateCodec,
  intervalCodec,
  timeCodec,
  timestampCodec,
  timestamptzCodec,
  timetzCodec,
} from "./times.ts";

/** A type as the server's catalog describes it. */
interface ServerType {
  readonly oid: number;
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  /** format_type(oid, NULL) */
  readonly native: string;
  readonly formatsTypmod: boolean;
  readonly extension: string | null;
  /** Items of an array, base of a domain, bound of a range, range of a multirange. */
  readonly inner: number;
  /** A domain's modifier of its base type. */
  readonly baseTypmod: number;
  readonly delimiter: number;
  readonly labels: readonly string[];
  readonly attributes: readonly (readonly [name: string, oid: number, typmod: number, number: number])[];
}

/** A domain made of domains made of … : more levels than anybody has; less than the stack. */
const MAX_NESTING = 64;

export class TypeCatalog {
  readonly #types = new Map<number, ServerType>();
  readonly #codecs = new Map<string, Codec>();
  readonly #options: TypeOptions;
  #money: MoneyFormat = C_MONEY;
  #nesting = 0;
  /** What all codecs of composite types heed. */
  readonly olderValues: OlderValues = { areAllowed: false, lookedUpAt: 0n };

  /** `rows`: what TYPE_QUERY gave. */
  constructor(rows: readonly TypeRow[], options: TypeOptions) {
    this.#options = options;
    this.add(rows);
  }

  /** Whether the server's description of the type is known; if not, run TYPE_QUERY again and `add` its rows. */
  has(oid: number): boolean {
    return this.#types.has(oid);
  }

  /** Takes in newer rows. Codecs handed out before stay as they are, so ask again for columns that use changed types. */
  add(rows: readonly TypeRow[]): void {
    this.#codecs.clear();
    for (const row of rows) {
      const type = serverType(row);
      this.#types.set(type.oid, type);
      if (row.money_positive && row.money_negative) {
        this.#money = {
          positive: row.money_positive,
          negative: row.money_negative,
          scale: Number(row.money_scale),
        };
      }
    }
  }

  /** What a column is called in a schema. */
  columnType(oid: number, typmod: number): ColumnType {
    return this.#codec(oid, typmod).type;
  }

  /** The type's name as the server prints it: `numeric(12,2)`, `public.mood[]`. */
  nativeType(oid: number, typmod: number): string {
    const type = this.#types.get(oid);
    if (!type) return `unknown(${oid})`;
    const named = type.kind === "array" ? this.#types.get(type.inner) ?? type : type;
    const { name, formatsTypmod } = named.namespace === "pg_catalog" ? named : { ...named, name: "" };
    return nativeName({ name: type.native, typeName: name, formatsTypmod }, typmod);
  }

  /**
   * The fields of the composite types that a type is made of, as text that is another one after each change of them;
   * undefined: it is made of none.
   */
  shape(oid: number): string | undefined {
    const parts: unknown[] = [];
    const seen = new Set<number>();
    const visit = (each: number) => {
      const type = this.#types.get(each);
      if (type === undefined || seen.has(each)) return;
      seen.add(each);
      if (type.kind === "composite") {
        parts.push([each, type.attributes]);
        for (const [, of] of type.attributes) visit(of);
      } else visit(type.inner);
    };
    visit(oid);
    return parts.length === 0 ? undefined : JSON.stringify(parts);
  }

  /** Writes a column's values. What is not known is written as text, never left out. */
  writer(oid: number, typmod: number): ValueWriter {
    return this.#codec(oid, typmod).write;
  }

  #codec(oid: number, typmod: number): Codec {
    const id = `${oid}:${typmod}`;
    let codec = this.#codecs.get(id);
    if (codec) return codec;
    const type = this.#types.get(oid);
    if (!type || this.#nesting >= MAX_NESTING) return TEXT;
    this.#nesting++;
    try {
      codec = this.#makeCodec(type, typmod);
    } finally {
      this.#nesting--;
    }
    this.#codecs.set(id, codec);
    return codec;
  }

  #makeCodec(type: ServerType, typmod: number): Codec {
    switch (type.kind) {
      case "array":
        return arrayCodec(type.native, this.#codec(type.inner, typmod), type.delimiter);
      case "domain":
        return this.#codec(type.inner, type.baseTypmod);
      case "enum":
        return { type: { kind: "enum", values: type.labels }, write: writeText };
      case "composite":
        return compositeCodec(
          type.native,
          type.attributes.map(([name, oid, typmod]) => ({
            name,
            nativeType: this.nativeType(oid, typmod),
            codec: this.#codec(oid, typmod),
          })),
          // Numbers are never given twice.
          type.attributes.every(([, , , number], i) => number === i + 1),
          this.olderValues,
        );
      case "range":
        return rangeCodec(type.native, this.#codec(type.inner, -1), this.#options);
      case "multirange": {
        const range = this.#types.get(type.inner);
        return range ? multirangeCodec(type.native, this.#codec(range.inner, -1), this.#options) : TEXT;
      }
      default:
        if (type.namespace === "pg_catalog") return this.#builtIn(type.name, typmod);
        return type.extension === null
          ? TEXT
          : extensionCodec(type.extension, type.name, this.#options) ?? TEXT;
    }
  }

  /** The base types that come with the server (pg_type.dat); what is not here is text. */
  #builtIn(name: string, typmod: number): Codec {
    const options = this.#options;
    switch (name) {
      case "bool":
        return { type: { kind: "boolean" }, write: writeBoolean };
      case "int2":
        return integerCodec("smallint", "int16");
      case "int4":
        return integerCodec("integer", "int32");
      case "int8":
        return bigIntegerCodec("bigint", "int64", options);
      case "xid8":
        return bigIntegerCodec("xid8", "uint64", options);
      case "oid":
      case "xid":
      case "cid":
        // Unsigned 32 bits.
        return integerCodec(name, "int64");
      case "float4":
        return floatCodec("real", "float32");
      case "float8":
        return floatCodec("double precision", "float64");
      case "numeric":
        return numericCodec(typmod, options);
      case "money":
        return moneyCodec(this.#money, options);
      case "char":
        return { type: { kind: "string" }, write: writeChar };
      case "bytea":
        return byteaCodec(options);
      case "bit":
      case "varbit":
        return bitCodec(name, typmod, options);
      case "uuid":
        return uuidCodec(options);
      case "date":
        return dateCodec(options);
      case "time":
        return timeCodec(typmod, options);
      case "timetz":
        return timetzCodec(typmod, options);
      case "timestamp":
        return timestampCodec(typmod, options);
      case "timestamptz":
        return timestamptzCodec(typmod, options);
      case "interval":
        return intervalCodec(options);
      case "json":
      case "jsonb":
        return options.json_handling === "embed"
          ? { type: { kind: "json" }, write: (out, source, start, end) => out.json(source, start, end) }
          : TEXT;
      case "point":
      case "line":
      case "lseg":
      case "box":
      case "path":
      case "polygon":
      case "circle":
        return geometryCodec(name, options);
      default:
        return TEXT;
    }
  }
}

function serverType(row: TypeRow): ServerType {
  const kind = row.kind ?? "base";
  const inner = kind === "array" ? row.element : kind === "domain" ? row.base : row.range_of;
  return {
    oid: Number(row.oid),
    namespace: row.namespace ?? "",
    name: row.name ?? "",
    kind,
    native: row.native ?? row.name ?? "",
    formatsTypmod: row.formats_typmod === "true",
    extension: row.extension,
    inner: Number(inner ?? 0),
    baseTypmod: Number(row.base_typmod ?? -1),
    delimiter: (row.delimiter ?? ",").charCodeAt(0),
    labels: row.labels ? JSON.parse(row.labels) : [],
    attributes: row.attributes ? JSON.parse(row.attributes) : [],
  };
}
