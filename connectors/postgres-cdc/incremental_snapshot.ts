/**
 * Snapshots of tables while the stream goes on, asked for by signals (signals.ts). A table is read in pieces by its key
 * (chunk_reader.ts), and each piece is joined with the stream so that whoever applies everything in order by key has
 * the table as it is. After the idea of DBLog (Andreakis and Papapanagiotou, "DBLog: A Watermark Based Change-Data-
 * Capture Framework", 2020), without its watermarks: which transactions a read has seen, the server says, so nothing
 * has to be written to it. In the order of the stream a row that was read belongs
 *
 * - behind the changes that the read has seen: it waits until the stream is past the place in the log before which all
 *   of them have committed;
 * - before the changes that it has not seen: when one of a row of the piece comes, the piece goes before it.
 *
 * While a piece is being read changes of its table wait, so that none that the read has not seen goes by. One that
 * went by before and is not seen all the same (its commit is in the log, and waits for a synchronous standby) makes
 * the piece be read again.
 *
 * Dropping the rows that have changed meanwhile, as DBLog does, would lose values: an update does not bring large
 * values that it left alone.
 */
import { type Batch, batchFromData } from "../../formats/data/batch.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Clock, Logger } from "../contract.ts";
import type { StreamWatcher } from "./decoder_extras.ts";
import { type Chunk, type ChunkedTable, ChunkReader } from "./chunk_reader.ts";
import { parseLsn, sortableLsn } from "./lsn.ts";
import type { PostgresPosition } from "./position.ts";
import {
  type RawSignal,
  readEnvelope,
  readSignal,
  type RequestedTables,
  type Signal,
  SIGNAL_PREFIX,
  SignalError,
} from "./signals.ts";
import type { SignalFile } from "./signal_file.ts";
import { StreamedTransactions } from "./visibility.ts";

/** What the position says of snapshots that are under way. */
export type IncrementalState = {
  /** In this order; the first is being read. */
  readonly tables: readonly PendingTable[];
  /** What was asked for since then, and is looked up when its turn comes. */
  readonly requests?: readonly PendingRequest[];
  readonly paused?: true;
  /** How much of the signal file was read. */
  readonly file?: number;
};

/** A table that is to be read. */
export type PendingTable = {
  readonly schema: string;
  readonly name: string;
  readonly filter?: string;
  readonly surrogate?: string;
  /** The greatest key when it was begun, as text. */
  readonly max?: readonly string[];
  /** The last key that was handed on. */
  readonly last?: readonly string[];
};

/** A signal that asks for tables. */
export type PendingRequest = {
  readonly id: string;
  readonly channel: string;
  readonly tables: readonly RequestedTables[];
};

/** The state is in every position, so it must stay small. */
const MAX_TABLES = 500;
const MAX_REQUESTS = 100;
/** While a piece waits for the stream, the server is asked so often how far it is. */
const HURRY_MS = 20;
const RETRY_MS = 1000;
/** When the server does not see a transaction yet whose commit is in its log. */
const AGAIN_MS = 10;

export interface IncrementalOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly chunkSize: number;
  readonly delayMs: number;
  readonly pollMs: number;
  readonly saved: IncrementalState | undefined;
  /** The file channel; undefined: it is off. */
  readonly file: SignalFile | undefined;
  /** The source channel's table; undefined: it is off. */
  readonly signalTable: { readonly schema: string; readonly name: string } | undefined;
  /** Whether rows of the signal table are wanted like those of others. */
  readonly keepsSignalRows: boolean;
  readonly takesMessages: boolean;
  /** Opens the connection for pieces. */
  readonly open: (signal: AbortSignal) => Promise<ChunkReader>;
  /** The captured tables that a pattern names. @throws {SignalError} */
  readonly find: (request: RequestedTables) => Promise<PendingTable[]>;
  /** How to read a table; undefined: it is empty. @throws {ConnectorError} */
  readonly prepare: (table: PendingTable) => Promise<ChunkedTable | undefined>;
  /** Writes what is to be said of a Stream before its first row. */
  readonly announce: (stream: Stream, writer: BatchWriter) => Promise<void>;
  readonly newWriter: () => BatchWriter;
  readonly position: PostgresPosition;
  /** Called at the end. */
  readonly close: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** What was read and waits for its place in the stream. */
interface Window {
  readonly table: ChunkedTable;
  readonly chunk: Chunk;
  /** Keys of its rows, as JSON. */
  readonly keys: ReadonlySet<string>;
}

