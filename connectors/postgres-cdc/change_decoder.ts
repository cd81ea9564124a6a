/**
 * The hot loop of the stream: frames of the replication connection → records in a BatchWriter. It runs until
 * something has to be waited for and says what; nothing is allocated for a row.
 *
 * Order of the records: the group is the commit LSN of the transaction, the index counts what the wire carries, wanted
 * or not: one for an insert, a delete, an update without an old row, a message; two for an update with an old row,
 * because it may become a delete and an insert; one for each table of a truncate.
 */
import { type BatchWriter, MAX_RECORDS } from "../../formats/data/batch_writer.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import { EPOCH_MICROS, MESSAGE, readRelation, type RelationMessage, TUPLE, VALUE } from "./pgoutput.ts";
import type { Relation } from "./relations.ts";
import { SCHEMA_SUFFIX, type SchemaChangeTopic } from "./schema_change.ts";
import { FRAME, type ServerError, type Wire } from "./wire.ts";

/**
 * Why the loop stopped. `more`: everything that has arrived is decoded. `full`: the batch must be finished first.
 * `relation`: `pendingRelation` must be looked up. `error`: the server sent `serverError`. `end`: it ended the stream.
 */
export type Stop = "more" | "full" | "relation" | "error" | "end";

/** A place between two changes of the stream. */
export interface StreamPoint {
  /** `index` 0: everything that committed before this LSN is behind us. Else the commit LSN of the transaction. */
  readonly lsn: bigint;
  /** The index of the next change in that transaction. */
  readonly index: number;
  /** Commit LSN of the last whole transaction, for `source.sequence`; 0: unknown. */
  readonly lastCommit: bigint;
}

/** What the stream tells beside the rows. */
export interface DecoderExtras {
  readonly schemaChanges?: SchemaChangeTopic;
}

const COPY_DATA = FRAME.copyData;
const XLOG_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
/** So many records may come of one message: a schema change, a delete and an insert. */
const MOST_AT_ONCE = 3;
/** Behind the first byte of XLogData: start, end, server clock. */
const XLOG_HEADER = 25;
const utf8 = new TextEncoder();

export class ChangeDecoder {
  pendingRelation: RelationMessage | undefined;
  serverError: ServerError | undefined;
  /** Set by a keepalive that asks for an answer; whoever answers clears it. */
  replyRequested = false;
  /** The highest LSN the server has sent. */
  receivedLsn: bigint;
  /** Commit time of the last change, microseconds since 1970; undefined before the first. */
  lastCommitMicros: bigint | undefined;

  readonly #writer: BatchWriter;
  readonly #relations = new Map<number, Relation>();
  #finished: "error" | "end" | undefined;

  // Between transactions: everything before is decoded. Inside one: its commit LSN.
  #lsn: bigint;
  #lastCommit: bigint;
  #inTransaction = false;
  #index = 0;
  #group = "";
  #timeMicros = 0n;
  #own: Uint8Array = new Uint8Array();
  #ownText = "";

  // Resuming inside a transaction: its commit LSN and how many of its changes are behind us.
  #resumeLsn: bigint | undefined;
  #resumeIndex: number;
  #skipBelow = 0;

  // Where the values of the two rows of an update lie, by place: kind, start, end.
  #old: Int32Array = new Int32Array(3 * 64);
  #new: Int32Array = new Int32Array(3 * 64);

  readonly #schemaChanges: SchemaChangeTopic | undefined;

