/**
 * What the configuration says about the rows of each table: `message_key_columns`, `tombstone`, `toast_handling`.
 * Relations and the snapshot's streams are made by it.
 */
import { qualifiedName } from "../../formats/data/stream.ts";
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { Logger } from "../contract.ts";
import type { Relation } from "./relations.ts";

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface RowRules {
  /** The key that was chosen for a table; undefined: none was. */
  readonly keyColumns: (table: TableName) => readonly string[] | undefined;
  readonly hasTombstones: (table: TableName) => boolean;
  /** Stands in a row for values that were not sent; undefined: such columns are left out. */
  readonly placeholder: string | undefined;
  /** Values that were not sent are read from the table. */
  readonly reselects: boolean;
}

/** As without any configuration. */
export const PLAIN_ROWS: RowRules = {
  keyColumns: () => undefined,
  hasTombstones: () => false,
  placeholder: undefined,
  reselects: false,
};

/** The keys of the configuration that decide it. */
export interface RowKeys {
  readonly message_key_columns: readonly { readonly table: string; readonly columns: readonly string[] }[];
  readonly tombstone: {
    readonly enabled: boolean;
    readonly after_delete: boolean;
    readonly exclude_tables: readonly string[];
  };
  readonly toast_handling: "omit" | "placeholder" | "reselect";
  readonly unavailable_value_placeholder: string;
}

export function rowRules(keys: RowKeys): RowRules {
  const { message_key_columns, tombstone, toast_handling, unavailable_value_placeholder } = keys;
  const keyed = message_key_columns.map(({ table, columns }) => ({ test: tableTest([table]), columns }));
  const isExcluded = tableTest(tombstone.exclude_tables);
  return {
    keyColumns: (table) => keyed.find(({ test }) => test(table))?.columns,
    hasTombstones: (table) => tombstone.enabled && tombstone.after_delete && !isExcluded(table),
    placeholder: toast_handling === "placeholder" ? unavailable_value_placeholder : undefined,
    reselects: toast_handling === "reselect",
  };
}

/** One entry of `replica_identity_autoset`. */
export interface IdentityRule {
  readonly table: string;
  readonly identity: string;
}

/** `FULL`, `DEFAULT`, `NOTHING`, `INDEX name`, in any case. */
export const IDENTITY = /^(?:(FULL|DEFAULT|NOTHING)|(?:USING\s+)?INDEX\s+(\S.*))$/i;

/** A test for tables: patterns are compared with `table` and `schema.table`, as in `tables`. */
export function tableTest(patterns: readonly string[]): (table: TableName) => boolean {
  const tests = patterns.map(patternTest);
  return ({ schema, name }) => tests.some((test) => test(name) || test(`${schema}.${name}`));
}

/** Says once of a table what its records will lack: a key that was asked for, or a tombstone. */
export function warnAboutKey(
  { stream, isIdentity, keyPlaces, hasTombstones }: Relation,
  rules: RowRules,
  warned: Set<string>,
  log: Logger,
): void {
  const name = qualifiedName(stream);
  const table = { schema: stream.namespace ?? "", name: stream.name };
  const warn = (message: string, hint: string) => {
    if (!warned.has(message)) log.warn(message, { hint });
    warned.add(message);
  };
  const chosen = rules.keyColumns(table);
  if (chosen !== undefined && chosen.join() !== stream.key.join()) {
    warn(
      `"${name}" has no column "${
        chosen.find((column) => !stream.columns!.some(({ name }) => name === column))
      }", which message_key_columns names`,
      "Names are case-sensitive; the publication must send the column",
    );
  } else if (chosen !== undefined && !keyPlaces.every((place) => isIdentity[place])) {
    warn(
      `Deletes of "${name}" have no key: its message_key_columns are no part of its replica identity`,
      `ALTER TABLE ${name} REPLICA IDENTITY FULL`,
    );
  }
  if (!hasTombstones && rules.hasTombstones(table)) {
    warn(`"${name}" has no key, so its deletes have no tombstones`, "Add a primary key");
  }
}