export class IncrementalSnapshots implements StreamWatcher {
  readonly #transactions: StreamedTransactions = new StreamedTransactions();
  readonly #options: IncrementalOptions;
  readonly #messages: RawSignal[] = [];
  #hurry: () => void = () => {};
  #tables: PendingTable[];
  readonly #requests: PendingRequest[];
  #isPaused: boolean;
  #position: PostgresPosition;

  /** The first of the tables, made ready to be read. */
  #table: ChunkedTable | undefined;
  #reader: ChunkReader | undefined;
  #chunkSize: number;
  /** Transactions that have changed it and went by; and those before, as long as it is not known that all are seen. */
  #wentBy = new Set<number>();
  #reading: Promise<void> | undefined;
  /** While a piece is under way. */
  #piece: Promise<void> | undefined;
  #arrived: { readonly table: ChunkedTable; readonly chunk: Chunk } | undefined;
  #window: Window | undefined;
  #rows = 0;
  #isAnnounced = false;
  /** What was read of the signal file and is not done yet, with the place behind it. */
  #lines: { readonly lines: readonly string[]; readonly offset: number }[] = [];
  #fileOffset: number;
  #generation = 0;
  /** The position has to say something new, although nothing comes. */
  #isStateDue = false;
  #isAsking = false;
  #wake: () => void = () => {};
  readonly #done = new AbortController();

  constructor(options: IncrementalOptions) {
    this.#options = options;
    this.#tables = [...options.saved?.tables ?? []];
    this.#requests = [...options.saved?.requests ?? []];
    this.#isPaused = options.saved?.paused ?? false;
    this.#position = options.position;
    this.#chunkSize = options.chunkSize;
    this.#fileOffset = options.saved?.file ?? 0;
  }

  begin(group: string, xid: number): void {
    this.#transactions.begin(group, xid);
  }

