/** The table `dead_letters` of state.db: written by the commits of checkpoint.ts, read and emptied by `dlq`. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { Header } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { DeadLetter, RecordShape, Stage } from "./dead_letter.ts";
import { stateError } from "../state/state_error.ts";

/** A dead letter as it is kept. */
export interface KeptLetter extends DeadLetter {
  readonly id: number;
  readonly pipeline: string;
  /** The source or the sink in which it failed. */
  readonly connectorName: string;
  /** How often it was replayed in vain. */
  readonly retryCount: number;
  readonly atMicros: bigint;
}

/** What the list shows of one. */
export type LetterSummary = Omit<KeptLetter, "payload" | "key" | "headers">;

/** Each given one narrows it down. */
export interface LetterFilter {
  readonly pipeline?: string;
  readonly stream?: string;
  readonly sinceMicros?: bigint;
}

export const DEAD_LETTERS_TABLE = `
  create table if not exists dead_letters (
    id integer primary key, flow text not null, lane text not null, "order" text, stream text not null,
    namespace text, stage text not null, code text not null, error text not null, payload blob not null, key blob,
    at_us integer not null, connector_name text not null default '', transform text, definition text,
    withheld integer not null default 0, headers text, topic text, partition integer, "offset" integer,
    retry_count integer not null default 0) strict;
  create index if not exists dead_letters_place on dead_letters (flow, lane, "order");
  create table if not exists handled_letters (
    topic text not null, partition integer not null, "offset" integer not null,
    primary key (topic, partition, "offset")) strict;
`;

/** What the table of format 1 lacked; all of its letters were of sinks. */
export const DEAD_LETTERS_SINCE_FORMAT_1 = `
  alter table dead_letters add column connector_name text not null default '';
  alter table dead_letters add column transform text;
  alter table dead_letters add column definition text;
  alter table dead_letters add column withheld integer not null default 0;
  alter table dead_letters add column headers text;
  alter table dead_letters add column topic text;
  alter table dead_letters add column partition integer;
  alter table dead_letters add column "offset" integer;
  alter table dead_letters add column retry_count integer not null default 0;
  update dead_letters set connector_name = coalesce((select sink from sinks where flow = dead_letters.flow), '');
`;

const SUMMARY = `id, flow, connector_name, stage, code, error, transform, lane, "order", stream, namespace,
  definition, withheld, topic, partition, "offset", retry_count, at_us`;

interface LetterRow {
  readonly id: number;
  readonly flow: string;
  readonly connector_name: string;
  readonly stage: Stage;
  readonly code: string;
  readonly error: string;
  readonly transform: string | null;
  readonly lane: string;
  readonly order: string | null;
  readonly stream: string;
  readonly namespace: string | null;
  readonly definition: string | null;
  readonly withheld: number;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly offset: bigint | null;
  readonly retry_count: number;
  readonly at_us: bigint;
  readonly payload: Uint8Array;
  readonly key: Uint8Array | null;
  readonly headers: string | null;
}

export class DeadLetterTable {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #insert: StatementSync;

