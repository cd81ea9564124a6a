/** `check`: everything a run will need, one finding each, with the statement that mends it. Changes nothing. */
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { CheckReport, Clock } from "../contract.ts";
import { type Catalog, lacksIdentity, type ServerFacts, type Table, tableName } from "./catalog.ts";
import { checkSignals } from "./check_signals.ts";
import { Connection, quoteIdentifier } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import { checkHeartbeat, checkSlot } from "./check_slot.ts";
import { describeEndpoint, type Endpoint } from "./endpoint.ts";
import { failed, list, ok, reported, shortened, warning } from "./findings.ts";
import { protectionOf } from "./protection.ts";
import {
  addTablesStatement,
  createStatement,
  joining,
  notPublished,
  type Publication,
  type PublicationPlan,
  quoteTable,
  readPublication,
} from "./publication.ts";
import { missingOption } from "./plugin_options.ts";
import { identityChanges } from "./replica_identity.ts";
import { rowRules } from "./row_rules.ts";
import { MIN_VERSION } from "./server.ts";

export interface CheckedSource {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly config: PostgresConfig;
  readonly filter: TableFilter;
  readonly publicationPlan: PublicationPlan;
}

export async function checkSource(source: CheckedSource, report: CheckReport): Promise<void> {
  const { catalog, endpoint, config, filter } = source;
  const facts = await reported("connection", report, () => catalog.facts());
  if (!facts) return;
  report(ok("connection", `PostgreSQL ${facts.versionText}, ${describeEndpoint(endpoint)}`));
  report(protectionOf(await catalog.connection(), "control"));
  checkServer(facts, config, report);
  const isStreaming = config.snapshot.mode !== "initial_only";
  if (isStreaming) {
    await checkReplication(source, facts, report);
    await checkSlot(source, facts, report);
  }
  const all = await reported("tables", report, () => catalog.allTables());
  if (!all) return;
  const selected = all.filter((table) => !table.isPartition && filter.includes(table));
  checkSelection(source, all, selected, report);
  const publication = await reported(
    "publication",
    report,
    () => readPublication(catalog, config.publication),
  );
  if (publication) checkPublication(publication, source, all, selected, report);
  else await reported("publication", report, () => checkNewPublication(source, facts, all, selected, report));
  checkTables(
    publication ? published(publication, all, filter) : selected,
    isStreaming,
    report,
    endpoint.user,
  );
  if (isStreaming) checkSignals(config, all, publication, report);
  if (isStreaming) checkKeys(publication ? published(publication, all, filter) : selected, config, report);
  const sent = publication?.tables ?? selected;
  await reported("replica_identity_autoset", report, () => checkIdentities(source, sent, report));
  if (isStreaming) await checkHeartbeat(source, facts, report);
}

function checkServer(facts: ServerFacts, config: PostgresConfig, report: CheckReport): void {
  if (facts.version < MIN_VERSION) {
    report(
      failed("server_version", `PostgreSQL ${facts.versionText} is too old`, "Version 13 or newer is needed"),
    );
  }
  if (facts.encoding === "SQL_ASCII") {
    report(warning(
      "encoding",
      "The database has encoding SQL_ASCII: texts that are not UTF-8 make unreadable records",
      "Recode them, or leave such columns out of the publication",
    ));
  }
  if (config.snapshot.mode === "initial_only") return;
  const missing = missingOption(config, facts);
  if (missing) report(failed("stream_options", missing.message, missing.hint));
  report(
    facts.walLevel === "logical" ? ok("wal_level", "logical") : failed(
      "wal_level",
      `It is "${facts.walLevel}": the server writes no changes that could be read`,
      "Run: ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
    ),
  );
}

/** Whether the role may open a replication connection: asked of the catalog for the hint, proven by opening one. */
async function checkReplication(
  { endpoint, clock }: CheckedSource,
  facts: ServerFacts,
  report: CheckReport,
): Promise<void> {
  if (!facts.canReplicate) {
    report(failed(
      "replication",
      `Role "${endpoint.user}" may not replicate`,
      `Run: ALTER ROLE ${quoteIdentifier(endpoint.user)} REPLICATION (on RDS: GRANT rds_replication TO …)`,
    ));
    return;
  }
  const opened = await reported("replication", report, async () => {
    await using connection = await Connection.open(
      endpoint,
      clock,
      "replication",
      new AbortController().signal,
    );
    report(protectionOf(connection, "replication"));
    return connection.pid;
  });
  if (opened) report(ok("replication", `Role "${endpoint.user}" can open a replication connection`));
}

