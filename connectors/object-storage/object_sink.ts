/**
 * The `object-storage` sink over any store: sorts records into files that grow in memory, and makes objects of them at
 * each flush. Why each record is in one object exactly once, whatever ends the program at any moment:
 *
 *  - a flush saves its intent, the name and the range of every file, before the first byte leaves;
 *  - an object is made as a whole or not at all, and never over another one of its name;
 *  - when the commit behind the flush is lost, its records come again and go into files of the same names and ranges,
 *    so that what is there already is not made again (unfinished.ts).
 */
import type { Batch, CheckReport, Sink, SinkContext } from "../contract.ts";
import type { Json } from "../../formats/data/value.ts";
import { type IntendedFile, type Intent, IntentStore, type SavedFlush, savedFlush } from "./intent.ts";
import { free } from "./bytes.ts";
import { FileLayout, folderOf, type LayoutKeys, type Places } from "./layout.ts";
import { legacyName, letters, type Naming, rangeName, uniqueName } from "./object_name.ts";
import type { ObjectStore } from "./object_store.ts";
import { SpoolFile } from "./spool_file.ts";
import { UnfinishedFiles } from "./unfinished.ts";

export interface ObjectSinkOptions {
  readonly context: SinkContext;
  readonly store: ObjectStore;
  /** Names the store and the bucket, without secrets: objects elsewhere can't be asked for. */
  readonly target: string;
  readonly keys: LayoutKeys;
  /** `range`: names of which none comes twice. `legacy`: those of earlier versions, made unique. */
  readonly naming: "range" | "legacy";
  /** What all open files may hold in memory together. */
  readonly maxBytes: number;
}

/** An object that is to be made. */
interface NewFile {
  readonly name: string;
  readonly file: SpoolFile;
  /** Undefined: its records can't be told apart when they come again. */
  readonly intended: IntendedFile | undefined;
  /** An earlier attempt may have made it. */
  readonly isRepeated: boolean;
}

/** Files open at a time; their number is what partitions by a column may make large. */
const MAX_FILES = 500;
/** What comes at most while a flush is on its way: the batches that wait in the port. */
const MORE_BYTES = 16 << 20;
/** Objects made at a time. */
const UPLOADS = 4;

export class ObjectSink implements Sink {
  readonly #options: ObjectSinkOptions;
  readonly #layout: FileLayout;
  readonly #intents: IntentStore;
  readonly #writer: string;
  /** Files that grow, by lane and place. */
  readonly #open = new Map<string, SpoolFile>();
  /** Files that are complete, but not made yet. */
  #complete: SpoolFile[] = [];
  #unfinished: UnfinishedFiles;
  /** By lane, the order of the last record that was written since this sink was opened. */
  readonly #reached = new Map<string, string>();
  #flush: number;
  isFull = false;

  private constructor(
    options: ObjectSinkOptions,
    layout: FileLayout,
    writer: string,
    flush: number,
    unfinished: UnfinishedFiles,
  ) {
    const { context } = options;
    this.#options = options;
    this.#layout = layout;
    this.#intents = new IntentStore(context.state, context.flow);
    this.#writer = writer;
    this.#flush = flush;
    this.#unfinished = unfinished;
  }

  /** Opens the sink; what an interrupted flush has left half done is cleaned up when this resolves. */
  static async open(options: ObjectSinkOptions): Promise<ObjectSink> {
    const { context, store, target } = options;
    const { state, flow, log } = context;
    const key = `writer of ${flow}`;
    let writer = await state.get(key) as string | undefined;
    if (writer === undefined) {
      writer = letters(8, context.random);
      await state.put(key, writer);
    }
    const saved = savedFlush(context.saved);
    const intent = await new IntentStore(state, flow).get();
    const layout = await FileLayout.open(options.keys, flow);
    const none = new UnfinishedFiles([], []);
    if (intent === undefined) return new ObjectSink(options, layout, writer, saved, none);
    const flush = Math.max(saved, intent.flush);
    const wasLost = saved < intent.flush;
    const files = wasLost ? [...intent.unfinished, ...intent.files] : intent.unfinished;
    if (intent.target !== target) {
      if (files.length > 0) {
        log.warn(
          `The last flush of pipeline "${flow}" went to ${intent.target} and was interrupted: ` +
            `up to ${files.length} objects there may hold records that now go to ${target} as well`,
        );
      }
      return new ObjectSink(options, layout, writer, flush, none);
    }
    if (wasLost) {
      const names = [...intent.files.map(({ name }) => name), ...intent.unordered];
      await inParallel(names, UPLOADS, (name) => store.cleanUp(name));
      log.info(`Finishing a flush of ${names.length} objects that was interrupted`);
    }
    const layouts = await Promise.all(intent.layouts.map((keys) => FileLayout.open(keys, flow)));
    return new ObjectSink(options, layout, writer, flush, new UnfinishedFiles(layouts, files));
  }

