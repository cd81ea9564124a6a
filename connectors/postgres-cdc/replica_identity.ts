/**
 * `replica_identity_autoset`: gives tables the replica identity that the configuration asks for, before the stream
 * starts. Only when asked, and each statement is logged; the role must own the tables.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { Clock, Logger } from "../contract.ts";
import { type Catalog, type Table, tableName } from "./catalog.ts";
import { quoteIdentifier } from "./connection.ts";
import { type Publication, quoteTable } from "./publication.ts";
import { IDENTITY, type IdentityRule, tableTest } from "./row_rules.ts";

const LOCK_MS = 2000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

interface Waiting {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A table that has another replica identity than it should, and the statement that changes that. */
export interface IdentityChange {
  readonly table: Table;
  readonly statement: string;
}

const LETTERS: Readonly<Record<string, Table["replicaIdentity"]>> = { FULL: "f", DEFAULT: "d", NOTHING: "n" };

/**
 * What there is to change. The partitions of a partitioned table are changed with it, because it is theirs that counts.
 *
 * @throws {ConnectorError} `config_replica_identity`: an index was named for a partitioned table
 */
export async function identityChanges(
  catalog: Catalog,
  rules: readonly IdentityRule[],
  filter: TableFilter,
  published: readonly { readonly oid: number }[],
): Promise<IdentityChange[]> {
  if (rules.length === 0) return [];
  const tests = rules.map(({ table, identity }) => ({ test: tableTest([table]), identity }));
  const oids = new Set(published.map(({ oid }) => oid));
  const changes: IdentityChange[] = [];
  for (const table of await catalog.allTables()) {
    if (!oids.has(table.oid) || !filter.includes(table)) continue;
    const rule = tests.find(({ test }) => test(table));
    if (rule === undefined) continue;
    const [, word, index] = IDENTITY.exec(rule.identity)!;
    if (table.isPartitioned && index !== undefined) {
      throw new ConnectorError(
        `replica_identity_autoset can't set an index for "${tableName(table)}", which is partitioned`,
        {
          code: "config_replica_identity",
          hint: "Each partition has an index of its own: set them by hand, or use FULL",
        },
      );
    }
    for (const each of table.isPartitioned ? [table, ...await partitions(catalog, table)] : [table]) {
      if (word !== undefined && each.replicaIdentity === LETTERS[word.toUpperCase()]) continue;
      if (
        index !== undefined && each.replicaIdentity === "i" &&
        await identityIndexName(catalog, each) === index
      ) {
        continue;
      }
      const identity = word?.toUpperCase() ?? `USING INDEX ${quoteIdentifier(index)}`;
      changes.push({
        table: each,
        statement: `ALTER TABLE ${quoteTable(each)} REPLICA IDENTITY ${identity}`,
      });
    }
  }
  return changes;
}

/**
 * Makes the changes.
 *
 * @throws {ConnectorError} `permission_owner`: a table belongs to another role; what the server says otherwise
 */
export async function autosetReplicaIdentity(
  catalog: Catalog,
  rules: readonly IdentityRule[],
  filter: TableFilter,
  publication: Publication,
  { clock, log, signal }: Waiting,
): Promise<void> {
  const changes = await identityChanges(catalog, rules, filter, publication.tables);
  const foreign = changes.filter(({ table }) => !table.isOwned);
  if (foreign.length > 0) {
    throw new ConnectorError(
      `replica_identity_autoset can't change ${
        foreign.map(({ table }) => `"${tableName(table)}"`).join(", ")
      }: this role does not own it`,
      {
        code: "permission_owner",
        hint: `As its owner, run: ${
          foreign.map(({ statement }) => statement).join("; ")
        }; or leave the table out`,
      },
    );
  }
  for (const { table, statement } of changes) {
    await change(catalog, table, statement, { clock, log, signal });
    if (signal.aborted) return;
    log.info(`Changed the replica identity of "${tableName(table)}"`, { statement });
  }
}

/**
 * ALTER TABLE needs the table for itself for a moment, and while it waits for that, everybody else's statements queue up
 * behind it. So it waits for short times only, with pauses in which they get through, until it comes to its turn.
 */
async function change(
  catalog: Catalog,
  table: Table,
  statement: string,
  { clock, log, signal }: Waiting,
): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      // One message with two statements is one transaction, which SET LOCAL ends with.
      return void await catalog.query(
        `Cannot set the replica identity of "${tableName(table)}"`,
        `SET LOCAL lock_timeout = ${LOCK_MS}; ${statement}`,
      );
    } catch (error) {
      if (!(error instanceof ConnectorError) || error.code !== "conflict_locked") throw error;
      log.warn(
        `Setting the replica identity of "${
          tableName(table)
        }" waits until nobody uses the table; it is used by ${await users(
          catalog,
          table,
        )}`,
        { statement, pauseMs },
      );
      await clock.sleep(pauseMs, signal);
    }
  }
}

/** Who has locked a table in any way, for messages. */
async function users(catalog: Catalog, { oid }: Table): Promise<string> {
  const rows = await catalog.query(
    "Cannot see who uses the table",
    `SELECT DISTINCT a.pid::text, a.usename, a.application_name AS application,
       round(extract(epoch FROM clock_timestamp() - a.xact_start))::text AS seconds
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.relation = $1::oid AND l.granted AND a.pid <> pg_backend_pid() LIMIT 5`,
    [String(oid)],
  );
  return rows.length === 0
    ? "nobody any more"
    : rows.map(({ pid, usename, application, seconds }) =>
      `process ${pid} ("${usename}", application "${application}"${
        seconds === null ? "" : `, in a transaction open for ${seconds} s`
      })`
    ).join(", ");
}

async function partitions(catalog: Catalog, { oid }: Table): Promise<Table[]> {
  const rows = await catalog.query(
    "Cannot list partitions",
    "SELECT relid::oid::text AS oid FROM pg_partition_tree($1::oid::regclass) WHERE level > 0",
    [String(oid)],
  );
  return await catalog.tablesByOid(rows.map((row) => Number(row.oid)));
}

async function identityIndexName(catalog: Catalog, { oid }: Table): Promise<string | null | undefined> {
  const [row] = await catalog.query(
    "Cannot read the replica identity",
    "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid " +
      "WHERE i.indrelid = $1::oid AND i.indisreplident",
    [String(oid)],
  );
  return row?.name;
}