function checkSelection(
  { filter, config }: CheckedSource,
  all: readonly Table[],
  selected: readonly Table[],
  report: CheckReport,
): void {
  const unmatched = filter.unmatched(all);
  if (unmatched.length > 0 && config.allow_missing_tables && selected.length > 0) {
    report(ok(
      "tables",
      `${selected.length} selected: ${list(selected.map(tableName))}; no table matches ${list(unmatched)}`,
    ));
  } else if (unmatched.length > 0) {
    report(failed(
      "tables",
      `No table matches ${list(unmatched)}`,
      "`discover` lists the tables there are; names are case-sensitive. Where they come later, set allow_missing_tables",
      "config",
    ));
  } else if (selected.length === 0) {
    report(failed("tables", "No table is selected", "`discover` lists the tables there are", "config"));
  } else report(ok("tables", `${selected.length} selected: ${list(selected.map(tableName))}`));
}

function checkPublication(
  publication: Publication,
  { filter, config, publicationPlan }: CheckedSource,
  all: readonly Table[],
  selected: readonly Table[],
  report: CheckReport,
): void {
  const { name, missingOperations, viaRoot } = publication;
  const missing = notPublished(filter, publication, all);
  const sent = published(publication, all, filter);
  if (missing.length > 0) {
    report(failed(
      "publication",
      `"${name}" does not send ${list(missing.map(tableName))}`,
      `Run: ${addTablesStatement(name, missing)}`,
    ));
  } else if (sent.length === 0) {
    report(failed(
      "publication",
      `"${name}" sends none of the selected tables`,
      selected.length > 0
        ? `Run: ${addTablesStatement(name, selected)}`
        : `Choose another publication than "${config.publication}"`,
    ));
  } else report(ok("publication", `"${name}" exists and sends ${sent.length} of the selected tables`));
  const unpublished = joining(publicationPlan, publication, all).filter((table) => !missing.includes(table));
  if (unpublished.length > 0 && sent.length > 0) {
    const isAdded = config.refresh_publication_on_start;
    report(warning(
      "publication_tables",
      `"${name}" does not send ${list(unpublished.map(tableName))}, which a pattern selects` +
        (isAdded === "never"
          ? ""
          : "; a start adds them" + (isAdded === "own" ? " if this source has created it" : "")),
      `Run: ${shortened(addTablesStatement(name, unpublished))}`,
    ));
  }
  const limited = limits(publication, all, filter);
  if (limited.length > 0) {
    report(
      ok("publication_limits", `"${name}" leaves out, of rows and snapshot alike: ${limited.join("; ")}`),
    );
  }
  if (missingOperations.length > 0) {
    report(warning(
      "publication_operations",
      `"${name}" leaves out: ${missingOperations.join(", ")}`,
      `Run: ALTER PUBLICATION ${quoteIdentifier(name)} SET (publish = 'insert, update, delete, truncate')`,
    ));
  }
  if (!viaRoot && selected.some((table) => table.isPartitioned)) {
    report(warning(
      "publication_partitions",
      `"${name}" sends changes of partitioned tables under the names of their partitions`,
      `Run: ALTER PUBLICATION ${quoteIdentifier(name)} SET (publish_via_partition_root = true)`,
    ));
  }
}

/** What the column lists and row filters of a publication (PostgreSQL 15) keep from the selected tables. */
function limits({ tables }: Publication, all: readonly Table[], filter: TableFilter): string[] {
  const byOid = new Map(all.map((table) => [table.oid, table]));
  return tables.flatMap(({ oid, columns, rowFilter }) => {
    const table = byOid.get(oid);
    if (table === undefined || !filter.includes(table)) return [];
    const left = columns === undefined
      ? []
      : table.columns.filter(({ name, generated }) => generated === "" && !columns.includes(name));
    const found = [
      ...(left.length === 0 ? [] : [`columns ${list(left.map(({ name }) => name))}`]),
      ...(rowFilter === undefined ? [] : [`rows but those where ${rowFilter}`]),
    ];
    return found.length === 0 ? [] : [`${found.join(" and ")} of "${tableName(table)}"`];
  });
}

async function checkNewPublication(
  { catalog, publicationPlan, endpoint }: CheckedSource,
  facts: ServerFacts,
  all: readonly Table[],
  selected: readonly Table[],
  report: CheckReport,
): Promise<void> {
  const { name, mode } = publicationPlan;
  const statement = createStatement(publicationPlan, facts, all);
  if (facts.isStandby) {
    const found = `There is no publication "${name}", and a standby can't create it`;
    report(failed("publication", found, `Run on the primary: ${statement}`));
    return;
  }
  if (mode === "disabled") {
    report(
      failed(
        "publication",
        `There is no publication "${name}" and it must not be created`,
        `Run: ${statement}`,
      ),
    );
    return;
  }
  const [{ may_create }] = await catalog.query(
    "Cannot read the rights on the database",
    "SELECT has_database_privilege(current_database(), 'CREATE')::text AS may_create",
  );
  const foreign = selected.filter((table) => !table.isOwned && table.isLogged);
  if (may_create !== "true") {
    report(failed(
      "publication",
      `"${name}" does not exist, and role "${endpoint.user}" may not create it`,
      `As an administrator, run: ${statement}; or GRANT CREATE ON DATABASE ${
        quoteIdentifier(endpoint.database)
      } TO ` +
        quoteIdentifier(endpoint.user),
    ));
  } else if (!facts.isSuperuser && mode === "all_tables") {
    report(failed(
      "publication",
      `"${name}" does not exist, and only a superuser can create one for all tables`,
      `As an administrator, run: ${statement}`,
    ));
  } else if (!facts.isSuperuser && mode === "filtered" && foreign.length > 0) {
    report(failed(
      "publication",
      `"${name}" does not exist, and role "${endpoint.user}" owns not all of its tables: not ${
        list(foreign.map(tableName))
      }`,
      `As an administrator, run: ${statement}`,
    ));
  } else report(ok("publication", `"${name}" does not exist and would be created: ${shortened(statement)}`));
}