  write(batch: Batch): Promise<void> {
    const { length } = batch;
    if (length > 0) this.#take(batch, length);
    return Promise.resolve();
  }

  async flush(): Promise<Json | void> {
    const { files, unfinished } = await this.#takeFiles();
    this.#unfinished = unfinished;
    this.isFull = false;
    // Where nothing is made the last intent stays what it is.
    if (files.length === 0) return;
    await this.#intend(files);
    await inParallel(files, UPLOADS, (file) => this.#make(file));
    return { v: 1, flush: this.#flush } satisfies SavedFlush;
  }

  async check(report: CheckReport): Promise<void> {
    await this.#options.store.check(report);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open.clear();
    this.#complete = [];
    await this.#options.store[Symbol.asyncDispose]();
  }

  // ---- records into files -----------------------------------------------------------------------------------------

  #take(batch: Batch, length: number): void {
    const again = this.#isOrdered(batch) ? this.#unfinished.countIn(batch) : 0;
    if (again > 0) this.#addAgain(batch, again);
    if (again < length) this.#add(batch, again, length, this.#layout.placesOf(batch));
    if (this.#isOrdered(batch)) this.#reached.set(batch.lane, batch.order(length - 1)!);
    this.isFull = this.#isFull();
  }

  /** Records of a lane `""` have no order of their own, also where a replay of dead letters has given them one. */
  #isOrdered(batch: Batch): boolean {
    return batch.lane !== "" && batch.order(0) !== undefined;
  }

  /** Adds records that may belong to files of an interrupted flush: the first `count` of the batch. */
  #addAgain(batch: Batch, count: number): void {
    const find = this.#unfinished.finder(batch);
    const places = this.#layout.placesOf(batch);
    for (let i = 0; i < count;) {
      const found = find(i);
      if (!found) {
        this.#add(batch, i, i + 1, places);
        i++;
        continue;
      }
      const { file: { pieces, layout }, end } = found;
      const to = endOfRun(found.places, found.place, i, end);
      if (found.places.hasContent(i)) {
        pieces.push(...this.#fill(pieces.pop(), layout, found.place, batch, i, to));
      }
      i = to;
    }
  }

  #add(batch: Batch, from: number, to: number, places: Places): void {
    for (let i = from; i < to;) {
      if (!places.hasContent(i)) {
        i++;
        continue;
      }
      const place = places.placeOf(i);
      const end = places.isOne ? to : endOfRun(places, place, i, to);
      const key = JSON.stringify([batch.lane, place]);
      const files = this.#fill(this.#open.get(key), this.#layout, place, batch, i, end);
      this.#open.set(key, files.pop()!);
      this.#complete.push(...files);
      i = end;
    }
  }

