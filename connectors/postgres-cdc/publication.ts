/** The publication: which tables the server sends. Made when there is none; used as it is when there is one. */
import type { Logger } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { Catalog, ServerFacts, Table } from "./catalog.ts";
import { quoteIdentifier } from "./connection.ts";

/** A publication that exists. */
export interface Publication {
  readonly name: string;
  readonly isForAllTables: boolean;
  /** Operations that it leaves out. */
  readonly missingOperations: readonly string[];
  /** Whether a partitioned table's changes come under its own name. */
  readonly viaRoot: boolean;
  readonly tables: readonly PublishedTable[];
}

export interface PublishedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Column list; undefined before PostgreSQL 15, which has none. */
  readonly columns?: readonly string[];
  /** Row filter, as SQL. */
  readonly rowFilter?: string;
}

/** Reads a publication; undefined when there is none of that name. */
export async function readPublication(catalog: Catalog, name: string): Promise<Publication | undefined> {
  const tried = `Cannot read publication "${name}"`;
  const [row] = await catalog.query(
    tried,
    `SELECT puballtables::text, pubviaroot::text, pubinsert::text, pubupdate::text, pubdelete::text
     FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  if (!row) return undefined;
  // As JSON, because attnames and rowfilter came with PostgreSQL 15.
  const tables = await catalog.query(
    tried,
    `SELECT c.oid::text, to_jsonb(p)::text AS published
     FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
     WHERE p.pubname = $1 ORDER BY p.schemaname, p.tablename`,
    [name],
  );
  return {
    name,
    isForAllTables: row.puballtables === "true",
    viaRoot: row.pubviaroot === "true",
    missingOperations: ["insert", "update", "delete"].filter((operation) =>
      row[`pub${operation}`] !== "true"
    ),
    tables: tables.map(({ oid, published }) => {
      const { schemaname, tablename, attnames, rowfilter } = JSON.parse(published!);
      return {
        oid: Number(oid),
        schema: schemaname,
        name: tablename,
        columns: attnames ?? undefined,
        rowFilter: rowfilter ?? undefined,
      };
    }),
  };
}

/** The keys that decide what is created. */
export interface PublicationPlan {
  readonly name: string;
  readonly mode: "all_tables" | "filtered" | "disabled" | "no_tables";
  readonly filter: TableFilter;
  /** The `schemas` key, when it and nothing else selects tables by exact names. */
  readonly wholeSchemas: readonly string[];
}

/**
 * The statement that would create the publication.
 *
 * @throws {ConnectorError} `config_no_tables` when no table is selected
 */
export function createStatement(plan: PublicationPlan, facts: ServerFacts, all: readonly Table[]): string {
  const { name, mode, filter, wholeSchemas } = plan;
  const start = `CREATE PUBLICATION ${quoteIdentifier(name)}`;
  const options = " WITH (publish_via_partition_root = true)";
  if (mode === "no_tables") return start + options;
  if (mode === "all_tables" || (filter.isOpen && facts.isSuperuser)) {
    return `${start} FOR ALL TABLES${options}`;
  }
  // New tables join by themselves this way; the statement is for superusers, like FOR ALL TABLES.
  if (wholeSchemas.length > 0 && facts.version >= 150000 && facts.isSuperuser) {
    return `${start} FOR TABLES IN SCHEMA ${wholeSchemas.map(quoteIdentifier).join(", ")}${options}`;
  }
  const tables = all.filter((table) => !table.isPartition && table.isLogged && filter.includes(table));
  if (tables.length === 0) {
    const unmatched = filter.unmatched(all).map((pattern) => `"${pattern}"`).join(", ");
    const why = unmatched === "" ? "no table is selected" : `no table matches ${unmatched}`;
    throw new ConnectorError(`Cannot create publication "${name}": ${why}`, {
      code: "config_no_tables",
      hint:
        "Check `schemas`, `tables`, `exclude_tables` and `streams`; `discover` lists the tables there are",
    });
  }
  return `${start} FOR TABLE ${tables.map(quoteTable).join(", ")}${options}`;
}

/**
 * Reads the publication, or creates it.
 *
 * @throws {ConnectorError} `not_found_publication` when it is missing and must not be created
 */
export async function ensurePublication(
  catalog: Catalog,
  facts: ServerFacts,
  plan: PublicationPlan,
  log: Logger,
  onCreated: () => Promise<void>,
): Promise<Publication> {
  const found = await readPublication(catalog, plan.name);
  if (found) return found;
  const statement = createStatement(plan, facts, await catalog.allTables());
  if (plan.mode === "disabled") {
    throw new ConnectorError(`There is no publication "${plan.name}" and it must not be created`, {
      code: "not_found_publication",
      hint: `Create it: ${statement}; or set auto_create_publication to true`,
    });
  }
  if (facts.isStandby) {
    throw new ConnectorError(
      `There is no publication "${plan.name}", and a standby, as this server is, can't create it`,
      { code: "state_publication", hint: `Run on the primary: ${statement}` },
    );
  }
  await catalog.query(`Cannot create publication "${plan.name}"`, statement);
  await onCreated();
  log.info(`Created publication "${plan.name}"`, { statement });
  const created = await readPublication(catalog, plan.name);
  if (!created) {
    throw new ConnectorError(`Publication "${plan.name}" vanished after it was created`, {
      code: "conflict",
    });
  }
  return created;
}

/** `"public"."orders"`. */
export function quoteTable({ schema, name }: Pick<Table, "schema" | "name">): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** Tables that are named exactly and that the publication does not send. */
export function notPublished(filter: TableFilter, publication: Publication, all: readonly Table[]): Table[] {
  const published = new Set(publication.tables.map(({ oid }) => oid));
  return all.filter((table) =>
    filter.includes(table) && !published.has(table.oid) &&
    filter.exact.some(({ schema, name }) =>
      name === table.name && (schema === undefined || schema === table.schema)
    ) &&
    // Of a partitioned table its partitions are sent, unless the publication speaks of the root.
    !(table.isPartitioned && !publication.viaRoot)
  );
}

/**
 * Selected tables that the publication does not send and that it could; none where it grows by itself (FOR ALL TABLES) or
 * is filled by hand (`no_tables`).
 */
export function joining(
  { mode, filter }: PublicationPlan,
  publication: Publication,
  all: readonly Table[],
): Table[] {
  if (mode !== "filtered" || publication.isForAllTables) return [];
  const published = new Set(publication.tables.map(({ oid }) => oid));
  return all.filter((table) =>
    filter.includes(table) && !published.has(table.oid) && table.isLogged && !table.isPartition &&
    !(table.isPartitioned && !publication.viaRoot)
  );
}

/** What to run for tables that a publication lacks. */
export function addTablesStatement(name: string, tables: readonly Table[]): string {
  return `ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${tables.map(quoteTable).join(", ")}`;
}
