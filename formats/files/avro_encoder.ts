/**
 * An Avro schema → code that writes our values by it. What a schema can't hold exactly is a Misfit and never rounded:
 * a decimal with more digits, a time that is finer than the unit, half a surrogate pair.
 */
import type { Value } from "../data/value.ts";
import { fieldBytes } from "./avro_default.ts";
import { LOGICAL, PRIMITIVES } from "./avro_values.ts";
import type { AvroSchema } from "./avro_columns.ts";
import type { AvroWriter } from "./avro_writer.ts";
import { isNot, kindOf, Misfit } from "./misfit.ts";

/** How values of one type are written. */
export interface AvroType {
  /** @throws {Misfit} when the value is none of this type; bytes may have been written before */
  write(writer: AvroWriter, value: Value): void;
  /** Whether this is the branch of a union that a value belongs to, as far as its kind tells. */
  accepts(value: Value): boolean;
}

/** A Misfit inside of a record: `field` is where, as in `address.street`. */
export class FieldMisfit extends Misfit {
  constructor(readonly field: string, message: string) {
    super(message);
  }
}

/**
 * @param schema of a record; names of its fields may stand in `rivven.name`
 * @throws {SyntaxError} when it is no schema, or one that holds no rows
 */
export function avroType(schema: AvroSchema): AvroType {
  if (typeof schema !== "object" || Array.isArray(schema) || (schema as Definition).type !== "record") {
    throw new SyntaxError("The schema of a file is that of a record");
  }
  return new Compiler().type(schema, undefined);
}

interface Definition {
  readonly type: unknown;
  readonly [attribute: string]: unknown;
}

interface Field {
  /** The name in rows. */
  readonly name: string;
  readonly type: AvroType;
  /** What is written where a row has no such column; undefined: that is a Misfit. */
  readonly missing: Uint8Array | undefined;
}

class Compiler {
  readonly #named = new Map<string, AvroType>();

  type(schema: unknown, namespace: string | undefined): AvroType {
    if (typeof schema === "string") return this.#byName(schema, namespace);
    if (Array.isArray(schema)) return this.#union(schema, namespace);
    if (typeof schema !== "object" || schema === null) {
      throw new SyntaxError("A schema is a name, a list or an object");
    }
    const definition = schema as Definition;
    const name = String(definition.logicalType);
    const logical = Object.hasOwn(LOGICAL, name) ? LOGICAL[name](definition) : undefined;
    switch (definition.type) {
      case "record":
        return this.#record(definition, namespace);
      case "enum":
        return this.#define(definition, namespace, () => enumType(definition));
      case "fixed":
        return this.#define(definition, namespace, () => logical ?? fixedType(definition));
      case "array":
        return arrayType(this.type(definition.items, namespace));
      case "map":
        return mapType(this.type(definition.values, namespace));
      default:
        return logical ?? this.type(definition.type, namespace);
    }
  }

