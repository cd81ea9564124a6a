/**
 * The `file` source: files as records, each file a lane. Loaded by its worker. source_files.ts finds the files,
 * source_position.ts knows how far each is read, open_text.ts and the readers in formats/files/read/ make records of
 * their bytes.
 */
import { batchFromData, orderText } from "../../formats/data/batch.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { Streams } from "../../formats/data/envelope_reader.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { StructureError } from "../../formats/files/read/json_values.ts";
import { GROUP } from "../../formats/files/read/text_reader.ts";
import type { Batch, CheckReport, DiscoveredStream, Position, Source, SourceContext } from "../contract.ts";
import type { FileConfig } from "./connector.ts";
import { isAnother, isRead, OpenTable } from "./open_table.ts";
import { hasPlace, lineEndBefore, OpenText, wholeCheck } from "./open_text.ts";
import { openText } from "./source_readers.ts";
import { checkSource, discoverStreams } from "./source_check.ts";
import { type SourceConfig, sourceConfig } from "./source_config.ts";
import { FileFinder, type FoundFile } from "./source_files.ts";
import { ALL, type FileState, lowestPosition, Progress } from "./source_position.ts";
import { sourcePathProblem } from "./source_path.ts";

/** While it follows, this many files are kept open: what is written to one that was renamed or deleted is read, too. */
const MAX_OPEN = 64;
/** A batch with so many rejected texts is handed on, whatever it holds. */
const MAX_REJECTED = 100;
const NO_BYTES = new Uint8Array();

/**
 * Opens the source. Nothing is read yet.
 *
 * @throws {ConnectorError} when `path` is none of a source, or `streams` selects some
 */
export function openSource(config: FileConfig, context: SourceContext): Source {
  const problem = sourcePathProblem(config.path);
  if (problem) {
    throw new ConnectorError(`Source "${context.name}" can't have this path: ${problem}`, {
      code: "config_path",
      hint: "Name a file, a folder or a pattern, as in path: in/*.jsonl",
    });
  }
  if (context.streams.length > 0) {
    throw new ConnectorError(`Source "${context.name}" selects by path, not by streams`, {
      code: "config_streams",
      hint: "Leave streams out, and name the files with path",
    });
  }
  return new FileSource(sourceConfig(config), context);
}

class FileSource implements Source {
  readonly #config: SourceConfig;
  readonly #context: SourceContext;
  readonly #finder: FileFinder;
  #progress: Progress | undefined;

