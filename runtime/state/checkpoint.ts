/**
 * Where positions, marks and dead letters are kept: `state.db` in the state directory. What makes "nothing is lost"
 * true is that a commit is one transaction here, after the sink's flush and before the source's acknowledgement
 * (`commit` in pipeline.ts). It stands behind an interface because several processes together need the same
 * documents in a shared store.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Position } from "../../formats/data/batch.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import type { DeadLetter } from "../dead_letters/dead_letter.ts";
import {
  DEAD_LETTERS_SINCE_FORMAT_1,
  DEAD_LETTERS_TABLE,
  DeadLetterTable,
} from "../dead_letters/dead_letter_table.ts";
import { stateError } from "./state_error.ts";

/** For each lane the order of the last record that is durable. */
export type Marks = Readonly<Record<string, string>>;

/** What one commit of a flow saves, all or nothing. */
export interface Commit {
  readonly flow: string;
  readonly sink: string;
  readonly marks: Marks;
  /** What the sink's `flush()` returned; undefined leaves what was saved before. */
  readonly saved: Json | undefined;
  readonly deadLetters: readonly DeadLetter[];
  readonly source: string;
  readonly connector: string;
  /** The lowest position that all flows of the source have made durable; undefined while some flow has none. */
  readonly position: Position | undefined;
}

export interface Checkpoints extends Disposable {
  /** @throws {ConnectorError} when the state belongs to another connector */
  position(source: string, connector: string): Position | undefined;
  marks(flow: string): Marks;
  saved(flow: string, sink: string): Json | undefined;
  commit(commit: Commit): void;
  /**
   * Forgets the source's position and the flow's marks, all or nothing. What the sink needs to go on with its target,
   * documents and dead letters stay, and so do the marks of other flows.
   *
   * @returns whether there was anything to forget
   */
  forget(source: string, flow: string): boolean;
  /** What a replay of dead letters has changed, all or nothing: what the sink's `flush()` returned, and `letters`. */
  settle(replayed: Pick<Commit, "flow" | "sink" | "saved">, letters: (table: DeadLetterTable) => void): void;
  /** All documents of a connector. */
  documents(scope: string): Readonly<Record<string, Json>>;
  /** Saves documents, by key, all or none. */
  putDocuments(scope: string, documents: Readonly<Record<string, Json>>): void;
  readonly deadLetters: DeadLetterTable;
}

const FORMAT = 2;

/** What makes of a state of each older format one of the next. */
const MIGRATIONS: Readonly<Record<number, string>> = { 1: DEAD_LETTERS_SINCE_FORMAT_1 };

const META = "create table if not exists meta (name text primary key, value text not null) strict";

const SCHEMA = `
  create table if not exists sources (
    name text primary key, connector text not null, position text not null, saved_us integer not null) strict;
  create table if not exists marks (
    flow text not null, lane text not null, "order" text not null, primary key (flow, lane)) strict;
  create table if not exists sinks (
    flow text not null, sink text not null, saved text not null, primary key (flow, sink)) strict;
  create table if not exists documents (
    scope text not null, key text not null, value text not null, primary key (scope, key)) strict;
  ${DEAD_LETTERS_TABLE}
`;

/**
 * Opens `state.db`, making it when there is none.
 *
 * @param path the file, or `:memory:`
 * @throws {ConnectorError} code `state_…` when it can't be opened, is damaged or was written by a newer version
 */
export function openCheckpoints(path: string, nowMicros: () => bigint): Checkpoints {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000;");
    bringUpToDate(db, path);
    db.exec(SCHEMA);
    return new SqliteCheckpoints(db, path, nowMicros);
  } catch (error) {
    db?.close();
    if (error instanceof ConnectorError) throw error;
    throw stateError(`Cannot open the state "${path}"`, error);
  }
}

function bringUpToDate(db: DatabaseSync, path: string): void {
  db.exec(META);
  db.prepare("insert or ignore into meta values ('format', ?)").run(String(FORMAT));
  const { value } = db.prepare("select value from meta where name = 'format'").get() as { value: string };
  const found = Number(value);
  if (!(found <= FORMAT)) {
    throw new ConnectorError(`The state "${path}" has format ${value}; this version reads up to ${FORMAT}`, {
      code: "state_format",
      hint: "Run it with the version that wrote it, or name another settings.state_dir",
    });
  }
  if (found === FORMAT) return;
  const steps = Array.from({ length: FORMAT - found }, (_, k) => MIGRATIONS[found + k]);
  db.exec(
    `begin immediate; ${steps.join("")} update meta set value = '${FORMAT}' where name = 'format'; commit;`,
  );
}