  /** What is no signal, is of no interest. Called before the batch is handed on that the message belongs to. */
  message(prefix: string, content: Uint8Array): void {
    if (prefix !== SIGNAL_PREFIX || !this.#options.takesMessages) return;
    const text = new TextDecoder().decode(content);
    try {
      this.#messages.push(readEnvelope(text, "message"));
    } catch (error) {
      this.#refuse({ id: "", type: "", data: undefined, channel: "message" }, error);
    }
  }

  /**
   * Passes the stream on and puts the pieces between its batches.
   *
   * @param hurry asks for an empty batch that says how far the stream is, where nothing else comes
   */
  async *through(batches: AsyncGenerator<Batch>, hurry: () => void): AsyncGenerator<Batch> {
    const { signal, file } = this.#options;
    this.#hurry = hurry;
    const over = AbortSignal.any([signal, this.#done.signal]);
    const polling = file && this.#poll(file, over);
    let arriving = settled(batches.next());
    try {
      for (;;) {
        const woken = new Promise<undefined>((resolve) => this.#wake = () => resolve(undefined));
        yield* this.#advance(over);
        const outcome = await Promise.race([arriving, woken]);
        if (outcome === undefined) continue;
        if ("error" in outcome) throw outcome.error;
        if (outcome.result.done) return;
        yield* this.#pass(outcome.result.value);
        arriving = settled(batches.next());
      }
    } finally {
      this.#done.abort();
      await batches.return(undefined);
      await this.#reading;
      await polling;
      await this.#closeReader();
      await this.#options.close();
    }
  }

  // ---- the stream goes by -----------------------------------------------------------------------------------------

  async *#pass(batch: Batch): AsyncGenerator<Batch> {
    for (const signal of this.#messages.splice(0)) this.#obey(signal);
    const kept = this.#obeyRows(batch);
    if (this.#tables.length > 0) {
      const touched = this.#changesOf(batch, this.#tables[0]);
      if (touched.size > 0) {
        // What the read has not seen must not go by before its rows.
        await this.#piece;
        yield* this.#openWindow();
        if (this.#window && this.#isHit(this.#window, touched)) yield* this.#closeWindow();
        for (const xid of touched.keys()) this.#wentBy.add(xid);
      }
    }
    const position = batch.position as PostgresPosition;
    yield this.#withState(kept, position);
    this.#position = position;
    this.#transactions.passed(sortableLsn(parseLsn(position.lsn)));
  }

  /** Keys of the table's records in a batch, by transaction. A truncate is under "". */
  #changesOf(batch: Batch, { schema, name }: PendingTable): Map<number, Set<string>> {
    const found = new Map<number, Set<string>>();
    const { groups, columns, first } = batch.encoded();
    let stream: Stream | undefined;
    let isTable = false;
    for (let i = 0; i < batch.length; i++) {
      const of = batch.stream(i);
      if (of !== stream) {
        stream = of;
        isTable = of.name === name && of.namespace === schema;
      }
      if (!isTable) continue;
      const xid = this.#transactions.xidOf(groups[columns.groupOf[first + i]]);
      if (xid === undefined) continue;
      let keys = found.get(xid);
      if (!keys) found.set(xid, keys = new Set());
      const key = batch.span(i, "key");
      keys.add(key === undefined ? "" : decoder.decode(key));
    }
    return found;
  }

  /** Whether a change that the read has not seen is of one of its rows. */
  #isHit({ chunk, keys }: Window, touched: ReadonlyMap<number, ReadonlySet<string>>): boolean {
    for (const [xid, changed] of touched) {
      if (chunk.visibility.sees(xid)) continue;
      for (const key of changed) if (key === "" || keys.has(key)) return true;
    }
    return false;
  }

  #withState(batch: Batch, position: PostgresPosition): Batch {
    const state = this.#state;
    return batchFromData({
      ...batch.encoded(),
      position: state === undefined ? position : { ...position, incremental: state },
    });
  }

  get #state(): IncrementalState | undefined {
    const file = this.#fileOffset;
    const requests = this.#requests;
    if (this.#tables.length + requests.length === 0 && !this.#isPaused && file === 0) return undefined;
    return {
      tables: [...this.#tables],
      ...(requests.length > 0 ? { requests: [...requests] } : {}),
      ...(this.#isPaused ? { paused: true } : {}),
      ...(file > 0 ? { file } : {}),
    };
  }

  #empty(): Batch {
    const writer = this.#options.newWriter();
    writer.lane = "stream";
    return this.#withState(batchFromData(writer.finish(this.#position)), this.#position);
  }

  // ---- pieces -----------------------------------------------------------------------------------------------------

  /** Does what can be done without a batch of the stream. */
  async *#advance(signal: AbortSignal): AsyncGenerator<Batch> {
    const read = this.#lines.splice(0);
    for (const { lines, offset } of read) {
      for (const line of lines) this.#obeyLine(line);
      this.#fileOffset = offset;
    }
    if (read.length > 0 || this.#isStateDue) {
      this.#isStateDue = false;
      yield this.#empty();
    }
    if (signal.aborted) return;
    yield* this.#openWindow();
    if (this.#window) {
      if (parseLsn(this.#position.lsn) >= this.#window.chunk.lsn) yield* this.#closeWindow();
      else return this.#askAgain(signal);
    }
    if (this.#reading !== undefined) return;
    // A request is looked up at once, so that it is answered although another snapshot takes long.
    const work = this.#requests.length > 0
      ? this.#lookUp(this.#requests[0], signal)
      : this.#tables.length > 0 && !this.#isPaused
      ? this.#read(signal)
      : undefined;
    this.#reading = work?.finally(() => {
      this.#reading = undefined;
      this.#wake();
    });
  }

  /** The server may have nothing to send: it is asked how far it is, and soon once more. */
  #askAgain(signal: AbortSignal): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#hurry();
    this.#options.clock.sleep(HURRY_MS, signal).then(() => {
      this.#isAsking = false;
      this.#wake();
    });
  }