/** Rights and replica identity of each table. */
function checkTables(
  tables: readonly Table[],
  isStreaming: boolean,
  report: CheckReport,
  user: string,
): void {
  const unreadable = tables.filter((table) => !table.isReadable);
  if (unreadable.length > 0) {
    report(failed(
      "select",
      `Role "${user}" may not read ${list(unreadable.map(tableName))}`,
      `Run: GRANT SELECT ON ${unreadable.map(quoteTable).join(", ")} TO ${quoteIdentifier(user)}`,
    ));
  } else if (tables.length > 0) report(ok("select", `Role "${user}" may read the tables`));
  const filtered = tables.filter((table) => table.isFiltered);
  if (filtered.length > 0) {
    report(failed(
      "row_security",
      `Row level security hides rows of ${
        list(filtered.map(tableName))
      } from role "${user}", so no snapshot can be taken`,
      `Run: ALTER ROLE ${quoteIdentifier(user)} BYPASSRLS`,
    ));
  }
  if (!isStreaming) return;
  const unlogged = tables.filter((table) => !table.isLogged);
  if (unlogged.length > 0) {
    report(warning(
      "unlogged",
      `Changes of unlogged tables are not in the log: ${list(unlogged.map(tableName))}`,
      `Run: ${unlogged.map((table) => `ALTER TABLE ${quoteTable(table)} SET LOGGED`).join("; ")}`,
    ));
  }
  const unidentified = tables.filter(lacksIdentity);
  if (unidentified.length > 0) {
    report(warning(
      "replica_identity",
      `The server refuses updates and deletes of published tables without replica identity: ${
        list(unidentified.map(tableName))
      }`,
      `Run: ${
        unidentified.map((table) => `ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY FULL`).join("; ")
      }; ` +
        "or add a primary key",
    ));
  }
}

/** What `replica_identity_autoset` would change at the start. */
async function checkIdentities(
  { catalog, config, filter }: CheckedSource,
  tables: readonly { readonly oid: number }[],
  report: CheckReport,
): Promise<void> {
  const name = "replica_identity_autoset";
  const changes = await identityChanges(catalog, config.replica_identity_autoset, filter, tables);
  const foreign = changes.filter(({ table }) => !table.isOwned);
  if (foreign.length > 0) {
    report(failed(
      name,
      `It can't change ${list(foreign.map(({ table }) => tableName(table)))}: this role does not own it`,
      `As its owner, run: ${foreign.map(({ statement }) => statement).join("; ")}; or leave the table out`,
    ));
  } else if (changes.length > 0) {
    const names = list(changes.map(({ table }) => tableName(table)));
    report(ok(name, `A run would change ${changes.length} of the tables: ${names}`));
  }
}

/** Keys that are configured and that not every record can have. */
function checkKeys(tables: readonly Table[], config: PostgresConfig, report: CheckReport): void {
  const { keyColumns } = rowRules(config);
  const keyed = tables.map((table) => ({ table, key: keyColumns(table) ?? [] }));
  const lacking = keyed.filter(({ table, key }) =>
    key.some((name) => !table.columns.some((column) => column.name === name))
  );
  if (lacking.length > 0) {
    report(failed(
      "message_key_columns",
      `They name columns that are not there: of ${list(lacking.map(({ table }) => tableName(table)))}`,
      "Names are case-sensitive; `discover` lists the columns",
      "config",
    ));
  }
  const partly = keyed.filter(({ table: { replicaIdentity, primaryKey, identityIndex }, key }) => {
    const identity = replicaIdentity === "i" ? identityIndex : replicaIdentity === "d" ? primaryKey : key;
    return !key.every((name) => identity.includes(name));
  });
  if (partly.length > 0) {
    report(warning(
      "message_key_columns",
      `Deletes have no key, because it is no part of the replica identity: of ${
        list(partly.map(({ table }) => tableName(table)))
      }`,
      `Run: ${
        partly.map(({ table }) => `ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY FULL`).join("; ")
      }`,
    ));
  }
}

function published(publication: Publication, all: readonly Table[], filter: TableFilter): Table[] {
  const oids = new Set(publication.tables.map(({ oid }) => oid));
  return all.filter((table) => oids.has(table.oid) && filter.includes(table));
}
