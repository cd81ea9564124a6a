/**
 * The hot loop of the stream: frames of the replication connection → records in a BatchWriter. It runs until
 * something has to be waited for and says what; nothing is allocated for a row.
 *
 * Order of the records: the group is the commit LSN of the transaction, the index counts what the wire carries, wanted
 * or not: one for an insert, a delete, an update without an old row, a message; two for an update with an old row,
 * because it may become a delete and an insert; one for each table of a truncate. A tombstone has the number of its
 * delete and ".1". A message that is no part of a transaction is a group of its own, see #message.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { type BatchWriter, MAX_RECORDS } from "../../formats/data/batch_writer.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { DecoderExtras, StreamWatcher, UnsentValues } from "./decoder_extras.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import {
  EPOCH_MICROS,
  type LogicalMessage,
  MESSAGE,
  readLogicalMessage,
  readOrigin,
  readRelation,
  readTruncate,
  type RelationMessage,
  TRUNCATE,
  TUPLE,
} from "./pgoutput.ts";
import type { Relation } from "./relations.ts";
import { sourceMembers, unavailableMember } from "./source_members.ts";
import { keyChanged } from "./row_values.ts";
import { RowWriter, StaleTypes } from "./row_writer.ts";
import { malformed, transactionGone, unreadableRow } from "./stream_errors.ts";
import { SCHEMA_SUFFIX, type SchemaChangeTopic, type StreamNews } from "./schema_change.ts";
import type { Place } from "./schema_history.ts";
import { BEGIN_SUFFIX, type TransactionMetadata } from "./transaction_metadata.ts";
import { type UnreadableRows } from "./unreadable_rows.ts";
import type { OlderValues } from "./types/mod.ts";
import { messageStream, PLAIN_CHANGES, type WantedChanges, writeMessage } from "./wanted.ts";
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

const COPY_DATA = FRAME.copyData;
const XLOG_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
/**
 * So many records may come of one message: the beginning of the transaction, a schema change, a delete, its tombstone
 * and an insert.
 */
const MOST_AT_ONCE = 5;
/** Behind the first byte of XLogData: start, end, server clock. */
const XLOG_HEADER = 25;
const utf8 = new TextEncoder();

export class ChangeDecoder {
  pendingRelation: RelationMessage | undefined;
  /** Set with `pendingRelation`: a value did not fit its type, so the type may have changed since it was looked up. */
  typesAreStale = false;
  serverError: ServerError | undefined;
  /** Set by a keepalive that asks for an answer; whoever answers clears it. */
  replyRequested = false;
  /** The highest LSN the server has sent. */
  receivedLsn: bigint;
  /** Commit time of the last change, microseconds since 1970; undefined before the first. */
  lastCommitMicros: bigint | undefined;
  /** How many transactions were read to their end. */
  transactions = 0;

  readonly #writer: BatchWriter;
  /** It is final while the frame before is read again with newer types, as it was not understood with those known. */
  readonly #rows: RowWriter;
  readonly #wanted: WantedChanges;
  readonly #messageStream: Stream;
  readonly #relations = new Map<number, Relation>();
  /** A truncate of more tables than a batch has room for: those whose records are still to come. */
  readonly #truncated: { own: Uint8Array; relations: Relation[] } = { own: new Uint8Array(), relations: [] };
  readonly #unsent: UnsentValues[] = [];
  /** Where to go back to when the change that is being read has to be read again: records written, and the index. */
  #undoLength = 0;
  #undoIndex = 0;
  #finished: "error" | "end" | undefined;
  #olderValues: OlderValues | undefined;

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

  readonly #schemaChanges: SchemaChangeTopic | undefined;
  readonly #transactions: TransactionMetadata | undefined;
  readonly #incremental: StreamWatcher | undefined;
  readonly #unreadable: UnreadableRows | undefined;
  /** What was written before the records of the change that is read again. */
  #wrongFrom = 0;
  /** Changes of this batch that were rejected. */
  rejected = 0;