  /** Prepares the first table, if that is not done, and reads its next piece. Never rejects. */
  async #read(signal: AbortSignal): Promise<void> {
    const { clock, log, delayMs, prepare, open } = this.#options;
    const [pending] = this.#tables;
    const generation = this.#generation;
    const isWanted = () => !signal.aborted && generation === this.#generation;
    try {
      if (this.#table === undefined) {
        this.#wentBy = new Set(this.#transactions.recent());
        const table = await prepare(pending);
        if (!isWanted()) return;
        if (table === undefined) {
          log.info(`Incremental snapshot of "${nameOf(pending)}" is complete`, { rows: 0 });
          this.#isStateDue = true;
          return this.#drop();
        }
        this.#rows = 0;
        this.#isAnnounced = false;
        this.#table = table;
        this.#tables[0] = { ...pending, max: table.max };
      } else if (delayMs > 0) await clock.sleep(delayMs, signal);
      this.#reader ??= await open(signal);
      if (!isWanted()) return;
      const piece = this.#readPiece(this.#table, this.#reader, isWanted, signal);
      this.#piece = piece.catch(() => {});
      await piece;
    } catch (error) {
      if (signal.aborted) return;
      await this.#closeReader();
      const { message, hint } = error as ConnectorError;
      const what = `Incremental snapshot of "${nameOf(pending)}"`;
      const fields = hint === undefined ? undefined : { hint };
      if (error instanceof ConnectorError && error.retryable) {
        log.warn(`${what}: ${message}; trying again`, fields);
        await clock.sleep(RETRY_MS, signal);
      } else {
        log.error(`${what} is given up: ${message}`, fields);
        if (!isWanted()) return;
        this.#isStateDue = true;
        this.#drop();
      }
    } finally {
      this.#piece = undefined;
    }
  }

  /** Reads a piece, and again while it does not see what went by. */
  async #readPiece(
    table: ChunkedTable,
    reader: ChunkReader,
    isWanted: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    while (isWanted()) {
      const chunk = await reader.read(table, this.#tables[0].last, this.#chunkSize, this.#rows);
      if (this.#seesWhatWentBy(chunk)) {
        if (isWanted()) this.#arrived = { table, chunk };
        return;
      }
      await this.#options.clock.sleep(AGAIN_MS, signal);
    }
  }

  #seesWhatWentBy({ visibility }: Chunk): boolean {
    for (const xid of this.#wentBy) {
      if (!visibility.sees(xid)) return false;
      if (visibility.isPast(xid)) this.#wentBy.delete(xid);
    }
    return true;
  }

  /** A piece has arrived: from now on the stream is compared with it. */
  async *#openWindow(): AsyncGenerator<Batch> {
    const arrived = this.#arrived;
    if (arrived === undefined) return;
    this.#arrived = undefined;
    const { table, chunk } = arrived;
    const keys = new Set<string>();
    for (const batch of chunk.batches) {
      for (let i = 0; i < batch.length; i++) {
        const key = batch.span(i, "key");
        if (key !== undefined) keys.add(decoder.decode(key));
      }
    }
    this.#window = { table, chunk, keys };
    this.#chunkSize = Math.min(this.#options.chunkSize, chunk.size * 2);
    if (chunk.batches.length === 0) yield* this.#closeWindow();
  }

  /** The rows of the piece go here. */
  async *#closeWindow(): AsyncGenerator<Batch> {
    const { table, chunk } = this.#window!;
    const { log, newWriter, announce } = this.#options;
    this.#window = undefined;
    if (!this.#isAnnounced) {
      this.#isAnnounced = true;
      const writer = newWriter();
      writer.lane = table.lane;
      await announce(table.stream, writer);
      if (writer.length > 0) {
        yield this.#withState(batchFromData(writer.finish(this.#position)), this.#position);
      }
    }
    for (const [n, batch] of chunk.batches.entries()) {
      this.#rows += batch.length;
      if (n === chunk.batches.length - 1) this.#tables[0] = { ...this.#tables[0], last: chunk.last };
      yield this.#withState(batch, this.#position);
    }
    if (chunk.last === undefined) {
      log.info(`Incremental snapshot of "${nameOf(this.#tables[0])}" is complete`, { rows: this.#rows });
      this.#drop();
      yield this.#empty();
    } else if (chunk.batches.length === 0) this.#tables[0] = { ...this.#tables[0], last: chunk.last };
  }

  /** The first table is done with. */
  #drop(): void {
    this.#generation++;
    this.#tables.shift();
    this.#table = this.#arrived = this.#window = undefined;
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.[Symbol.asyncDispose]();
  }

  // ---- signals ----------------------------------------------------------------------------------------------------

  /** Looks for signals among the rows, and leaves them out where nobody else wants them. */
  #obeyRows(batch: Batch): Batch {
    const { signalTable, keepsSignalRows } = this.#options;
    if (signalTable === undefined) return batch;
    const isSignal = (i: number) => {
      const { name, namespace } = batch.stream(i);
      return name === signalTable.name && namespace === signalTable.schema;
    };
    let hasSignals = false;
    for (let i = 0; i < batch.length; i++) {
      if (!isSignal(i)) continue;
      hasSignals = true;
      if (batch.operation(i) !== "insert") continue;
      const { id, type, data } = batch.records[i].after as Record<string, unknown>;
      this.#obey({ id: String(id ?? ""), type: String(type ?? ""), data, channel: "source" });
    }
    return hasSignals && !keepsSignalRows ? batch.select((i) => !isSignal(i)) : batch;
  }

  #obeyLine(line: string): void {
    try {
      this.#obey(readEnvelope(line, "file"));
    } catch (error) {
      this.#refuse({ id: "", type: "", data: undefined, channel: "file" }, error);
    }
  }

  /** Does what a signal asks for, or says in the log why not. */
  #obey(raw: RawSignal): void {
    try {
      const signal = readSignal(raw);
      if (signal) this.#do(signal, raw);
    } catch (error) {
      this.#refuse(raw, error);
    }
  }

  #refuse({ id, type, channel }: RawSignal, error: unknown): void {
    if (!(error instanceof SignalError) && !(error instanceof ConnectorError)) throw error;
    this.#options.log.error(`A signal is refused: ${error.message}`, { id, type, channel });
  }

  #do(signal: Signal, { id, channel }: RawSignal): void {
    const { log } = this.#options;
    const fields = { id, channel };
    switch (signal.kind) {
      case "log":
        return log.info(signal.message.replace("{}", JSON.stringify(this.#position)), fields);
      case "pause":
      case "resume":
        this.#isPaused = signal.kind === "pause";
        return log.info(`Incremental snapshots are ${this.#isPaused ? "paused" : "resumed"}`, fields);
      case "stop":
        return this.#stop(signal.tables, fields);
      case "execute":
        if (this.#requests.length >= MAX_REQUESTS) {
          throw new SignalError(`${MAX_REQUESTS} requests wait already`);
        }
        this.#requests.push({ ...fields, tables: signal.tables });
    }
  }

  #stop(tables: readonly string[] | undefined, fields: Record<string, string>): void {
    const isNamed = ({ schema, name }: PendingTable) =>
      tables === undefined || tables.includes(`${schema}.${name}`) || tables.includes(name);
    const stopped = this.#tables.filter(isNamed);
    if (stopped.length === 0) {
      return this.#options.log.warn("No incremental snapshot that could be stopped", fields);
    }
    if (isNamed(this.#tables[0])) this.#drop();
    this.#tables = this.#tables.filter((table) => !isNamed(table));
    const names = stopped.map(nameOf);
    this.#options.log.info("Incremental snapshots are stopped", { ...fields, tables: names });
  }

  /** Finds the tables of a request, as often as it takes. Never rejects. */
  async #lookUp(request: PendingRequest, signal: AbortSignal): Promise<void> {
    const { clock, log, find } = this.#options;
    const { id, channel } = request;
    const added: PendingTable[] = [];
    try {
      for (const each of request.tables) added.push(...await find(each));
      // It may have been taken back.
      if (this.#requests[0] !== request) return;
      this.#requests.shift();
      this.#isStateDue = true;
      this.#add(added, { id, channel });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ConnectorError && error.retryable) {
        log.warn(`${error.message}; trying again`, { id, channel });
        return await clock.sleep(RETRY_MS, signal);
      }
      if (this.#requests[0] === request) this.#requests.shift();
      this.#isStateDue = true;
      log.error(`A signal is refused: ${(error as Error).message}`, { id, channel });
    }
  }

  #add(tables: readonly PendingTable[], fields: Record<string, string>): void {
    const { log } = this.#options;
    if (this.#tables.length + tables.length > MAX_TABLES) {
      throw new SignalError(`more than ${MAX_TABLES} tables would wait for their incremental snapshot`);
    }
    const added: PendingTable[] = [];
    for (const table of tables) {
      if ([...this.#tables, ...added].some((other) => isSame(other, table))) {
        log.warn(`"${nameOf(table)}" is in an incremental snapshot already`, fields);
      } else added.push(table);
    }
    this.#tables.push(...added);
    log.info(`Incremental snapshot of ${added.length} tables`, { ...fields, tables: added.map(nameOf) });
  }

  async #poll(file: SignalFile, signal: AbortSignal): Promise<void> {
    const { clock, log, pollMs } = this.#options;
    let failed = "";
    while (!signal.aborted) {
      try {
        const lines = await file.read();
        if (lines.length > 0) {
          this.#lines.push({ lines, offset: file.offset });
          this.#wake();
        }
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== failed) log.error(`Cannot read the signal file "${file.path}": ${message}`);
        failed = message;
      }
      await clock.sleep(pollMs, signal);
    }
  }
}

const decoder = new TextDecoder();

function isSame(a: PendingTable | undefined, b: PendingTable): boolean {
  return a !== undefined && a.schema === b.schema && a.name === b.name;
}

function nameOf({ schema, name }: PendingTable): string {
  return `${schema}.${name}`;
}

/** The next batch or the error, as a promise that does not reject, because it may be waited for later. */
function settled(
  next: Promise<IteratorResult<Batch>>,
): Promise<{ readonly result: IteratorResult<Batch> } | { readonly error: unknown }> {
  return next.then((result) => ({ result }), (error) => ({ error }));
}