  #byName(name: string, namespace: string | undefined): AvroType {
    if (Object.hasOwn(PRIMITIVES, name)) return PRIMITIVES[name];
    const type = this.#named.get(name.includes(".") || !namespace ? name : `${namespace}.${name}`);
    if (type === undefined) throw new SyntaxError(`There is no type "${name}"`);
    return type;
  }

  /** Known before it is made, because a record may hold itself. */
  #define(
    { name, namespace: own }: Definition,
    namespace: string | undefined,
    make: (namespace: string | undefined) => AvroType,
  ): AvroType {
    if (typeof name !== "string" || !/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name)) {
      throw new SyntaxError("Records, enums and fixed have a name of letters, digits and _");
    }
    const space = name.includes(".")
      ? name.slice(0, name.lastIndexOf("."))
      : typeof own === "string"
      ? own
      : namespace;
    const fullName = name.includes(".") || !space ? name : `${space}.${name}`;
    if (this.#named.has(fullName)) throw new SyntaxError(`The type "${fullName}" is defined twice`);
    const later = {} as { -readonly [key in keyof AvroType]: AvroType[key] };
    this.#named.set(fullName, later);
    const { write, accepts } = make(space);
    later.write = write;
    later.accepts = accepts;
    return later;
  }

  #record(definition: Definition, namespace: string | undefined): AvroType {
    return this.#define(definition, namespace, (space) => {
      if (!Array.isArray(definition.fields)) throw new SyntaxError("A record has a list of fields");
      const names = new Set<string>();
      return recordType(definition.fields.map((field: Definition): Field => {
        const { name, "rivven.name": original } = field;
        if (typeof name !== "string" || !/^[A-Za-z_]\w*$/.test(name) || names.has(name)) {
          throw new SyntaxError("Fields have different names of letters, digits and _");
        }
        names.add(name);
        return {
          name: typeof original === "string" ? original : name,
          type: this.type(field.type, space),
          missing: fieldBytes(field.type, field.default),
        };
      }));
    });
  }

  #union(branches: readonly unknown[], namespace: string | undefined): AvroType {
    const types = branches.map((branch) => this.type(branch, namespace));
    const nullAt = branches.indexOf("null");
    if (types.length === 2 && nullAt >= 0) return optionalType(types[1 - nullAt], nullAt);
    return {
      accepts: (value) => types.some((type) => type.accepts(value)),
      write(writer, value) {
        const at = types.findIndex((type) => type.accepts(value));
        if (at < 0) throw new Misfit(`it is ${kindOf(value)}, which the union has no type for`);
        writer.integer(at);
        types[at].write(writer, value);
      },
    };
  }
}

function optionalType(type: AvroType, nullAt: number): AvroType {
  return {
    accepts: (value) => value === null || type.accepts(value),
    write(writer, value) {
      if (value === null || value === undefined) return writer.integer(nullAt);
      writer.integer(1 - nullAt);
      type.write(writer, value);
    },
  };
}

function recordType(fields: readonly Field[]): AvroType {
  return {
    accepts: isObject,
    write(writer, value) {
      if (!isObject(value)) throw isNot(value, "an object");
      let at = 0;
      try {
        for (; at < fields.length; at++) {
          const { name, type, missing } = fields[at];
          if (Object.hasOwn(value, name)) type.write(writer, value[name]);
          else if (missing) writer.fixed(missing);
          else throw new Misfit("the record has no such column, and the schema no default");
        }
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        const { name } = fields[at];
        throw new FieldMisfit(
          error instanceof FieldMisfit ? `${name}.${error.field}` : name,
          error.message,
        );
      }
    },
  };
}

function arrayType(items: AvroType): AvroType {
  return {
    accepts: Array.isArray,
    write(writer, value) {
      if (!Array.isArray(value)) throw isNot(value, "an array");
      if (value.length > 0) {
        writer.integer(value.length);
        for (const item of value) items.write(writer, item);
      }
      writer.byte(0);
    },
  };
}

function mapType(values: AvroType): AvroType {
  return {
    accepts: isObject,
    write(writer, value) {
      if (!isObject(value)) throw isNot(value, "an object");
      const names = Object.keys(value);
      if (names.length > 0) {
        writer.integer(names.length);
        for (const name of names) {
          PRIMITIVES.string.write(writer, name);
          values.write(writer, value[name]);
        }
      }
      writer.byte(0);
    },
  };
}

function enumType({ symbols }: Definition): AvroType {
  if (!Array.isArray(symbols) || !symbols.every((symbol) => typeof symbol === "string")) {
    throw new SyntaxError("An enum has a list of symbols");
  }
  return {
    accepts: (value) => typeof value === "string" && symbols.includes(value),
    write(writer, value) {
      const at = typeof value === "string" ? symbols.indexOf(value) : -1;
      if (at < 0) throw new Misfit("it is none of the enum's symbols");
      writer.integer(at);
    },
  };
}

function fixedType({ size }: Definition): AvroType {
  if (!Number.isInteger(size)) throw new SyntaxError("A fixed has a size");
  return {
    accepts: (value) => value instanceof Uint8Array && value.length === size,
    write(writer, value) {
      if (!(value instanceof Uint8Array) || value.length !== size) {
        throw new Misfit(`it is not ${size} bytes`);
      }
      writer.fixed(value);
    },
  };
}

function isObject(value: Value): value is { readonly [name: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}
