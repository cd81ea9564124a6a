/**
 * The codec of PostgreSQL's types: values in text format, as both the snapshot and the replication stream bring them,
 * written as JSON, and what their columns are called in a schema. The table of types is in ../TYPES.md.
 */
export { TypeCatalog } from "./catalog.ts";
export type { OlderValues } from "./composites.ts";
export type { ValueWriter } from "./codec.ts";
export { DEFAULT_TYPE_OPTIONS, SESSION_SETTINGS, TYPE_OPTION_VALUES, type TypeOptions } from "./options.ts";
export { TYPE_QUERY, type TypeRow } from "./query.ts";