class SqliteCheckpoints implements Checkpoints {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #nowMicros: () => bigint;
  readonly #putPosition: StatementSync;
  readonly #putMark: StatementSync;
  readonly #putSaved: StatementSync;
  readonly deadLetters: DeadLetterTable;

  constructor(db: DatabaseSync, path: string, nowMicros: () => bigint) {
    this.#db = db;
    this.#path = path;
    this.#nowMicros = nowMicros;
    this.#putPosition = db.prepare(
      `insert into sources values (?, ?, ?, ?) on conflict (name) do update set
       connector = excluded.connector, position = excluded.position, saved_us = excluded.saved_us`,
    );
    this.#putMark = db.prepare(
      `insert into marks values (?, ?, ?) on conflict (flow, lane) do update set "order" = excluded."order"`,
    );
    this.#putSaved = db.prepare(
      "insert into sinks values (?, ?, ?) on conflict (flow, sink) do update set saved = excluded.saved",
    );
    this.deadLetters = new DeadLetterTable(db, path);
  }

  position(source: string, connector: string): Position | undefined {
    const statement = "select connector, position from sources where name = ?";
    const [row] = this.#read<{ connector: string; position: Position }>(statement, [source], "position");
    if (!row) return undefined;
    if (row.connector === connector) return row.position;
    throw new ConnectorError(
      `The state "${this.#path}" holds a position of source "${source}" from connector "${row.connector}", ` +
        `but its connector is now "${connector}"`,
      {
        code: "state_other_connector",
        hint: "Give the source another name, or name another settings.state_dir",
      },
    );
  }

  marks(flow: string): Marks {
    const statement = `select lane, "order" from marks where flow = ?`;
    const rows = this.#read<{ lane: string; order: string }>(statement, [flow]);
    return Object.fromEntries(rows.map(({ lane, order }) => [lane, order]));
  }

  saved(flow: string, sink: string): Json | undefined {
    const statement = "select saved from sinks where flow = ? and sink = ?";
    return this.#read<{ saved: Json }>(statement, [flow, sink], "saved")[0]?.saved;
  }

  commit(commit: Commit): void {
    const { flow, sink, marks, saved, deadLetters, source, connector, position } = commit;
    const now = this.#nowMicros();
    this.#transaction(() => {
      for (const lane in marks) this.#putMark.run(flow, lane, marks[lane]);
      if (saved !== undefined) this.#putSaved.run(flow, sink, JSON.stringify(saved));
      for (const letter of deadLetters) {
        this.deadLetters.insert(flow, letter.stage === "sink" ? sink : source, letter, now);
      }
      if (position) this.#putPosition.run(source, connector, JSON.stringify(position), now);
    });
  }

  forget(source: string, flow: string): boolean {
    let forgotten = 0;
    this.#transaction(() => {
      for (const [table, column, name] of [["sources", "name", source], ["marks", "flow", flow]]) {
        forgotten += Number(this.#db.prepare(`delete from ${table} where ${column} = ?`).run(name).changes);
      }
    });
    return forgotten > 0;
  }

  settle(
    { flow, sink, saved }: Pick<Commit, "flow" | "sink" | "saved">,
    letters: (table: DeadLetterTable) => void,
  ): void {
    this.#transaction(() => {
      if (saved !== undefined) this.#putSaved.run(flow, sink, JSON.stringify(saved));
      letters(this.deadLetters);
    });
  }

  documents(scope: string): Readonly<Record<string, Json>> {
    const statement = "select key, value from documents where scope = ?";
    const rows = this.#read<{ key: string; value: Json }>(statement, [scope], "value");
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }

  putDocuments(scope: string, documents: Readonly<Record<string, Json>>): void {
    this.#transaction(() => {
      const put = this.#db.prepare(
        "insert into documents values (?, ?, ?) on conflict (scope, key) do update set value = excluded.value",
      );
      for (const key in documents) put.run(scope, key, JSON.stringify(documents[key]));
    });
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** The rows of a query; the column `json` holds a document. */
  #read<R>(statement: string, values: readonly string[], json?: keyof R & string): R[] {
    try {
      const rows = this.#db.prepare(statement).all(...values) as unknown as Record<string, unknown>[];
      if (json) { for (const row of rows) row[json] = JSON.parse(row[json] as string); }
      return rows as R[];
    } catch (error) {
      throw stateError(`Cannot read the state "${this.#path}"`, error);
    }
  }

  #transaction(work: () => void): void {
    try {
      this.#db.exec("begin immediate");
      work();
      this.#db.exec("commit");
    } catch (error) {
      try {
        this.#db.exec("rollback");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      throw stateError(`Cannot save to the state "${this.#path}"`, error);
    }
  }
}
