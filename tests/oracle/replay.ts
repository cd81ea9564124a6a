/**
 * What somebody has who applies all that the program has written, line by line: rows by key, with partial updates.
 * It demands the order that is promised, and tells where the first line breaks it.
 */
import { type Envelope, type ExactJson, parseEnvelope, plainText, type Row } from "./envelope.ts";

export interface Replay {
  /** `schema.table` → its rows. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, Row>>;
  /** txId → how many changes of rows came of it; a changed key is one change. */
  readonly changes: ReadonlyMap<string, number>;
  /** The point that the last attempt of the snapshot shows. */
  readonly snapshotLsn: bigint;
  /** Of the snapshot, with rows in the file. */
  readonly attempts: number;
  readonly lines: number;
}

/**
 * @param keys `schema.table` → the columns of its key; none: its rows are told apart by all their values
 * @throws {Error} that names the line where something is out of order, comes twice, or does not fit
 */
export async function replayAll(
  lines: AsyncIterable<string> | Iterable<string>,
  keys: ReadonlyMap<string, readonly string[]>,
): Promise<Replay> {
  const replay = new Replayer(keys);
  for await (const line of lines) replay.apply(line);
  return replay;
}

class Replayer implements Replay {
  readonly tables = new Map<string, Map<string, Row>>();
  readonly changes = new Map<string, number>();
  snapshotLsn = 0n;
  attempts = 0;
  lines = 0;

  readonly #keys: ReadonlyMap<string, readonly string[]>;
  #isStreaming = false;
  /** Lane → the last order in it. */
  readonly #orders = new Map<string, string>();
  /** Table → the last attempt that has read it. */
  readonly #snapshots = new Map<string, { attempt: number; lsn: bigint; isFirst: boolean }>();
  #attempt = 0;
  #snapshotIsWhole = false;
  /** Deleted because its key changes: has what the insert of the new key may leave out. */
  #moved: Row | undefined;

  constructor(keys: ReadonlyMap<string, readonly string[]>) {
    this.#keys = keys;
  }

  apply(line: string): void {
    this.lines++;
    const envelope = parseEnvelope(line, this.lines);
    const { source } = envelope;
    const name = `${plainText(source.schema)}.${plainText(source.table)}`;
    this.#inOrder(plainText(source.lane), plainText(source.order), envelope, name);
    const key = this.#keys.get(name);
    if (key === undefined) this.#fail(`a table that is not there, "${name}"`);
    let rows = this.tables.get(name);
    if (!rows) this.tables.set(name, rows = new Map());
    if (key.length > 0) this.#byKey(rows, key, envelope, name);
    else this.#byValue(rows, envelope, name);
  }