  /** @param path of the database, for messages */
  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    // A source that two flows share may come to a record again whose letter the faster one has kept.
    this.#insert = db.prepare(
      `insert into dead_letters (flow, lane, "order", stream, namespace, stage, code, error, payload, key, at_us,
         connector_name, transform, definition, withheld, headers, topic, partition, "offset")
       select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19
       where ?3 is null or not exists (
         select 1 from dead_letters where flow = ?1 and lane = ?2 and "order" = ?3 and stage = ?6)`,
    );
  }

  /** Within the caller's transaction. */
  insert(flow: string, connectorName: string, letter: DeadLetter, atMicros: bigint): void {
    const { stream, origin, headers } = letter;
    this.#insert.run(
      flow,
      letter.lane,
      letter.order ?? null,
      stream.name,
      stream.namespace ?? null,
      letter.stage,
      letter.code,
      letter.error,
      letter.payload,
      letter.key ?? null,
      atMicros,
      connectorName,
      letter.transform ?? null,
      writeDefinition(letter),
      letter.withheld ? 1 : 0,
      headers ? writeHeaders(headers) : null,
      origin?.topic ?? null,
      origin?.partition ?? null,
      origin?.offset ?? null,
    );
  }

  count(flow: string): number {
    return Number(
      this.#rows<{ n: bigint }>("select count(*) as n from dead_letters where flow = ?", flow)[0].n,
    );
  }

  /** The oldest first. */
  list({ pipeline, stream, sinceMicros }: LetterFilter = {}): readonly LetterSummary[] {
    const wanted = `(?1 is null or flow = ?1) and (?2 is null or at_us >= ?2)
      and (?3 is null or stream = ?3 or namespace || '.' || stream = ?3)`;
    const statement = `select ${SUMMARY} from dead_letters where ${wanted} order by id`;
    return this.#rows<LetterRow>(statement, pipeline ?? null, sinceMicros ?? null, stream ?? null).map(
      summaryOf,
    );
  }

  get(id: number): KeptLetter | undefined {
    const statement = `select ${SUMMARY}, payload, key, headers from dead_letters where id = ?`;
    const [row] = this.#rows<LetterRow>(statement, id);
    return row && {
      ...summaryOf(row),
      payload: row.payload,
      key: row.key ?? undefined,
      headers: row.headers === null ? undefined : readHeaders(row.headers),
    };
  }

  /** @returns how many there were */
  drop(ids: readonly number[]): number {
    return this.#run(
      "delete from dead_letters where id in (select value from json_each(?))",
      JSON.stringify(ids),
    );
  }

  /** Letters of a topic that were replayed or dropped: a topic itself forgets nothing. By partition and offset. */
  handled(topic: string): (partition: number, offset: bigint) => boolean {
    const rows = this.#rows<{ partition: bigint; offset: bigint }>(
      'select partition, "offset" from handled_letters where topic = ?',
      topic,
    );
    const known = new Set(rows.map(({ partition, offset }) => `${partition} ${offset}`));
    return (partition, offset) => known.has(`${partition} ${offset}`);
  }

  noteHandled(topic: string, partition: number, offset: bigint): void {
    this.#run("insert or ignore into handled_letters values (?, ?, ?)", topic, partition, offset);
  }

  /** A replay in vain: what was wrong this time. */
  noteRetry(id: number, { code, error }: { readonly code: string; readonly error: string }): void {
    this.#run(
      "update dead_letters set retry_count = retry_count + 1, code = ?, error = ? where id = ?",
      code,
      error,
      id,
    );
  }

  #rows<Row>(statement: string, ...values: SQLInputValue[]): Row[] {
    try {
      const prepared = this.#db.prepare(statement);
      prepared.setReadBigInts(true);
      return prepared.all(...values) as unknown as Row[];
    } catch (error) {
      throw stateError(`Cannot read the state "${this.#path}"`, error);
    }
  }

  #run(statement: string, ...values: SQLInputValue[]): number {
    try {
      return Number(this.#db.prepare(statement).run(...values).changes);
    } catch (error) {
      throw stateError(`Cannot save to the state "${this.#path}"`, error);
    }
  }
}

function summaryOf(row: LetterRow): LetterSummary {
  const { stage, code, error, lane, topic, partition, offset } = row;
  const hasOrigin = topic !== null || partition !== null || offset !== null;
  return {
    id: Number(row.id),
    pipeline: row.flow,
    connectorName: row.connector_name,
    retryCount: Number(row.retry_count),
    atMicros: row.at_us,
    stage,
    code,
    error,
    transform: row.transform ?? undefined,
    lane,
    order: row.order ?? undefined,
    ...(row.definition === null ? { stream: bareStream(row) } : readDefinition(JSON.parse(row.definition))),
    withheld: Number(row.withheld) !== 0,
    origin: hasOrigin
      ? {
        topic: topic ?? undefined,
        partition: partition === null ? undefined : Number(partition),
        offset: offset ?? undefined,
      }
      : undefined,
  };
}

/** What a replay has to know of the record besides its text: its stream, and its shape as one more member. */
export function writeDefinition({ stream, record }: DeadLetter): string {
  return JSON.stringify({ ...stream, record });
}

export function readDefinition(
  { record, ...stream }: Stream & { record?: RecordShape },
): Pick<DeadLetter, "stream" | "record"> {
  return record ? { stream, record } : { stream };
}

/** Format 1 kept only the names. */
function bareStream({ stream, namespace }: LetterRow): Stream {
  return { name: stream, namespace: namespace ?? undefined, key: [], payload: "row", version: 0 };
}

/** Text as text, bytes as `{"b64": …}`. */
export function writeHeaders(headers: readonly Header[]): string {
  return JSON.stringify(
    headers.map(([name, value]) => [name, typeof value === "string" ? value : { b64: value.toBase64() }]),
  );
}

export function readHeaders(text: string): readonly Header[] {
  const written = JSON.parse(text) as [string, string | { b64: string }][];
  return written.map((
    [name, value],
  ) => [name, typeof value === "string" ? value : Uint8Array.fromBase64(value.b64)]);
}
