/**
 * What the server knows about tables and types, asked over one control connection that is opened when it is needed
 * and opened again when it was lost: it may be idle for days.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import { Connection, type TextRow } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { parseLsn } from "./lsn.ts";
import { type StatementWatch, watched } from "./statement_watch.ts";
import { TYPE_QUERY, TypeCatalog, type TypeOptions } from "./types/mod.ts";

/** A table as the catalog has it now. */
export interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isPartitioned: boolean;
  readonly isPartition: boolean;
  /** Unlogged and temporary tables leave nothing in the log. */
  readonly isLogged: boolean;
  /** pg_class.relreplident: default, nothing, full, index. */
  readonly replicaIdentity: "d" | "n" | "f" | "i";
  /** In key order. */
  readonly primaryKey: readonly string[];
  readonly identityIndex: readonly string[];
  /** Columns of a unique index that are never null, in index order; the shortest such index but the primary key's. */
  readonly uniqueIndex: readonly string[];
  readonly columns: readonly TableColumn[];
  /** The planner's estimate; undefined when the table was never analysed. */
  readonly estimatedRows: number | undefined;
  readonly isReadable: boolean;
  /** Row level security hides rows from this role. */
  readonly isFiltered: boolean;
  readonly isOwned: boolean;
}

export interface TableColumn {
  readonly name: string;
  readonly type: number;
  readonly typmod: number;
  readonly notNull: boolean;
  readonly default?: string;
  /** pg_attribute.attgenerated: "" none, "s" stored, "v" virtual. */
  readonly generated: "" | "s" | "v";
}

/** What is the same for the whole session. */
export interface ServerFacts {
  /** server_version_num, such as 150018. */
  readonly version: number;
  readonly versionText: string;
  /** Tells servers apart, and a restored copy from its original only by the timeline. */
  readonly systemId: string;
  /** Grows with each promotion of a standby; undefined on a standby, whose own may change under an open connection. */
  readonly timeline: number | undefined;
  readonly walLevel: string;
  /** 0: no limit. */
  readonly walSenderTimeoutMs: number;
  readonly isSuperuser: boolean;
  readonly canReplicate: boolean;
  readonly isStandby: boolean;
  /** How far the log can be read: flushed, on a standby replayed. */
  readonly lsn: bigint;
  /** server_encoding; SQL_ASCII means that nobody has checked the bytes of texts. */
  readonly encoding: string;
}

export class Catalog implements AsyncDisposable {
  readonly #endpoint: Endpoint;
  readonly #watch: StatementWatch;
  readonly #typeOptions: TypeOptions;
  readonly #session: string | undefined;
  #connection: Promise<Connection> | undefined;
  #types: TypeCatalog | undefined;
  #interrupted = new AbortController();

  /** @param session a statement that each connection begins with */
  constructor(
    endpoint: Endpoint,
    { clock, log }: StatementWatch,
    typeOptions: TypeOptions,
    session?: string,
  ) {
    this.#session = session;
    this.#endpoint = endpoint;
    this.#watch = { clock, log };
    this.#typeOptions = typeOptions;
  }

  /**
   * Runs one statement on the control connection. It may take as long as it has to: statement_watch.ts.
   *
   * @param tried for the error message, as in `Cannot list tables`
   * @throws {ConnectorError} `connection_timeout` when the connection is dead; what the server says
   */
  async query(
    tried: string,
    sql: string,
    values?: readonly (string | number | readonly string[])[],
  ): Promise<TextRow[]> {
    const interrupted = this.#interrupted.signal;
    for (let isSecond = false;; isSecond = true) {
      const connection = await this.#open();
      try {
        return await watched(connection, tried, connection.query(tried, sql, values), this.#watch);
      } catch (error) {
        const isDead = error instanceof ConnectorError && error.code === "connection_timeout";
        if (isSecond || isDead || !connection.isLost || interrupted.aborted) throw error;
        // It may have been gone for long without our knowing.
        this.#connection = undefined;
      }
    }
  }

  async #open(): Promise<Connection> {
    const current = await this.#connection?.catch(() => undefined);
    if (current && !current.isLost) return current;
    current?.destroy();
    this.#connection = this.#connect();
    this.#connection.catch(() => {});
    return await this.#connection;
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open(
      this.#endpoint,
      this.#watch.clock,
      "sql",
      this.#interrupted.signal,
    );
    if (this.#session !== undefined) await connection.query("Cannot prepare the connection", this.#session);
    return connection;
  }

  /** The control connection itself, for what it knows of how it came about. */
  async connection(): Promise<Connection> {
    return await this.#open();
  }

  /** Fails what is under way, also a connection that is just being opened. */
  interrupt(): void {
    this.#interrupted.abort();
    this.#interrupted = new AbortController();
  }

  async facts(): Promise<ServerFacts> {
    const [row] = await this.query(
      "Cannot read the server's settings",
      `SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS version_text,
         (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
         CASE WHEN NOT pg_is_in_recovery() THEN
           ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text END AS timeline,
         current_setting('wal_level') AS wal_level,
         (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout') AS wal_sender_timeout,
         rolsuper::text AS is_superuser,
         (rolsuper OR rolreplication OR EXISTS (
           SELECT FROM pg_roles r WHERE r.rolname IN ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser')
             AND pg_has_role(r.oid, 'MEMBER')))::text AS can_replicate,
         pg_is_in_recovery()::text AS is_standby,
         (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END)::text AS lsn,
         current_setting('server_encoding') AS encoding
       FROM pg_roles WHERE rolname = current_user`,
    );
    return {
      version: Number(row.version),
      versionText: row.version_text ?? "",
      systemId: row.system_id ?? "",
      timeline: row.timeline === null ? undefined : Number(row.timeline),
      walLevel: row.wal_level ?? "",
      walSenderTimeoutMs: Number(row.wal_sender_timeout),
      isSuperuser: row.is_superuser === "true",
      canReplicate: row.can_replicate === "true",
      isStandby: row.is_standby === "true",
      lsn: parseLsn(row.lsn ?? "0/0"),
      encoding: row.encoding ?? "",
    };
  }

  /** Every table of the database that is not the system's: partitioned ones as well as their partitions. */
  async allTables(): Promise<Table[]> {
    return await this.#tables("n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'", []);
  }

  async tablesByOid(oids: readonly number[]): Promise<Table[]> {
    return await this.#tables("c.oid = ANY($1::oid[])", [oids.map(String)]);
  }

  async #tables(condition: string, values: readonly (readonly string[])[]): Promise<Table[]> {
    const rows = await this.query(
      "Cannot list tables",
      `${TABLES} AND ${condition} ORDER BY n.nspname, c.relname`,
      values,
    );
    return rows.map(readTable);
  }

