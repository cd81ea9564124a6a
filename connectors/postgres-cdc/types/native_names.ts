/** The names of types with their modifiers, as the server's format_type() prints them (format_type.c). */
import { numericModifier } from "./numbers.ts";

/** Fields of an interval: bits of the upper half of its typmod (timestamp.h, INTERVAL_MASK; intervaltypmodout). */
const INTERVAL_FIELDS: Record<number, string> = {
  0x0004: " year",
  0x0002: " month",
  0x0008: " day",
  0x0400: " hour",
  0x0800: " minute",
  0x1000: " second",
  0x0006: " year to month",
  0x0408: " day to hour",
  0x0c08: " day to minute",
  0x1c08: " day to second",
  0x0c00: " hour to minute",
  0x1c00: " hour to second",
  0x1800: " minute to second",
  0x7fff: "",
};

/** What the name of a type is made of; array types have the element's modifier. */
export interface NativeName {
  /** format_type(oid, NULL). */
  readonly name: string;
  /** The type's own name, for the few types whose name changes with the modifier; of an array: the element's. */
  readonly typeName: string;
  /** Whether the type has its own way of printing a modifier. */
  readonly formatsTypmod: boolean;
}

/** `numeric(12,2)`, `timestamp(3) with time zone`, `character varying(20)[]`. */
export function nativeName({ name, typeName, formatsTypmod }: NativeName, typmod: number): string {
  const isArray = name.endsWith("[]");
  const base = isArray ? name.slice(0, -2) : name;
  return `${withModifier(base, typeName, formatsTypmod, typmod)}${isArray ? "[]" : ""}`;
}

function withModifier(name: string, typeName: string, formatsTypmod: boolean, typmod: number): string {
  if (typmod < 0) {
    // Without a modifier these are not "bit" and "character", which mean bit(1) and character(1).
    if (typeName === "bit") return '"bit"';
    if (typeName === "bpchar") return "bpchar";
    return name;
  }
  switch (typeName) {
    case "bpchar":
    case "varchar":
      return typmod > 4 ? `${name}(${typmod - 4})` : name;
    case "numeric": {
      const modifier = numericModifier(typmod);
      return modifier ? `${name}(${modifier.precision},${modifier.scale})` : name;
    }
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
      return name.replace(/^(\w+)/, `$1(${typmod})`);
    case "interval": {
      const precision = typmod & 0xffff;
      const fields = INTERVAL_FIELDS[typmod >> 16 & 0x7fff] ?? "";
      return `${name}${fields}${precision === 0xffff ? "" : `(${precision})`}`;
    }
    case "bit":
    case "varbit":
      return `${name}(${typmod})`;
    default:
      // Only the server knows how an extension prints its modifiers.
      return formatsTypmod ? name : `${name}(${typmod})`;
  }
}