  constructor(
    writer: BatchWriter,
    start: StreamPoint,
    { schemaChanges, transactions, incremental, unreadable, wanted = PLAIN_CHANGES }: DecoderExtras = {},
  ) {
    this.#unreadable = unreadable;
    this.#incremental = incremental;
    this.#transactions = transactions;
    this.#writer = writer;
    this.#rows = new RowWriter(writer);
    this.#schemaChanges = schemaChanges;
    this.#wanted = wanted;
    this.#messageStream = messageStream(wanted.database);
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
    // The change that is read again was rolled back with what announced it.
    const announced = this.#announced;
    if (
      this.#rows.isFinal && relation.news === undefined && announced?.lsn === this.#lsn &&
      announced.index >= this.#undoIndex
    ) {
      relation.news = announced.news;
    }
    this.#relations.set(relation.oid, relation);
    this.#olderValues = relation.olderValues;
    this.#allowOlderValues();
    this.pendingRelation = undefined;
  }

  /** Rows of the batch that lack values, where the configuration wants them read; asked once a batch. */
  takeUnsent(): UnsentValues[] {
    return this.#unsent.splice(0);
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
      if (error instanceof StaleTypes) {
        this.#writer.rollback(this.#undoLength);
        this.#index = this.#undoIndex;
        this.#rows.isFinal = this.typesAreStale = true;
        this.pendingRelation = error.relation.message;
        return "relation";
      }
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
    if (this.#rows.isFinal) {
      this.#wrongFrom = writer.length;
      this.#change(wire, wire.frameStart + XLOG_HEADER, wire.frameEnd);
      this.#rows.isFinal = this.typesAreStale = false;
      if (this.#rows.wrong !== undefined) this.#rejectChange(this.#rows.wrong);
    }
    for (;;) {
      if (this.#isFull) return "full";
      if (this.#truncated.relations.length > 0) {
        this.#truncate();
        continue;
      }
      if (!wire.nextFrame()) return "more";
      const { bytes, frameStart } = wire;
      if (wire.frameType === COPY_DATA) {
        const kind = bytes[frameStart];
        if (kind === XLOG_DATA) {
          this.#undoLength = writer.length;
          this.#undoIndex = this.#index;
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

  get #isFull(): boolean {
    const { length, isFull } = this.#writer;
    return length + this.rejected + MOST_AT_ONCE > MAX_RECORDS || isFull;
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
        return this.#truncates(view, at + 1, end);
      case MESSAGE.message:
        return this.#message(readLogicalMessage(bytes, view, at + 1, end), view.getBigInt64(at - 8));
      case MESSAGE.origin:
        return this.#origin(bytes, view, at + 1, end);
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
    this.#allowOlderValues();
    if (commitLsn > this.receivedLsn) this.receivedLsn = commitLsn;
    this.#group = sortableLsn(commitLsn);
    this.#timeMicros = this.lastCommitMicros = timeMicros;
    this.#ownText = sourceMembers(this.#lastCommit, commitLsn, xid);
    this.#own = utf8.encode(this.#ownText);
    this.#transactions?.open(xid, commitLsn);
    this.#incremental?.begin(this.#group, xid);
  }

  #allowOlderValues(): void {
    const older = this.#olderValues;
    if (older !== undefined) older.areAllowed = this.#lsn < older.lookedUpAt;
  }

  #commit(view: DataView, at: number): void {
    this.#expectTransaction();
    const commitLsn = view.getBigUint64(at + 1);
    const endLsn = view.getBigUint64(at + 9);
    if (commitLsn !== this.#lsn || endLsn < commitLsn) {
      throw malformed("a commit does not belong to its transaction");
    }
    if (this.#index < this.#skipBelow) throw transactionGone(commitLsn, this.#skipBelow, undefined);
    this.#transactions?.writeEnd(this.#writer, {
      timeMicros: this.#timeMicros,
      group: this.#group,
      index: this.#index,
    });
    this.#inTransaction = false;
    this.transactions++;
    this.#skipBelow = 0;
    this.#lastCommit = commitLsn;
    this.#lsn = endLsn;
    if (endLsn > this.receivedLsn) this.receivedLsn = endLsn;
  }

  #expectTransaction(): void {
    if (!this.#inTransaction) throw malformed("a change stands outside a transaction");
  }

  /** The transaction was replicated to the server from elsewhere (CREATE SUBSCRIPTION, or another tool). */
  #origin(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    this.#expectTransaction();
    const { lsn, name } = readOrigin(bytes, view, at, end);
    this.#ownText += `,"origin":${JSON.stringify(name)},"origin_lsn":"${formatLsn(lsn)}"`;
    this.#own = utf8.encode(this.#ownText);
  }

  #truncates(view: DataView, at: number, end: number): void {
    this.#expectTransaction();
    const { oids, flags } = readTruncate(view, at, end);
    const relations = oids.map((oid) => this.#relationOf(oid));
    const cascade = (flags & TRUNCATE.cascade) !== 0;
    const restart = (flags & TRUNCATE.restartIdentity) !== 0;
    this.#truncated.own = utf8.encode(
      `${this.#ownText},"truncate_cascade":${cascade},"truncate_restart_identity":${restart}`,
    );
    this.#truncated.relations = relations;
  }