  /** The types of the database, read when they are first asked for. */
  async types(): Promise<TypeCatalog> {
    if (this.#types === undefined) {
      const { lsn, rows } = await this.#lookUpTypes();
      this.#types ??= new TypeCatalog(rows, this.#typeOptions);
      this.#types.olderValues.lookedUpAt = lsn;
    }
    return this.#types;
  }

  /** Makes sure that these types are known, also when they were created a moment ago. */
  async learnTypes(oids: readonly number[]): Promise<TypeCatalog> {
    const types = await this.types();
    if (!oids.every((oid) => types.has(oid))) await this.refreshTypes();
    return types;
  }

  /** Reads the types again: one that is known may have been altered. */
  async refreshTypes(): Promise<void> {
    const types = await this.types();
    const { lsn, rows } = await this.#lookUpTypes();
    types.add(rows);
    types.olderValues.lookedUpAt = lsn;
  }

  async #lookUpTypes(): Promise<{ lsn: bigint; rows: TextRow[] }> {
    const tried = "Cannot read the types";
    // Before the types, so that they are not older than it.
    const [{ lsn }] = await this.query(
      tried,
      `SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END)::text AS lsn`,
    );
    return { lsn: parseLsn(lsn ?? "0/0"), rows: await this.query(tried, TYPE_QUERY) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    await connection?.[Symbol.asyncDispose]();
  }
}

const TABLES = `
SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
  c.relispartition::text AS is_partition, (c.relpersistence = 'p')::text AS is_logged,
  c.relreplident::text AS replica_identity,
  has_table_privilege(c.oid, 'SELECT')::text AS is_readable,
  row_security_active(c.oid)::text AS is_filtered,
  pg_has_role(c.relowner, 'USAGE')::text AS is_owned,
  (CASE c.relkind WHEN 'p' THEN
    (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)
  ELSE c.reltuples END)::bigint::text AS estimated_rows,
  (SELECT json_agg(a.attname ORDER BY k.place)::text
    FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts) AS primary_key,
  (SELECT json_agg(a.attname ORDER BY k.place)::text
    FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = c.oid AND i.indisreplident AND k.place <= i.indnkeyatts) AS identity_index,
  (SELECT (SELECT json_agg(a.attname ORDER BY k.place)::text
      FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE k.place <= i.indnkeyatts)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND i.indimmediate AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts AND NOT a.attnotnull)
    ORDER BY i.indnkeyatts, x.relname LIMIT 1) AS unique_index,
  (SELECT json_agg(json_build_object('name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod,
      'notNull', a.attnotnull, 'generated', a.attgenerated,
      'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END) ORDER BY a.attnum)::text
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')`;

function readTable(row: TextRow): Table {
  const list = (name: string) => JSON.parse(row[name] ?? "[]");
  const columns: readonly (TableColumn & { default: string | null })[] = list("columns");
  const estimatedRows = Number(row.estimated_rows);
  return {
    oid: Number(row.oid),
    schema: row.schema!,
    name: row.name!,
    isPartitioned: row.kind === "p",
    isPartition: row.is_partition === "true",
    isLogged: row.is_logged === "true",
    replicaIdentity: row.replica_identity as Table["replicaIdentity"],
    primaryKey: list("primary_key"),
    identityIndex: list("identity_index"),
    uniqueIndex: list("unique_index"),
    columns: columns.map((column) => ({ ...column, default: column.default ?? undefined })),
    estimatedRows: estimatedRows >= 0 ? estimatedRows : undefined,
    isReadable: row.is_readable === "true",
    isFiltered: row.is_filtered === "true",
    isOwned: row.is_owned === "true",
  };
}

/** Whether the server refuses updates and deletes of a table as soon as it is published. */
export function lacksIdentity({ replicaIdentity, primaryKey, isLogged }: Table): boolean {
  return isLogged && (replicaIdentity === "n" || (replicaIdentity === "d" && primaryKey.length === 0));
}

/** `public.orders`, for messages. */
export function tableName({ schema, name }: Pick<Table, "schema" | "name">): string {
  return `${schema}.${name}`;
}