  constructor(config: SourceConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
    this.#finder = new FileFinder(config);
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const progress = this.#progress = await Progress.load(from, this.#context);
    using reading = new Reading(this.#config, this.#context, this.#finder, progress, signal);
    this.#context.progress({ phase: "streaming" });
    yield* reading.batches(from === undefined);
    this.#context.progress({ phase: "finished" });
  }

  async acknowledge(): Promise<void> {
    await this.#progress?.acknowledged();
  }

  check(report: CheckReport): Promise<void> {
    return checkSource(this.#config, this.#finder, report);
  }

  discover(): Promise<readonly DiscoveredStream[]> {
    return discoverStreams(this.#config, this.#finder, this.#context);
  }

  lowest(positions: readonly Position[]): Position {
    return lowestPosition(this.#context.name, positions);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** One `read()`. */
class Reading implements Disposable {
  readonly #config: SourceConfig;
  readonly #context: SourceContext;
  readonly #finder: FileFinder;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  readonly #writer: BatchWriter;
  readonly #streams = new Streams();
  /** By id; the one that had something to read last comes last. */
  readonly #open = new Map<string, OpenText>();
  #rejected = 0;
  /** Something was noted since the last batch. */
  #isAhead = false;

  constructor(
    config: SourceConfig,
    context: SourceContext,
    finder: FileFinder,
    progress: Progress,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#context = context;
    this.#finder = finder;
    this.#progress = progress;
    this.#signal = signal;
    this.#writer = context.batchWriter();
  }

  async *batches(isFirst: boolean): AsyncGenerator<Batch> {
    const { follow, start, poll_interval_ms } = this.#config;
    const { clock, preview } = this.#context;
    let files = this.#finder.find();
    // A look shows what is there, not what is still to come.
    if (isFirst && start === "latest" && !preview) this.#skipAll(files);
    files = [...this.#renamedSince(files), ...files];
    // So that a second run begins where the first one would have, also when nothing came.
    if (isFirst && follow) yield await this.#finish();
    for (;;) {
      const startMs = clock.monotonicMs();
      for (const file of files) {
        if (this.#signal.aborted) return;
        yield* this.#file(file);
      }
      if (this.#isAhead && !follow) yield await this.#finish();
      if (!follow || this.#signal.aborted) return;
      const tookMs = clock.monotonicMs() - startMs;
      // However many files there are, most of the time is not spent with looking at them.
      await clock.sleep(Math.max(poll_interval_ms, Math.min(tookMs, 10_000)), this.#signal);
      if (this.#signal.aborted) return;
      const listed = this.#finder.find();
      files = [...this.#unlisted(listed), ...listed];
    }
  }

  [Symbol.dispose](): void {
    for (const open of this.#open.values()) open[Symbol.dispose]();
    this.#open.clear();
  }

  /** What a file has that was not read. */
  async *#file(file: FoundFile): AsyncGenerator<Batch> {
    if (file.kind.format === "avro" || file.kind.format === "parquet") return yield* this.#table(file);
    let open: OpenText | undefined;
    try {
      open = await this.#openText(file);
    } catch (error) {
      // It went away since it was found.
      if (error instanceof Error && error.cause instanceof Deno.errors.NotFound) return;
      throw error;
    }
    if (!open) return;
    try {
      yield* this.#records(open);
    } finally {
      if (!this.#config.follow) this.#close(open);
    }
  }

  async *#records(open: OpenText): AsyncGenerator<Batch> {
    const writer = this.#writer;
    writer.lane = laneOf(open);
    let isEnd = false;
    for (;;) {
      if (this.#next(open, isEnd)) {
        if (!writer.isFull && this.#rejected < MAX_REJECTED) continue;
        yield await this.#finish(open);
        if (this.#signal.aborted) return;
        continue;
      }
      if (isEnd) break;
      const hasMore = await open.fill();
      if (this.#signal.aborted) break;
      if (hasMore) continue;
      if (this.#config.follow) break;
      isEnd = !await open.end();
    }
    if (writer.length > 0 || this.#rejected > 0) yield await this.#finish(open);
    else {
      this.#progress.note(open.state);
      this.#isAhead = true;
    }
    if (isEnd && open.reader.hasRest) {
      this.#warnOfRest(open.file, open.reader.offset);
    }
  }

  /** The same of a file with typed rows, which is not kept open. */
  async *#table(file: FoundFile): AsyncGenerator<Batch> {
    const known = this.#progress.files.get(file.id);
    if (known && (known.offset === ALL || isRead(file, known))) return;
    const from = !known ? newState(file, 0, 0) : isAnother(file, known) ? this.#again(file, known) : known;
    using open = await OpenTable.open(file, from, this.#config);
    if (!open) {
      if (this.#config.follow) return;
      throw new ConnectorError(`Cannot read "${file.path}": it is not complete`, {
        code: "serialization_file",
        hint:
          "Its end is missing: it is still being written, or was cut off. Set follow: true to wait for it",
      });
    }
    const writer = this.#writer;
    writer.lane = laneOf(open);
    while (open.isReady || await open.next()) {
      const index = open.offset;
      const before = writer.length;
      try {
        open.write(writer);
      } catch (error) {
        this.#reject(error, before, file, index, NO_BYTES);
      }
      if (!writer.isFull && this.#rejected < MAX_REJECTED) continue;
      yield await this.#finish(open);
      if (this.#signal.aborted) return;
    }
    if (writer.length > 0 || this.#rejected > 0) yield await this.#finish(open);
    else {
      this.#progress.note(open.state);
      this.#isAhead = true;
    }
    if (open.hasRest && !this.#config.follow) this.#warnOfRest(file, open.offset);
  }

  #warnOfRest({ path }: FoundFile, offset: number): void {
    this.#context.log.warn(`"${path}" ends in the middle of a record: it is left for the next run`, {
      offset,
    });
  }

  /** Writes the next record, or rejects it. @returns false: there is none yet */
  #next({ reader, file }: OpenText, isEnd: boolean): boolean {
    const before = this.#writer.length;
    try {
      if (!reader.next(isEnd)) return false;
      reader.write(this.#writer);
    } catch (error) {
      if (error instanceof StructureError) throw brokenFile(file, reader.offset, error);
      this.#reject(error, before, file, reader.start, reader.rejected);
    }
    return true;
  }

  /** @throws what is no RecordError */
  #reject(error: unknown, written: number, file: FoundFile, index: number, payload: Uint8Array): void {
    if (!(error instanceof RecordError)) throw error;
    this.#writer.rollback(written);
    this.#rejected++;
    this.#context.reject({
      stream: { name: this.#config.stream ?? file.kind.stream },
      lane: this.#writer.lane,
      order: orderText(GROUP, index),
      payload: payload.slice(),
    }, new RecordError(`${error.message} in "${file.name}"`, { code: error.code }));
  }

  async #finish(open?: OpenText | OpenTable): Promise<Batch> {
    if (open) this.#progress.note(open.state);
    this.#rejected = 0;
    this.#isAhead = false;
    return batchFromData(this.#writer.finish(await this.#progress.position()));
  }

  /** The file, ready to be read on; undefined where nothing has come since. */
  async #openText(file: FoundFile): Promise<OpenText | undefined> {
    const open = this.#open.get(file.id);
    if (open) {
      const { size } = open.stat();
      if (size === open.diskOffset) return undefined;
      if (size > open.diskOffset && open.hasPlace()) return this.#touched(open);
      this.#close(open);
      return await this.#openAt(file, this.#again(file, open.state));
    }
    const known = this.#progress.files.get(file.id);
    if (!known) return await this.#openAt(file, newState(file, 0, 0));
    if (known.offset === ALL || known.check === wholeCheck(file.size)) return undefined;
    if (file.kind.compression !== "none") return await this.#openAt(file, known);
    if (!hasPlace(file.path, known)) return await this.#openAt(file, this.#again(file, known));
    return known.offset === file.size ? undefined : await this.#openAt(file, known);
  }

  async #openAt(file: FoundFile, state: FileState): Promise<OpenText | undefined> {
    const open = await openText(file, state, this.#config, this.#streams);
    if (!open) return undefined;
    this.#open.set(file.id, open);
    for (const oldest of this.#open.values()) {
      if (this.#open.size <= MAX_OPEN) break;
      this.#close(oldest);
    }
    return open;
  }

  #touched(open: OpenText): OpenText {
    this.#open.delete(open.file.id);
    this.#open.set(open.file.id, open);
    return open;
  }

  #close(open: OpenText): void {
    this.#open.delete(open.file.id);
    open[Symbol.dispose]();
  }

  /** @throws {ConnectorError} unless the configuration lets it begin anew */
  #again(file: FoundFile, known: FileState): FileState {
    const found = file.size < known.offset
      ? `it has ${file.size}`
      : "what stands before it is something else";
    if (this.#config.if_shortened === "stop") {
      throw new ConnectorError(`Cannot read "${file.path}" on at byte ${known.offset}: ${found}`, {
        code: "state_file_shortened",
        hint:
          "The file was cut or written anew. Put it back, or set if_shortened: continue to read it from its beginning",
      });
    }
    this.#context.log.warn(`"${file.path}" was cut or written anew: it is read from its beginning`, {
      offset: known.offset,
    });
    return newState(file, known.pass + 1, 0);
  }

  /** Before a first run that begins at the end. */
  #skipAll(files: readonly FoundFile[]): void {
    for (const file of files) this.#progress.note(newState(file, 0, endOf(file)));
  }

  /** Files that were begun before this run, and have another name now. */
  #renamedSince(files: readonly FoundFile[]): FoundFile[] {
    const listed = new Set(files.map(({ id }) => id));
    const missing = new Set([...this.#progress.files.keys()].filter((id) => !listed.has(id)));
    const renamed = this.#finder.renamed(missing);
    for (const { id } of renamed) missing.delete(id);
    for (const id of missing) this.#progress.forget(id);
    return renamed.map((file) => ({ ...file, kind: this.#kindOf(file, files) }));
  }

  /** A rotated file is in the format that it had before. */
  #kindOf(file: FoundFile, files: readonly FoundFile[]): FoundFile["kind"] {
    if (file.kind.format !== undefined) return file.kind;
    return files.find(({ kind }) => kind.format !== undefined)?.kind ?? file.kind;
  }

  /** Files that are open and were renamed or deleted: what they hold is read to the end. */
  #unlisted(listed: readonly FoundFile[]): FoundFile[] {
    const ids = new Set(listed.map(({ id }) => id));
    const unlisted: FoundFile[] = [];
    for (const open of this.#open.values()) {
      if (ids.has(open.file.id)) continue;
      const { nlink, size } = open.stat();
      if (nlink === 0 && size <= open.diskOffset) {
        this.#progress.forget(open.file.id);
        this.#close(open);
      } else unlisted.push(open.file);
    }
    return unlisted;
  }
}

/** Order counts within one pass over one file. */
function laneOf({ file: { id }, pass }: OpenText | OpenTable): string {
  return pass === 0 ? id : `${id}+${pass}`;
}

function brokenFile({ path }: FoundFile, offset: number, { message }: StructureError): ConnectorError {
  return new ConnectorError(`Cannot read "${path}" on at byte ${offset}: ${message}`, {
    code: "serialization_json",
    hint: "Mend the file, or take it out of the path: what lies before was read",
  });
}

function newState({ name, id }: FoundFile, pass: number, offset: number): FileState {
  return { name, id, pass, offset, count: 0, check: "" };
}

/** Where new records will begin. What is written as a whole counts as a whole. */
function endOf({ path, size, kind: { format, compression } }: FoundFile): number {
  const hasLines = format === "jsonl" || format === "csv" || format === "tsv";
  return hasLines && compression === "none" ? lineEndBefore(path, size) : ALL;
}