  /**
   * Adds records to a file, and begins others where their columns change: all of these files, the open one last. They
   * are completed by the flush: runs may be as short as a record, and none costs a promise.
   */
  #fill(
    open: SpoolFile | undefined,
    layout: FileLayout,
    place: string,
    batch: Batch,
    from: number,
    to: number,
  ): SpoolFile[] {
    const { reject } = this.#options.context;
    const files = [open ?? new SpoolFile(layout, place, batch, from)];
    let isNew = open === undefined;
    for (let i = from; i < to;) {
      const next = files.at(-1)!.add(batch, i, to, reject);
      if (next === to) break;
      if (next === i && isNew) throw new Error("A file refuses the record that it was begun for");
      files.push(new SpoolFile(layout, place, batch, next));
      isNew = true;
      i = next;
    }
    return files;
  }

  #isFull(): boolean {
    let count = 0;
    let bytes = 0;
    const add = (file: SpoolFile) => {
      count++;
      bytes += file.heldBytes;
    };
    for (const file of this.#open.values()) add(file);
    for (const file of this.#complete) add(file);
    for (const { pieces } of this.#unfinished) pieces.forEach(add);
    const { maxBytes } = this.#options;
    // The flush that was interrupted may have been larger: what came while it was asked for was in it.
    const isHalfDone = this.#unfinished.isBehind(this.#reached);
    return count >= MAX_FILES || bytes >= (isHalfDone ? maxBytes + MORE_BYTES : maxBytes);
  }

  // ---- files into objects -----------------------------------------------------------------------------------------

  /** Completes all files and names them; those of an interrupted flush that are not done with are kept apart. */
  async #takeFiles(): Promise<{ files: NewFile[]; unfinished: UnfinishedFiles }> {
    const files: NewFile[] = [];
    const layouts: FileLayout[] = [];
    const kept: IntendedFile[] = [];
    for (const { intended, layout, pieces } of this.#unfinished) {
      for (const piece of pieces) await piece.end();
      const written = pieces.filter(({ records }) => records > 0);
      const isWhole = (this.#reached.get(intended.lane) ?? "") >= intended.last;
      const keep = () => kept.push({ ...intended, layout: indexOf(layouts, layout) });
      if (written.length === 0) {
        if (!isWhole) keep();
      } else if (isWhole && written.length === 1) {
        files.push({ name: intended.name, file: written[0], intended, isRepeated: true });
      } else if (await this.#options.store.sizeOf(intended.name) !== undefined) {
        if (!isWhole) keep();
      } else files.push(...written.map((file) => this.#named(file)));
    }
    for (const file of [...this.#complete, ...this.#open.values()]) {
      await file.end();
      if (file.records > 0 && file.bodyBytes > 0) files.push(this.#named(file));
    }
    this.#open.clear();
    this.#complete = [];
    return { files, unfinished: new UnfinishedFiles(layouts, kept) };
  }

  #named(file: SpoolFile): NewFile {
    const { context: { flow, clock, random }, naming: kind } = this.#options;
    const folder = folderOf(file.place);
    const naming: Naming = { flow, writer: this.#writer, extension: file.layout.extension };
    const { lane, place, first, last, records } = file;
    if (kind === "legacy" || lane === "" || first === undefined || last === undefined) {
      const name = kind === "legacy"
        ? legacyName(folder, this.#flush + 1, clock.nowMicros(), random, naming)
        : uniqueName(folder, clock.nowMicros(), random, naming);
      return { name, file, intended: undefined, isRepeated: false };
    }
    const name = rangeName(folder, { lane, first, last }, naming);
    const intended = { name, place, lane, first, last, records, layout: 0 };
    return { name, file, intended, isRepeated: false };
  }

  async #intend(files: readonly NewFile[]): Promise<void> {
    const layouts: FileLayout[] = [];
    const intent: Omit<Intent, "layouts"> = {
      v: 1,
      flush: ++this.#flush,
      target: this.#options.target,
      files: files.flatMap(({ file, intended }) =>
        intended ? [{ ...intended, layout: indexOf(layouts, file.layout) }] : []
      ),
      unordered: files.filter(({ intended }) => intended === undefined).map(({ name }) => name),
      unfinished: [...this.#unfinished].map(({ intended, layout }) => ({
        ...intended,
        layout: indexOf(layouts, layout),
      })),
    };
    await this.#intents.put({ ...intent, layouts: layouts.map(({ keys }) => keys) });
  }

  async #make({ name, file, isRepeated }: NewFile): Promise<void> {
    const { store, context: { metrics, log } } = this.#options;
    const isThere = isRepeated && await store.sizeOf(name) !== undefined;
    const { body, bodyBytes, layout: { format: { mediaType } } } = file;
    const outcome = isThere ? "exists" : await store.create({ name, body, contentType: mediaType });
    metrics.add(
      outcome === "created" ? "object_storage_objects_total" : "object_storage_found_objects_total",
    );
    if (outcome === "created") metrics.add("object_storage_bytes_total", bodyBytes);
    else log.info(`"${name}" is there already`, { records: file.records });
    free(body);
  }
}

/** The first record behind `from` that goes elsewhere, or to nowhere. */
function endOfRun({ placeOf, hasContent }: Places, place: string, from: number, to: number): number {
  const isIn = hasContent(from);
  let end = from + 1;
  while (end < to && hasContent(end) === isIn && placeOf(end) === place) end++;
  return end;
}

/** The place of an equal layout in the list, where it is added when it is not there. */
function indexOf(layouts: FileLayout[], layout: FileLayout): number {
  const text = JSON.stringify(layout.keys);
  const found = layouts.findIndex((one) => one === layout || JSON.stringify(one.keys) === text);
  return found >= 0 ? found : layouts.push(layout) - 1;
}

/**
 * Runs `work` for all items, some at a time. After a failure no other is begun, and those under way are waited for.
 *
 * @throws what the first failure was
 */
async function inParallel<T>(
  items: readonly T[],
  atATime: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const run = async () => {
    while (next < items.length && !failure) {
      try {
        await work(items[next++]);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, run));
  if (failure) throw failure.error;
}