  #fail(what: string): never {
    throw new Error(`Line ${this.lines} has ${what}`);
  }

  /** Snapshots before the stream, each from its beginning; in each lane every order once, in order. */
  #inOrder(lane: string, order: string, { source, op }: Envelope, name: string): void {
    const before = this.#orders.get(lane);
    if (before !== undefined && order <= before) this.#fail(`the order ${order} behind ${before} in ${lane}`);
    this.#orders.set(lane, order);
    if (lane === "stream") {
      if (!this.#isStreaming && this.attempts > 0 && !this.#snapshotIsWhole) {
        this.#fail("a change behind a snapshot that is not complete");
      }
      this.#isStreaming = true;
      // One transaction has one commit LSN and the other way round, so transactions are not interleaved.
      if (!order.startsWith(lsnOf(source).toString(16).toUpperCase().padStart(16, "0"))) {
        this.#fail(`the order ${order} in a transaction of LSN ${plainText(source.lsn)}`);
      }
      const isSecondHalf = source.key_changed === true && op === "c";
      const id = plainText(source.txId);
      if (!isSecondHalf && op !== "t") this.changes.set(id, (this.changes.get(id) ?? 0) + 1);
      return;
    }
    if (this.#isStreaming) this.#fail("a row of a snapshot behind a change");
    const attempt = Number(/^snapshot\/.*\/(\d+)$/.exec(lane)?.[1] ?? this.#fail(`a lane "${lane}"`));
    if (attempt < this.#attempt) this.#fail(`a row of attempt ${attempt} again`);
    if (attempt > this.#attempt) {
      this.#attempt = attempt;
      this.attempts++;
      this.#snapshotIsWhole = false;
      this.snapshotLsn = lsnOf(source);
    }
    const last = this.#snapshots.get(name);
    if (last?.attempt !== attempt) {
      this.#snapshots.set(name, { attempt, lsn: lsnOf(source), isFirst: last === undefined });
      // Rows without key can't be told from the same rows of another attempt, so the last one counts alone.
      if (this.#keys.get(name)?.length === 0) this.tables.get(name)?.clear();
    }
    if (source.snapshot === "last") this.#snapshotIsWhole = true;
  }

  /**
   * Behind a snapshot that had to be begun again come changes that it shows already: they may not fit, and every key
   * ends as the snapshot has it.
   */
  #isRepetition(source: Row, name: string): boolean {
    return this.#isStreaming && lsnOf(source) < (this.#snapshots.get(name)?.lsn ?? this.snapshotLsn);
  }

  #byKey(
    rows: Map<string, Row>,
    key: readonly string[],
    { op, before, after, source }: Envelope,
    name: string,
  ): void {
    const row = op === "d" ? before : after;
    if (op === "t") return rows.clear();
    if (row === undefined) this.#fail(`"${op}" without a row`);
    const id = JSON.stringify(key.map((column) => plainText(row[column] ?? this.#fail(`no "${column}"`))));
    const old = rows.get(id);
    const isRepetition = this.#isRepetition(source, name);
    const isStrict = this.#isStreaming ? !isRepetition : this.#snapshots.get(name)?.isFirst;
    if (isStrict && (old !== undefined) !== (op === "u" || op === "d")) {
      this.#fail(`"${op}" of the row ${id} of ${name}, which is ${old ? "there" : "not there"}`);
    }
    if (op === "d") {
      this.#moved = source.key_changed === true ? old : undefined;
      rows.delete(id);
      return;
    }
    // A value that was left out is the one the row had, under the key it had. Where changes are repeated, the row under
    // the old key may be a later one, but then the snapshot has shown the new key's row already.
    const moved = source.key_changed === true ? this.#moved : undefined;
    const rowsBefore = isRepetition ? [old, moved] : [moved, old];
    const kept: Row = {};
    for (const column of (source.unavailable_columns ?? []) as string[]) {
      const from = rowsBefore.find((each) => each !== undefined && column in each);
      if (from !== undefined) kept[column] = from[column];
      else if (isStrict) {
        this.#fail(`a value of "${column}" left out that never came, in row ${id} of ${name}`);
      }
    }
    rows.set(id, { ...kept, ...row });
  }

  #byValue(rows: Map<string, Row>, { op, before, after, source }: Envelope, name: string): void {
    if (this.#isRepetition(source, name)) return;
    if (op === "t") return rows.clear();
    if (before) {
      const text = textOf(before);
      if (!rows.delete(`${text} ${copies(rows, text) - 1}`)) {
        this.#fail(`"${op}" of a row of ${name} that is not there`);
      }
    }
    if (after) {
      const text = textOf(after);
      rows.set(`${text} ${copies(rows, text)}`, after);
    }
  }
}

function copies(rows: Map<string, Row>, text: string): number {
  let copy = 0;
  while (rows.has(`${text} ${copy}`)) copy++;
  return copy;
}

/** By column name, because columns may come in another order after DDL. */
function textOf(row: Row): string {
  return JSON.stringify(
    Object.entries(row).sort(([a], [b]) => a < b ? -1 : 1).map(([name, value]) => [name, textOrNull(value)]),
  );
}

function textOrNull(value: ExactJson): string | null {
  return value === null ? null : plainText(value);
}

function lsnOf(source: Row): bigint {
  return BigInt(plainText(source.lsn_num));
}
