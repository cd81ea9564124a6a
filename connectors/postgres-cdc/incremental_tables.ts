/** Which tables an incremental snapshot can read, and by what key: what incremental_snapshot.ts asks the catalog. */
import { ConnectorError } from "../../formats/data/errors.ts";
import { type TableFilter, tableFilter } from "../_cdc/table_filter.ts";
import { snapshotTables } from "./captured.ts";
import { type Catalog, type ServerFacts, type Table, tableName } from "./catalog.ts";
import type { ChunkedTable } from "./chunk_reader.ts";
import { quoteIdentifier } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import type { PendingTable } from "./incremental_snapshot.ts";
import { quoteTable, readPublication } from "./publication.ts";
import type { StreamBook } from "./relations.ts";
import { type RequestedTables, SignalError } from "./signals.ts";
import { streamOf } from "./snapshot.ts";
import type { SnapshotTable } from "./snapshot_plan.ts";

export interface IncrementalTablesOptions {
  /** Its connection does not wait long for locks, and is not the one that the stream needs. */
  readonly catalog: Catalog;
  readonly facts: ServerFacts;
  readonly filter: TableFilter;
  readonly config: Pick<PostgresConfig, "publication" | "snapshot">;
  readonly book: StreamBook;
  /** Called before the book is asked for a table's Stream. */
  readonly load: (table: Table) => Promise<void>;
  readonly nextAttempt: () => Promise<number>;
}

export class IncrementalTables {
  readonly #options: IncrementalTablesOptions;

  constructor(options: IncrementalTablesOptions) {
    this.#options = options;
  }

  /**
   * The tables that a request names, now that it is made.
   *
   * @throws {SignalError} when there are none, or one of them can't be read
   */
  async find({ pattern, filter, surrogateKey: surrogate }: RequestedTables): Promise<PendingTable[]> {
    const { includes } = selection(pattern);
    const sources = (await this.#published(undefined)).filter(({ table }) => includes(table));
    if (sources.length === 0) {
      throw new SignalError(`"${pattern}" is no table that is captured and in the publication`);
    }
    for (const source of sources) {
      await this.#keyOf(source.table, surrogate);
      if (filter !== undefined) await this.#try(source.table, filter);
    }
    return sources.map(({ table: { schema, name } }) => ({
      schema,
      name,
      ...(filter === undefined ? {} : { filter }),
      ...(surrogate === undefined ? {} : { surrogate }),
    }));
  }

  /**
   * How a table is read, as it is now; undefined when it has no rows.
   *
   * @throws {ConnectorError} `not_found_table`: it is not there or not published any more; `schema_key`: without key
   */
  async prepare(pending: PendingTable): Promise<ChunkedTable | undefined> {
    const { catalog, book, load, nextAttempt } = this.#options;
    const [source] = await this.#published(pending);
    if (source === undefined) {
      throw new ConnectorError(`"${pending.schema}.${pending.name}" is not captured and published any more`, {
        code: "not_found_table",
      });
    }
    const { table } = source;
    let key: readonly string[];
    try {
      key = await this.#keyOf(table, pending.surrogate);
    } catch (error) {
      if (!(error instanceof SignalError)) throw error;
      throw new ConnectorError(error.message, { code: "schema_key" });
    }
    const max = pending.max ?? await this.#greatest(table, key);
    if (max === undefined) return undefined;
    const types = await catalog.learnTypes(table.columns.map(({ type }) => type));
    await load(table);
    const attempt = await nextAttempt();
    const lane = `snapshot/${tableName(table)}/${attempt}`;
    return { source, ...streamOf(source, book, types), key, filter: pending.filter, max, lane, attempt };
  }

  /** What is published and captured, of one table or of all. */
  async #published(
    only: { readonly schema: string; readonly name: string } | undefined,
  ): Promise<SnapshotTable[]> {
    const { catalog, facts, filter, config } = this.#options;
    const publication = await readPublication(catalog, config.publication);
    if (publication === undefined) return [];
    const tables = publication.tables.filter(({ schema, name }) =>
      only === undefined || (schema === only.schema && name === only.name)
    );
    const { select_overrides } = config.snapshot;
    const snapshot = { ...config.snapshot, include_tables: [], exclude_tables: [], select_overrides: {} };
    const found = await snapshotTables(catalog, facts, filter, snapshot, { ...publication, tables });
    return found
      .filter(({ table }) => filter.streams(table))
      .map((source) => ({ ...source, override: select_overrides[tableName(source.table)] }));
  }

  async #keyOf(table: Table, surrogate: string | undefined): Promise<readonly string[]> {
    const key = [table.primaryKey, table.identityIndex, table.uniqueIndex].find(({ length }) => length > 0);
    if (key === undefined) {
      throw new SignalError(
        `"${tableName(table)}" has neither a primary key nor a unique index of columns that are never null`,
      );
    }
    if (surrogate === undefined) return key;
    const [row] = await this.#options.catalog.query(
      `Cannot read the indexes of "${tableName(table)}"`,
      `SELECT FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indkey[0] = a.attnum
       WHERE a.attrelid = $1::oid AND a.attname = $2 AND a.attnotnull
         AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indisvalid`,
      [table.oid, surrogate],
    );
    if (row === undefined) {
      throw new SignalError(
        `"${surrogate}" of "${
          tableName(table)
        }" is no surrogate-key: it needs a unique index of its own and NOT NULL`,
      );
    }
    return [surrogate];
  }

  /** Asked with the extended protocol, which takes no second statement. */
  async #try(table: Table, filter: string): Promise<void> {
    try {
      await this.#options.catalog.query(
        "Cannot use the filter",
        `SELECT FROM ${quoteTable(table)} WHERE (${filter}\n) LIMIT $1`,
        [0],
      );
    } catch (error) {
      if (!(error instanceof ConnectorError) || error.retryable) throw error;
      throw new SignalError(`the filter of "${tableName(table)}" is none: ${error.message}`);
    }
  }

  async #greatest(table: Table, key: readonly string[]): Promise<string[] | undefined> {
    const texts = key.map((name, i) => `${quoteIdentifier(name)}::text AS k${i}`).join(", ");
    const descending = key.map((name) => `${quoteIdentifier(name)} DESC`).join(", ");
    const [row] = await this.#options.catalog.query(
      `Cannot read the last key of "${tableName(table)}"`,
      `SELECT ${texts} FROM ${table.isPartitioned ? "" : "ONLY "}${
        quoteTable(table)
      } ORDER BY ${descending} LIMIT 1`,
    );
    return row && key.map((_, i) => row[`k${i}`]!);
  }
}

/** The tables that a pattern of a signal means. */
function selection(pattern: string): TableFilter {
  try {
    return tableFilter({ schemas: [], tables: [pattern], excludeTables: [], streams: [] });
  } catch (error) {
    throw new SignalError(`"${pattern}" is no pattern: ${(error as Error).message}`);
  }
}