  /** Writes records of the truncate that is under way, as many as the batch has room for. */
  #truncate(): void {
    const { relations, own } = this.#truncated;
    let done = 0;
    while (done < relations.length && !this.#isFull) {
      const relation = relations[done++];
      const index = this.#index++;
      if (!relation.isSelected || this.#wanted.skips.has("truncate")) continue;
      if (index < this.#skipBelow) {
        this.#skip(relation, index);
        continue;
      }
      if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
      this.#writer.begin(relation.stream, "truncate", this.#timeMicros, this.#group, index);
      this.#writer.end(own);
    }
    relations.splice(0, done);
  }

  /**
   * A message of pg_logical_emit_message(). One that is no part of a transaction is sent where the server has read it in
   * the log, between the transactions that committed before and after it. Its LSN is the end of its log record, where a
   * commit record may start; no record starts at the byte before, so that one orders it between the two. A stream that
   * is started at its LSN does not send it again.
   *
   * @param sentAt the server's clock when it sent it: a message outside a transaction has no time of its own
   */
  #message({ isTransactional, lsn, prefix, content }: LogicalMessage, sentAt: bigint): void {
    const { messages, skips } = this.#wanted;
    const isWanted = messages !== undefined && !skips.has("message") && messages(prefix);
    if (isTransactional) {
      this.#expectTransaction();
      const index = this.#index++;
      if (index < this.#skipBelow) return;
      this.#incremental?.message(prefix, content);
      if (!isWanted) return;
      const place = { timeMicros: this.#timeMicros, group: this.#group, index };
      return writeMessage(this.#writer, this.#messageStream, prefix, content, place, this.#own);
    }
    if (this.#inTransaction) throw malformed("a message stands inside a transaction that it is no part of");
    // The transaction that is to be resumed comes first; before it, nothing is new.
    if (this.#resumeLsn !== undefined || lsn <= this.#lsn) return;
    this.#lsn = lsn;
    if (lsn > this.receivedLsn) this.receivedLsn = lsn;
    this.#incremental?.message(prefix, content);
    if (!isWanted) return;
    const own = utf8.encode(sourceMembers(this.#lastCommit, lsn, null));
    const place = { timeMicros: sentAt + EPOCH_MICROS, group: sortableLsn(lsn - 1n), index: 0 };
    writeMessage(this.#writer, this.#messageStream, prefix, content, place, own);
  }

  #relation(view: DataView, at: number): Relation {
    this.#expectTransaction();
    return this.#relationOf(view.getUint32(at));
  }

  #relationOf(oid: number): Relation {
    const relation = this.#relations.get(oid);
    if (!relation) throw malformed(`a change of table ${oid}, which was not announced`);
    return relation;
  }

  #insert(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const index = this.#index++;
    if (bytes[at + 4] !== TUPLE.new) throw malformed("an insert has no row");
    if (!relation.isSelected || this.#wanted.skips.has("insert")) return;
    if (index < this.#skipBelow) return this.#skip(relation, index);
    if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
    this.#writer.begin(relation.stream, "insert", this.#timeMicros, this.#group, index);
    const unavailable = this.#rows.write("after", relation, bytes, view, at + 5, end, false);
    this.#end(relation, unavailable, bytes);
  }

  #delete(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const index = this.#index++;
    const kind = bytes[at + 4];
    if (kind !== TUPLE.key && kind !== TUPLE.old) throw malformed("a delete has no row");
    if (!relation.isSelected || this.#wanted.skips.has("delete")) return;
    if (index < this.#skipBelow) return this.#skip(relation, index);
    if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
    this.#writer.begin(relation.stream, "delete", this.#timeMicros, this.#group, index);
    this.#rows.write("before", relation, bytes, view, at + 5, end, kind === TUPLE.key);
    this.#writer.end(this.#own);
    if (relation.hasTombstones) this.#writer.tombstone();
  }

  #update(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const relation = this.#relation(view, at);
    const kind = bytes[at + 4];
    const index = this.#index;
    const { stream } = relation;
    const writer = this.#writer;
    if (kind === TUPLE.new) {
      this.#index++;
      if (!relation.isSelected || this.#wanted.skips.has("update")) return;
      if (index < this.#skipBelow) return this.#skip(relation, index);
      if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
      writer.begin(stream, "update", this.#timeMicros, this.#group, index);
      const unavailable = this.#rows.write("after", relation, bytes, view, at + 5, end, false);
      if (unavailable !== undefined && relation.reselects) {
        this.#rows.locate("new", relation.columns.length, bytes, view, at + 5, end);
        this.#rows.old.fill(0); // what stands there is another row's
      }
      return this.#end(relation, unavailable, bytes);
    }
    if (kind !== TUPLE.key && kind !== TUPLE.old) throw malformed("an update has no row");
    this.#index += 2;
    // An update that becomes a delete and an insert is an update all the same.
    if (!relation.isSelected || this.#wanted.skips.has("update")) return;
    const isKeyOnly = kind === TUPLE.key;
    const count = relation.columns.length;
    const rows = this.#rows;
    const newAt = rows.locate("old", count, bytes, view, at + 5, end);
    if (bytes[newAt] !== TUPLE.new) throw malformed("an update has no new row");
    rows.locate("new", count, bytes, view, newAt + 1, end);
    if (!keyChanged(relation, rows.old, rows.new, bytes, isKeyOnly)) {
      if (index < this.#skipBelow) return this.#skip(relation, index);
      if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
      writer.begin(stream, "update", this.#timeMicros, this.#group, index);
      rows.writeLocated("before", rows.old, undefined, relation, bytes, isKeyOnly);
      const unavailable = rows.writeLocated("after", rows.new, rows.old, relation, bytes, isKeyOnly);
      return this.#end(relation, unavailable, bytes);
    }
    // Another key is another row for whoever stores by key: the old one goes, the new one comes.
    if (index >= this.#skipBelow) {
      if (relation.news !== undefined || this.#transactions !== undefined) this.#precede(relation, index);
      writer.begin(stream, "delete", this.#timeMicros, this.#group, index);
      rows.writeLocated("before", rows.old, undefined, relation, bytes, isKeyOnly);
      writer.end(this.#keyChangeOwn());
      if (relation.hasTombstones) writer.tombstone();
    } else this.#skip(relation, index);
    if (index + 1 < this.#skipBelow) return this.#skip(relation, index + 1);
    if (this.#transactions !== undefined) this.#precede(relation, index + 1);
    writer.begin(stream, "insert", this.#timeMicros, this.#group, index + 1);
    const unavailable = rows.writeLocated("after", rows.new, rows.old, relation, bytes, isKeyOnly);
    if (unavailable === undefined) return writer.end(this.#keyChangeOwn());
    writer.end(utf8.encode(`${this.#ownText},"key_changed":true${unavailableMember(relation, unavailable)}`));
    if (relation.reselects) this.#noteUnsent(relation, unavailable, bytes);
  }

  /** A record that was delivered before reading was resumed inside its transaction. */
  #skip(relation: Relation, index: number): void {
    relation.news?.announce({ lsn: this.#lsn, index });
    relation.news = undefined;
    this.#transactions?.count(qualifiedName(relation.stream), index);
  }

  /**
   * Writes what stands before record `index` of the transaction: the beginning of the transaction before the first,
   * what has changed about the table before the table's first since then. They have the index before, with a suffix,
   * so that they sort in between; there is none before 0, so they then stand in a group between this transaction and
   * the last one, whose commits are further apart than a byte. A record that is read again has the same before it.
   */
  #precede(relation: Relation, index: number): void {
    const { stream, news } = relation;
    const writer = this.#writer;
    const name = qualifiedName(stream);
    const place = () => ({
      timeMicros: this.#timeMicros,
      ...(index > 0
        ? { group: this.#group, index: index - 1 }
        : { group: sortableLsn(this.#lsn - 1n), index: 0 }),
    });
    if (this.#transactions?.count(name, index)) {
      this.#transactions.writeBegin(writer, { ...place(), suffix: BEGIN_SUFFIX });
    }
    relation.news = undefined;
    if (news !== undefined && (!news.isAnnounced || this.#announced?.news === news)) {
      news.announce({ lsn: this.#lsn, index });
      this.#announced = { lsn: this.#lsn, index, news };
      if (this.#schemaChanges !== undefined) {
        const what = { ...place(), lsn: this.#lsn, own: this.#own, suffix: SCHEMA_SUFFIX };
        news.write(writer, this.#schemaChanges, what);
      }
    }
    this.#transactions?.mark(writer, name);
    if (index === this.#undoIndex) this.#wrongFrom = writer.length;
  }

  /** What was announced last. */
  #announced: (Place & { readonly news: StreamNews }) | undefined;

  #keyChangeOwn(): Uint8Array {
    return utf8.encode(`${this.#ownText},"key_changed":true`);
  }

  #end(relation: Relation, unavailable: number[] | undefined, bytes: Uint8Array): void {
    if (unavailable === undefined) return this.#writer.end(this.#own);
    this.#writer.end(utf8.encode(this.#ownText + unavailableMember(relation, unavailable)));
    if (relation.reselects) this.#noteUnsent(relation, unavailable, bytes);
  }

  /** What announces the change stays; its own records go. */
  #rejectChange(error: RecordError): void {
    this.#rows.wrong = undefined;
    if (this.#unreadable === undefined) throw unreadableRow(error);
    this.#unsent.length = this.#unsent.findLastIndex(({ record }) => record < this.#wrongFrom) + 1;
    const batch = batchFromData(this.#writer.takeBack(this.#wrongFrom));
    this.rejected += batch.length;
    this.#unreadable.reject(batch, error);
  }

  /** Notes a row whose values are to be read from the table. */
  #noteUnsent(relation: Relation, places: readonly number[], bytes: Uint8Array): void {
    const key = this.#rows.key(relation, bytes);
    if (key !== undefined) this.#unsent.push({ record: this.#writer.length - 1, relation, places, key });
  }
}
