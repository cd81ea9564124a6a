/** Which tables a CDC source captures: its own keys and the `streams` of the pipeline file, one matcher for all. */
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { StreamSelection } from "../contract.ts";

export interface TableSelection {
  /** Patterns of schema names; empty: every schema. */
  readonly schemas: readonly string[];
  /** Patterns of `table` or `schema.table`; empty: every table of the schemas. */
  readonly tables: readonly string[];
  /** Patterns of tables that are left out, whatever the others say. */
  readonly excludeTables: readonly string[];
  /** The `streams` of the pipeline file, which restrict further; empty: no restriction. */
  readonly streams: readonly StreamSelection[];
}

/** A table's name, as selection sees it. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
  /** Lets patterns name `database.schema.table` too. */
  readonly database?: string;
}

export interface TableFilter {
  /** Whether the table is captured at all. */
  includes(table: TableName): boolean;
  /** Whether its changes are wanted, not only a snapshot of it (`sync_mode: full_refresh`). */
  streams(table: TableName): boolean;
  /** The patterns that select none of these tables: most likely mistakes. */
  unmatched(tables: readonly TableName[]): string[];
  /** Tables that are named exactly, with their schema if that is given too. */
  readonly exact: readonly { readonly schema?: string; readonly name: string }[];
  /** Whether everything is selected. */
  readonly isOpen: boolean;
}

/**
 * A pattern is an exact name, a name with `*` and `?`, or a `/regular expression/`. With a dot it is compared with
 * `schema.table`, and always with the bare name, so a table whose name has a dot can be selected too.
 *
 * @throws {SyntaxError} when a `/regular expression/` is not one
 */
export function tableFilter({ schemas, tables, excludeTables, streams }: TableSelection): TableFilter {
  const schemaTests = schemas.map(patternTest);
  const tableTests = tables.map(tableTest);
  const excludeTests = excludeTables.map(tableTest);
  const includes = (table: TableName) =>
    (schemaTests.length === 0 || schemaTests.some((test) => test(table.schema))) &&
    (tableTests.length === 0 || tableTests.some((test) => test(table))) &&
    !excludeTests.some((test) => test(table)) &&
    (streams.length === 0 || streams.some((stream) => isStream(stream, table)));
  return {
    includes,
    streams: (table) =>
      includes(table) && (streams.length === 0 ||
        streams.some((stream) => stream.sync_mode === "incremental" && isStream(stream, table))),
    unmatched: (all) => [
      ...schemas.filter((_, i) => !all.some((table) => schemaTests[i](table.schema))),
      ...tables.filter((_, i) => !all.some(tableTests[i])),
      ...streams.filter((stream) => !all.some((table) => isStream(stream, table)))
        .map(({ namespace, name }) => namespace === undefined ? name : `${namespace}.${name}`),
    ],
    exact: [
      ...tables.filter((pattern) => !/[*?]/.test(pattern) && !isExpression(pattern)).map(splitName),
      ...streams.map(({ namespace, name }) =>
        namespace === undefined ? splitName(name) : { schema: namespace, name }
      ),
    ],
    isOpen: schemas.length + tables.length + excludeTables.length + streams.length === 0,
  };
}

function tableTest(pattern: string): (table: TableName) => boolean {
  const test = patternTest(pattern);
  return ({ schema, name, database }) =>
    test(name) || test(`${schema}.${name}`) ||
    (database !== undefined && test(`${database}.${schema}.${name}`));
}

function isStream({ namespace, name }: StreamSelection, table: TableName): boolean {
  return namespace === undefined
    ? name === table.name || name === `${table.schema}.${table.name}`
    : namespace === table.schema && name === table.name;
}

function isExpression(pattern: string): boolean {
  return pattern.length > 2 && pattern.startsWith("/") && pattern.endsWith("/");
}

function splitName(qualified: string): { schema?: string; name: string } {
  const dot = qualified.indexOf(".");
  return dot < 0 ? { name: qualified } : { schema: qualified.slice(0, dot), name: qualified.slice(dot + 1) };
}