  constructor(writer: BatchWriter, start: StreamPoint, { schemaChanges }: DecoderExtras = {}) {
    this.#writer = writer;
    this.#schemaChanges = schemaChanges;
    this.#lsn = this.receivedLsn = start.lsn;
    this.#lastCommit = start.lastCommit;
    this.#resumeLsn = start.index > 0 ? start.lsn : undefined;
    this.#resumeIndex = start.index;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** Right behind the last change that was decoded. */
  get point(): StreamPoint {
    // Before the first transaction after a resume, what was skipped to is still ahead.
    if (this.#resumeLsn !== undefined) {
      return { lsn: this.#resumeLsn, index: this.#resumeIndex, lastCommit: this.#lastCommit };
    }
    const index = this.#inTransaction ? Math.max(this.#index, this.#skipBelow) : 0;
    return { lsn: this.#lsn, index, lastCommit: this.#lastCommit };
  }

  /** What `pendingRelation` is; afterwards `run()` goes on behind it. */
  setRelation(relation: Relation): void {
    this.#relations.set(relation.oid, relation);
    this.pendingRelation = undefined;
  }

  /**
   * Decodes what has arrived.
   *
   * @throws {ConnectorError} `serialization_*` when the bytes make no sense, `state_*` when the stream does not
   * continue where it should
   */
  run(wire: Wire): Stop {
    try {
      return this.#run(wire);
    } catch (error) {
      if (error instanceof RangeError) {
        throw malformed(`the message is cut short (${error.message})`, error);
      }
      throw error;
    }
  }

  #run(wire: Wire): Stop {
    const writer = this.#writer;
    // The caller may have had to hand on a batch first.
    if (this.#finished !== undefined) return this.#finished;
    for (;;) {
      if (writer.length + MOST_AT_ONCE > MAX_RECORDS || writer.isFull) return "full";
      if (!wire.nextFrame()) return "more";
      const { bytes, frameStart } = wire;
      if (wire.frameType === COPY_DATA) {
        const kind = bytes[frameStart];
        if (kind === XLOG_DATA) {
          this.#change(wire, frameStart + XLOG_HEADER, wire.frameEnd);
          if (this.pendingRelation !== undefined) return "relation";
        } else if (kind === KEEPALIVE) this.#keepalive(wire.view, frameStart + 1, wire.frameEnd);
        else throw malformed(`an unknown kind of data (${kind})`);
      } else if (wire.frameType === FRAME.error) {
        this.serverError = wire.serverError();
        return this.#finished = "error";
      } else if (wire.frameType === FRAME.copyDone || wire.frameType === FRAME.commandComplete) {
        return this.#finished = "end";
      } else if (wire.frameType !== FRAME.notice && wire.frameType !== FRAME.parameter) {
        throw malformed(`an unexpected frame (${wire.frameType})`);
      }
    }
  }

  /** PostgreSQL documentation, "Streaming Replication Protocol", primary keepalive message. */
  #keepalive(view: DataView, at: number, end: number): void {
    if (at + 17 > end) throw malformed("a keepalive is too short");
    const walEnd = view.getBigUint64(at);
    if (walEnd > this.receivedLsn) this.receivedLsn = walEnd;
    // Everything up to there has been sent, so between transactions it is decoded too.
    if (!this.#inTransaction && this.#resumeLsn === undefined && walEnd > this.#lsn) this.#lsn = walEnd;
    if (view.getUint8(at + 16) !== 0) this.replyRequested = true;
  }

  #change(wire: Wire, at: number, end: number): void {
    const { bytes, view } = wire;
    if (at >= end) throw malformed("a message is empty");
    switch (bytes[at]) {
      case MESSAGE.insert:
        return this.#insert(bytes, view, at + 1, end);
      case MESSAGE.update:
        return this.#update(bytes, view, at + 1, end);
      case MESSAGE.delete:
        return this.#delete(bytes, view, at + 1, end);
      case MESSAGE.begin:
        return this.#begin(view, at + 1);
      case MESSAGE.commit:
        return this.#commit(view, at + 1);
      case MESSAGE.relation:
        this.pendingRelation = readRelation(bytes, view, at + 1, end);
        return;
      case MESSAGE.truncate:
        this.#expectTransaction();
        this.#index += Math.max(0, view.getInt32(at + 1));
        return;
      case MESSAGE.message:
        // Messages that are no part of a transaction are sent where they were written: between others.
        if ((view.getUint8(at + 1) & 1) !== 0) this.#index++;
        return;
      case MESSAGE.origin:
      case MESSAGE.type: // types are looked up in the catalog when a relation has one that is not known
        return;
      default:
        throw malformed(`an unknown message (${bytes[at]})`);
    }
  }

  #begin(view: DataView, at: number): void {
    if (this.#inTransaction) throw malformed("a transaction begins inside another");
    const commitLsn = view.getBigUint64(at);
    const timeMicros = view.getBigInt64(at + 8) + EPOCH_MICROS;
    const xid = view.getUint32(at + 16);
    if (commitLsn < this.#lsn) {
      throw new ConnectorError(
        `The server sent a transaction of LSN ${formatLsn(commitLsn)} behind LSN ${formatLsn(this.#lsn)}`,
        { code: "fatal_order" },
      );
    }
    this.#skipBelow = 0;
    if (this.#resumeLsn !== undefined) {
      if (commitLsn !== this.#resumeLsn) throw transactionGone(this.#resumeLsn, this.#resumeIndex, commitLsn);
      this.#skipBelow = this.#resumeIndex;
      this.#resumeLsn = undefined;
    }
    this.#inTransaction = true;
    this.#index = 0;
    this.#lsn = commitLsn;
    if (commitLsn > this.receivedLsn) this.receivedLsn = commitLsn;
    this.#group = sortableLsn(commitLsn);
    this.#timeMicros = this.lastCommitMicros = timeMicros;
    this.#ownText = sourceMembers(this.#lastCommit, commitLsn, xid);
    this.#own = utf8.encode(this.#ownText);
  }

  #commit(view: DataView, at: number): void {
    this.#expectTransaction();
    const commitLsn = view.getBigUint64(at + 1);
    const endLsn = view.getBigUint64(at + 9);
    if (commitLsn !== this.#lsn || endLsn < commitLsn) {
      throw malformed("a commit does not belong to its transaction");
    }
    if (this.#index < this.#skipBelow) throw transactionGone(commitLsn, this.#skipBelow, undefined);
    this.#inTransaction = false;
    this.#skipBelow = 0;
    this.#lastCommit = commitLsn;
    this.#lsn = endLsn;
    if (endLsn > this.receivedLsn) this.receivedLsn = endLsn;
  }

  #expectTransaction(): void {
    if (!this.#inTransaction) throw malformed("a change stands outside a transaction");
  }

  #relation(view: DataView, at: number): Relation {
    this.#expectTransaction();
    const oid = view.getUint32(at);
    const relation = this.#relations.get(oid);
    if (!relation) throw malformed(`a change of table ${oid}, which was not announced`);
    return relation;
  }

  #insert(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const index = this.#index++;
    if (bytes[at + 4] !== TUPLE.new) throw malformed("an insert has no row");
    if (!relation.isSelected) return;
    if (index < this.#skipBelow) return this.#skip(relation, index);
    if (relation.news !== undefined) this.#announce(relation, index);
    this.#writer.begin(relation.stream, "insert", this.#timeMicros, this.#group, index);
    const unavailable = this.#row("after", relation, bytes, view, at + 5, end, false);
    this.#end(relation, unavailable);
  }

  #delete(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const index = this.#index++;
    const kind = bytes[at + 4];
    if (kind !== TUPLE.key && kind !== TUPLE.old) throw malformed("a delete has no row");
    if (!relation.isSelected) return;
    if (index < this.#skipBelow) return this.#skip(relation, index);
    if (relation.news !== undefined) this.#announce(relation, index);
    this.#writer.begin(relation.stream, "delete", this.#timeMicros, this.#group, index);
    this.#row("before", relation, bytes, view, at + 5, end, kind === TUPLE.key);
    this.#writer.end(this.#own);
  }

  #update(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const kind = bytes[at + 4];
    const index = this.#index;
    const { stream } = relation;
    const writer = this.#writer;
    if (kind === TUPLE.new) {
      this.#index++;
      if (!relation.isSelected) return;
      if (index < this.#skipBelow) return this.#skip(relation, index);
      if (relation.news !== undefined) this.#announce(relation, index);
      writer.begin(stream, "update", this.#timeMicros, this.#group, index);
      const unavailable = this.#row("after", relation, bytes, view, at + 5, end, false);
      return this.#end(relation, unavailable);
    }
    if (kind !== TUPLE.key && kind !== TUPLE.old) throw malformed("an update has no row");
    this.#index += 2;
    if (!relation.isSelected) return;
    const isKeyOnly = kind === TUPLE.key;
    const count = relation.columns.length;
    if (this.#old.length < 3 * count) {
      this.#old = new Int32Array(3 * count);
      this.#new = new Int32Array(3 * count);
    }
    const newAt = this.#locate(this.#old, count, bytes, view, at + 5, end);
    if (bytes[newAt] !== TUPLE.new) throw malformed("an update has no new row");
    this.#locate(this.#new, count, bytes, view, newAt + 1, end);
    if (!this.#keyChanged(relation, bytes)) {
      if (index < this.#skipBelow) return this.#skip(relation, index);
      if (relation.news !== undefined) this.#announce(relation, index);
      writer.begin(stream, "update", this.#timeMicros, this.#group, index);
      this.#located("before", this.#old, undefined, relation, bytes, isKeyOnly);
      const unavailable = this.#located(
        "after",
        this.#new,
        isKeyOnly ? undefined : this.#old,
        relation,
        bytes,
        false,
      );
      return this.#end(relation, unavailable);
    }
    // Another key is another row for whoever stores by key: the old one goes, the new one comes.
    if (index >= this.#skipBelow) {
      if (relation.news !== undefined) this.#announce(relation, index);
      writer.begin(stream, "delete", this.#timeMicros, this.#group, index);
      this.#located("before", this.#old, undefined, relation, bytes, isKeyOnly);
      writer.end(this.#keyChangeOwn());
    } else this.#skip(relation, index);
    if (index + 1 < this.#skipBelow) return this.#skip(relation, index + 1);
    writer.begin(stream, "insert", this.#timeMicros, this.#group, index + 1);
    const unavailable = this.#located(
      "after",
      this.#new,
      isKeyOnly ? undefined : this.#old,
      relation,
      bytes,
      false,
    );
    if (unavailable === undefined) writer.end(this.#keyChangeOwn());
    else {writer.end(
        utf8.encode(`${this.#ownText},"key_changed":true${unavailableMember(relation, unavailable)}`),
      );}
  }

  /** A record that was delivered before reading was resumed inside its transaction. */
  #skip(relation: Relation, index: number): void {
    relation.news?.announce({ lsn: this.#lsn, index });
    relation.news = undefined;
  }

  /**
   * A table's first record since it has changed, number `index` of the transaction, is preceded by what has changed.
   * That has the index before, with a suffix, so that it sorts in between; there is none before 0, so it then
   * stands in a group between this transaction and the last one, whose commits are further apart than a byte.
   */
  #announce(relation: Relation, index: number): void {
    const { news } = relation;
    relation.news = undefined;
    if (news === undefined || news.isAnnounced) return;
    news.announce({ lsn: this.#lsn, index });
    if (this.#schemaChanges === undefined) return;
    news.write(this.#writer, this.#schemaChanges, {
      timeMicros: this.#timeMicros,
      lsn: this.#lsn,
      own: this.#own,
      ...(index > 0
        ? { group: this.#group, index: index - 1 }
        : { group: sortableLsn(this.#lsn - 1n), index: 0 }),
      suffix: SCHEMA_SUFFIX,
    });
  }

  #keyChangeOwn(): Uint8Array {
    return utf8.encode(`${this.#ownText},"key_changed":true`);
  }

  #end(relation: Relation, unavailable: number[] | undefined): void {
    this.#writer.end(
      unavailable === undefined
        ? this.#own
        : utf8.encode(this.#ownText + unavailableMember(relation, unavailable)),
    );
  }

  /**
   * Writes a row as it is read.
   *
   * @param identityOnly columns that are no part of the replica identity were not sent, although they look like NULL
   * @returns places of columns whose value was not sent because it has not changed
   */
  #row(
    part: "before" | "after",
    relation: Relation,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    end: number,
    identityOnly: boolean,
  ): number[] | undefined {
    const { columns, isIdentity } = relation;
    const writer = this.#writer;
    const count = view.getInt16(at);
    if (count !== columns.length) throw wrongCount(relation, count);
    at += 2;
    let unavailable: number[] | undefined;
    writer.beginRow(part);
    for (let i = 0; i < count; i++) {
      const kind = bytes[at++];
      if (kind === VALUE.text) {
        const start = at + 4;
        at = start + view.getInt32(at);
        if (at > end || at < start) throw malformed("a value is longer than its message");
        writer.column(columns[i]);
        this.#value(relation, i, bytes, start, at);
      } else if (kind === VALUE.null) {
        if (identityOnly && !isIdentity[i]) continue;
        writer.column(columns[i]);
        writer.null();
      } else if (kind === VALUE.unchanged) (unavailable ??= []).push(i);
      else throw malformed(`an unknown kind of value (${kind})`);
    }
    if (at > end) throw malformed("a row is longer than its message");
    writer.endRow();
    return unavailable;
  }

  #value(relation: Relation, place: number, bytes: Uint8Array, start: number, end: number): void {
    try {
      relation.writers[place](this.#writer, bytes, start, end);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      throw unreadableValue(relation.stream, place, error);
    }
  }

  /** Notes kind, start and end of the values of a row. Returns where it ends. */
  #locate(
    places: Int32Array,
    count: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    end: number,
  ): number {
    const sent = view.getInt16(at);
    if (sent !== count) throw malformed(`a row of ${sent} columns where ${count} were announced`);
    at += 2;
    for (let i = 0; i < count; i++) {
      const kind = bytes[at++];
      places[i * 3] = kind;
      if (kind === VALUE.text) {
        const start = at + 4;
        at = start + view.getInt32(at);
        if (at > end || at < start) throw malformed("a value is longer than its message");
        places[i * 3 + 1] = start;
        places[i * 3 + 2] = at;
      } else if (kind !== VALUE.null && kind !== VALUE.unchanged) {
        throw malformed(`an unknown kind of value (${kind})`);
      }
    }
    if (at > end) throw malformed("a row is longer than its message");
    return at;
  }

  /** Writes a row from noted places; values that were not sent are taken from `fallback`. */
  #located(
    part: "before" | "after",
    places: Int32Array,
    fallback: Int32Array | undefined,
    relation: Relation,
    bytes: Uint8Array,
    identityOnly: boolean,
  ): number[] | undefined {
    const { columns, isIdentity } = relation;
    const writer = this.#writer;
    let unavailable: number[] | undefined;
    writer.beginRow(part);
    for (let i = 0; i < columns.length; i++) {
      let from = places;
      if (places[i * 3] === VALUE.unchanged && fallback !== undefined) from = fallback;
      const kind = from[i * 3];
      if (kind === VALUE.text) {
        writer.column(columns[i]);
        this.#value(relation, i, bytes, from[i * 3 + 1], from[i * 3 + 2]);
      } else if (kind === VALUE.unchanged) (unavailable ??= []).push(i);
      else if (!identityOnly || isIdentity[i]) {
        writer.column(columns[i]);
        writer.null();
      }
    }
    writer.endRow();
    return unavailable;
  }

  #keyChanged({ keyPlaces }: Relation, bytes: Uint8Array): boolean {
    for (const i of keyPlaces) {
      const now = this.#new[i * 3];
      if (now === VALUE.unchanged) continue;
      if (now !== this.#old[i * 3]) return true;
      if (now === VALUE.null) continue;
      const before = this.#old[i * 3 + 1];
      const after = this.#new[i * 3 + 1];
      const size = this.#new[i * 3 + 2] - after;
      if (this.#old[i * 3 + 2] - before !== size) return true;
      for (let k = 0; k < size; k++) if (bytes[before + k] !== bytes[after + k]) return true;
    }
    return false;
  }
}

/**
 * The connector's own members of `source`, one text for a whole transaction. `sequence` is Debezium's: JSON text of
 * the last commit LSN and this one, as decimal strings. `lsn` is the commit's, too, not the row's.
 */
export function sourceMembers(lastCommit: bigint, lsn: bigint, xid: number | null): string {
  const sequence = JSON.stringify(
    JSON.stringify([lastCommit === 0n ? null : String(lastCommit), String(lsn)]),
  );
  return `,"sequence":${sequence},"txId":${xid},"lsn":"${formatLsn(lsn)}","lsn_num":${lsn},"xmin":null`;
}

function unavailableMember({ stream }: Relation, places: readonly number[]): string {
  return `,"unavailable_columns":${JSON.stringify(places.map((i) => stream.columns![i].name))}`;
}

function malformed(found: string, cause?: unknown): ConnectorError {
  return new ConnectorError(`Cannot read the replication stream: ${found}`, {
    code: "serialization_pgoutput",
    hint:
      "The stream or this program is damaged; nothing was confirmed to the server, so a restart reads it again",
    cause,
  });
}

function wrongCount({ stream, columns }: Relation, count: number): ConnectorError {
  return malformed(
    `a row of ${count} columns of "${qualifiedName(stream)}", which was announced with ${columns.length}`,
  );
}

/** A value that its codec can't read: the whole flow stops, because leaving it out would be a silent loss. */
export function unreadableValue(
  stream: { name: string; namespace?: string; columns?: readonly { name: string }[] },
  place: number,
  cause: RecordError,
): ConnectorError {
  const column = stream.columns?.[place]?.name ?? `number ${place + 1}`;
  return new ConnectorError(
    `Cannot read column "${column}" of "${qualifiedName(stream)}": ${cause.message}`,
    {
      code: cause.code,
      retryable: false,
      hint:
        "Leave the table out with exclude_tables, or the column out with a column list of the publication",
      cause,
    },
  );
}

function transactionGone(lsn: bigint, index: number, found: bigint | undefined): ConnectorError {
  return new ConnectorError(
    `Cannot resume behind change ${index} of the transaction of LSN ${formatLsn(lsn)}: ` +
      (found === undefined ? "it has fewer changes now" : `the server went on with LSN ${formatLsn(found)}`),
    {
      code: "state_transaction_gone",
      hint:
        "The slot was moved, or another publication is used than when the position was saved: use the old one " +
        "again, or delete the saved position of this source for a new snapshot",
    },
  );
}
