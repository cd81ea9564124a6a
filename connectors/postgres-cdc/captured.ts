/** Which tables a run captures: the keys of the configuration against what the publication sends. */
import { ConnectorError } from "../../formats/data/errors.ts";
import { type TableFilter, tableFilter, type TableName } from "../_cdc/table_filter.ts";
import type { DocumentStore, Logger, StreamSelection } from "../contract.ts";
import { type Catalog, type ServerFacts, type Table, tableName } from "./catalog.ts";
import type { PostgresConfig } from "./connector.ts";
import {
  addTablesStatement,
  ensurePublication,
  joining,
  notPublished,
  type Publication,
  type PublicationPlan,
  readPublication,
} from "./publication.ts";
import { signalTable } from "./signals.ts";
import type { SnapshotTable } from "./snapshot_plan.ts";

/** The tables that the configuration and the `streams` of the pipeline file select. */
export function captureFilter(
  { schemas, tables, exclude_tables }: PostgresConfig,
  streams: readonly StreamSelection[],
): TableFilter {
  return tableFilter({ schemas, tables, excludeTables: exclude_tables, streams });
}

/** What a new publication would cover. */
export function publicationPlan(
  config: PostgresConfig,
  filter: TableFilter,
  streams: readonly StreamSelection[],
): PublicationPlan {
  const {
    publication,
    auto_create_publication,
    publication_autocreate_mode,
    schemas,
    tables,
    exclude_tables,
  } = config;
  const onlySchemas = tables.length + exclude_tables.length + streams.length === 0 &&
    schemas.every((schema) => !/[*?]/.test(schema) && !schema.startsWith("/"));
  return {
    name: publication,
    mode: auto_create_publication ? publication_autocreate_mode : "disabled",
    filter: withTable(filter, signalTable(config)),
    wholeSchemas: onlySchemas ? schemas : [],
  };
}

/** When tables are added to a publication that exists, and how it is known whose it is. */
export interface PublicationRefresh {
  readonly when: PostgresConfig["refresh_publication_on_start"];
  readonly state: DocumentStore;
}

/** Says what the selection names and the database has not: a mistyped name would be missed by nobody. */
export function tellUnmatched(
  filter: TableFilter,
  all: readonly TableName[],
  log: Logger,
  { allow_missing_tables }: Pick<PostgresConfig, "allow_missing_tables">,
): void {
  const patterns = filter.unmatched(all);
  if (patterns.length === 0) return;
  log[allow_missing_tables ? "info" : "warn"]("No table matches a name or pattern of the selection", {
    patterns,
    hint: "A table that is made later is captured from the next start on",
  });
}

/** The name of the publication that this source has created last. */
const CREATED = "created_publication";

/** The signal table must be published, whether or not anybody wants its rows. */
function withTable(
  filter: TableFilter,
  table: { readonly schema: string; readonly name: string } | undefined,
): TableFilter {
  if (table === undefined) return filter;
  const isIt = ({ schema, name }: TableName) => schema === table.schema && name === table.name;
  return {
    ...filter,
    includes: (each) => isIt(each) || filter.includes(each),
    exact: [...filter.exact, table],
  };
}

/**
 * The publication that the stream is read through: created, and tables added, where that is needed and allowed.
 *
 * @throws {ConnectorError} `state_publication` when it lacks a table that is named exactly
 */
export async function capturePublication(
  catalog: Catalog,
  facts: ServerFacts,
  plan: PublicationPlan,
  log: Logger,
  refresh: PublicationRefresh,
): Promise<Publication> {
  const created = async () => await refresh.state.put(CREATED, plan.name);
  const found = await ensurePublication(catalog, facts, plan, log, created);
  const publication = await addJoining(catalog, facts, plan, found, log, refresh);
  const { name, missingOperations } = publication;
  if (missingOperations.length > 0) {
    log.warn(`Publication "${name}" leaves out operations`, { operations: missingOperations });
  }
  if (plan.filter.exact.length === 0) return publication;
  const missing = notPublished(plan.filter, publication, await catalog.allTables());
  if (missing.length > 0) {
    const names = missing.map((table) => `"${tableName(table)}"`).join(", ");
    throw new ConnectorError(`Publication "${name}" does not send ${names}`, {
      code: "state_publication",
      hint: `Run: ${addTablesStatement(name, missing)}`,
    });
  }
  return publication;
}

async function addJoining(
  catalog: Catalog,
  facts: ServerFacts,
  plan: PublicationPlan,
  publication: Publication,
  log: Logger,
  { when, state }: PublicationRefresh,
): Promise<Publication> {
  const { name } = plan;
  if (when === "never" || facts.isStandby) return publication;
  if (when === "own" && await state.get(CREATED) !== name) return publication;
  const tables = joining(plan, publication, await catalog.allTables());
  if (tables.length === 0) return publication;
  const statement = addTablesStatement(name, tables);
  const names = tables.map(tableName);
  try {
    await catalog.query(`Cannot add tables to publication "${name}"`, statement);
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    // What is named exactly is required, and missed by the caller; what a pattern takes comes when it is there.
    log.warn(error.message, { tables: names, hint: `As the owner of the tables, run: ${statement}` });
    return publication;
  }
  log.info(`Added tables to publication "${name}": their changes come from now on`, {
    tables: names,
  });
  return await readPublication(catalog, name) ?? publication;
}

/** What a snapshot reads: of each published table what is published; without a publication whole tables. */
export async function snapshotTables(
  catalog: Catalog,
  { version }: ServerFacts,
  filter: TableFilter,
  { include_tables, exclude_tables, select_overrides }: PostgresConfig["snapshot"],
  publication: Publication | undefined,
): Promise<SnapshotTable[]> {
  const wanted = tableFilter({
    schemas: [],
    tables: include_tables,
    excludeTables: exclude_tables,
    streams: [],
  });
  const published = publication && new Map(publication.tables.map((table) => [table.oid, table]));
  const tables = published
    ? await catalog.tablesByOid([...published.keys()])
    : (await catalog.allTables()).filter((table) => !table.isPartition);
  const overrides = new Map(Object.entries(select_overrides));
  const chosen = tables.filter((table) => filter.includes(table) && wanted.includes(table));
  for (const name of overrides.keys()) {
    if (chosen.some((table) => tableName(table) === name)) continue;
    throw new ConnectorError(`snapshot.select_overrides names "${name}", which the snapshot does not read`, {
      code: "config_select_overrides",
      hint: "Write schema.table of a table that is captured and published",
    });
  }
  return chosen.map((table) => {
    const { columns, rowFilter } = published?.get(table.oid) ?? {};
    return {
      table,
      columns: table.columns.filter((column) => isSent(column, columns, version)).map(({ name }) => name),
      rowFilter,
      override: overrides.get(tableName(table)),
    };
  });
}

/**
 * Generated columns are not sent, unless PostgreSQL 18 was told to, and then the publication names them. (Before, its
 * list has them although they are not sent.)
 */
function isSent(
  { name, generated }: Table["columns"][number],
  published: readonly string[] | undefined,
  version: number,
): boolean {
  if (generated !== "" && (version < 180000 || published === undefined || generated === "v")) return false;
  return published === undefined || published.includes(name);
}
