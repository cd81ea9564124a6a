/**
 * How values of PostgreSQL types are represented: the keys a pipeline file may set, their values, and what is meant
 * without them. The connector's configuration and the codecs both draw on this list.
 */

/** Every key with the values it may have, the default first. */
export const TYPE_OPTION_VALUES = {
  /** numeric: exact text with a decimal type; exact text as a string; a binary floating point number. */
  decimal_handling: ["precise", "string", "double"],
  /**
   * Dates and times: ISO text; whole units since 1970 or midnight; or what Debezium's `time.precision.mode` of the
   * same name gives.
   */
  time_precision: [
    "iso",
    "seconds",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "adaptive",
    "connect",
    "isostring",
  ],
  /** Whatever is binary: base64, its URL-safe alphabet, hex digits, an array of numbers from 0 to 255. */
  binary_handling: ["base64", "base64url", "hex", "bytes"],
  /** uuid: its text; its 16 bytes, written as `binary_handling` says. */
  uuid_handling: ["string", "binary"],
  /** int8 and xid8: a number with all digits; a string; a string only beyond 2^53 - 1. */
  bigint_handling: ["number", "string", "string_when_unsafe"],
  /** interval: ISO 8601 duration; microseconds, with 365.25 / 12 days a month. */
  interval_handling: ["string", "numeric"],
  /** hstore: an object; that object's JSON text in a string. */
  hstore_handling: ["object", "string"],
  /** json and jsonb: part of the row's JSON; their text in a string. */
  json_handling: ["embed", "string"],
  /** timetz: with the offset it was stored with; in UTC. */
  timetz_handling: ["offset", "utc"],
  /** bit(n) and varbit: text of 0 and 1; bytes, the last bit first. */
  bit_handling: ["text", "bytes"],
  /** line, lseg, box, path, polygon, circle: PostgreSQL's text; objects made of points. */
  geometry_handling: ["text", "object"],
  /** Ranges and multiranges: PostgreSQL's text; objects with bounds. */
  range_handling: ["text", "object"],
} as const;

type Values = typeof TYPE_OPTION_VALUES;

/** One value for every key. */
export type TypeOptions = { readonly [Key in keyof Values]: Values[Key][number] };

/** What is meant where a pipeline file says nothing. */
export const DEFAULT_TYPE_OPTIONS: TypeOptions = {
  decimal_handling: "precise",
  time_precision: "iso",
  binary_handling: "base64",
  uuid_handling: "string",
  bigint_handling: "number",
  interval_handling: "string",
  hstore_handling: "object",
  json_handling: "embed",
  timetz_handling: "offset",
  bit_handling: "text",
  geometry_handling: "text",
  range_handling: "text",
};

/**
 * What both the replication connection and the snapshot connection must be started with, so that the same value has
 * the same text on both. `lc_monetary` is left alone on purpose: it decides where the point of a `money` value
 * stands, so TYPE_QUERY asks the server how it writes money instead.
 */
export const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  client_encoding: "UTF8",
  DateStyle: "ISO, YMD",
  IntervalStyle: "iso_8601",
  TimeZone: "UTC",
  extra_float_digits: "3",
  bytea_output: "hex",
};
