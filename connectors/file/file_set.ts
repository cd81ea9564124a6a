/**
 * All files of one sink, and why a crash at any moment leaves each record in them once:
 *
 *  - `flush()` makes the bytes durable, then the names (folders are synced), and returns every file's length, which
 *    the runtime saves in the commit;
 *  - `open()` cuts every file back to its saved length, and undoes files that were begun after that commit
 *    (begun_files.ts): the records behind are read again;
 *  - a file that nobody has touched for a while is left out of what is saved. It has the length of every commit since,
 *    and is begun anew when a record comes for it, so what is saved stays small however many files there are.
 */
import { dirname } from "node:path";
import type { SinkContext } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import { type BegunFile, BegunFiles } from "./begun_files.ts";
import { fileError } from "./file_error.ts";
import { OutputFile } from "./output_file.ts";
import { parsePartName, partName } from "./part_name.ts";

export interface Rotation {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface FileSetOptions {
  readonly context: SinkContext;
  /** The folder with all the files; the sink has no rights elsewhere. */
  readonly base: string;
  readonly rotation: Rotation | undefined;
  readonly ifShortened: "stop" | "continue";
  /** Files kept open at most; 128. */
  readonly maxOpen?: number;
  /** Files at most in what is saved; 1024. */
  readonly maxSaved?: number;
}

/** What `flush()` returns: the number of the flush, and the length of each file that may still change. */
export type SavedFiles = {
  readonly v: 1;
  readonly flush: number;
  readonly files: { readonly [name: string]: number };
};

/** Files untouched for this long are left out of what is saved. */
const IDLE_MS = 10 * 60_000;
/** As are the ones untouched longest where there are more than this. */
const MAX_SAVED = 1024;
const MAX_OPEN = 128;
const LINE_END = new Uint8Array([0x0a]);

export class FileSet {
  readonly #options: FileSetOptions;
  readonly #begun: BegunFiles;
  #flushes: number;
  /** By name; the one touched last comes last. */
  readonly #files = new Map<string, OutputFile>();
  /** The file that a path's records go to. */
  readonly #current = new Map<string, OutputFile>();
  /** The one opened last comes last. */
  readonly #open = new Set<OutputFile>();
  readonly #dirty = new Set<OutputFile>();
  /** Folders in which names were made that are not durable yet. */
  readonly #newNames = new Set<string>();

  private constructor(options: FileSetOptions, begun: BegunFiles, flushes: number) {
    this.#options = options;
    this.#begun = begun;
    this.#flushes = flushes;
  }

  /**
   * Brings the files into the state of the last commit.
   *
   * @throws {ConnectorError} `state_file_shortened` when bytes of that state are missing, `conflict_file_locked` when
   * somebody else writes one of the files
   */
  static async open(options: FileSetOptions): Promise<FileSet> {
    const { context } = options;
    const { flush, files } = parseSaved(context.saved);
    const set = new FileSet(options, await BegunFiles.open(context.state, context.flow), flush);
    try {
      for (const [name, length] of Object.entries(files)) set.#restore(name, length);
      await set.#undoBegun(files);
    } catch (error) {
      set.close();
      throw error;
    }
    return set;
  }

  /** Appends bytes to the files of their paths: all of them, or none. */
  async append(parts: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const unknown = [...parts.keys()].filter((path) => !this.#isReady(path));
    if (unknown.length > 0) await this.#begin(unknown);
    const appended: [OutputFile, number][] = [];
    try {
      for (const [path, bytes] of parts) {
        const file = this.#current.get(path)!;
        if (!file.isOpen) this.#reopen(file);
        appended.push([file, file.length]);
        file.append(bytes);
        this.#touch(file);
      }
    } catch (error) {
      for (const [file, length] of appended) this.#takeBack(file, length);
      throw error;
    }
  }

  /** Makes everything durable. */
  async flush(): Promise<SavedFiles> {
    const dirty = [...this.#dirty];
    await Promise.all(dirty.map((file) => file.sync()));
    for (const file of dirty) file.verify();
    for (const folder of this.#newNames) await syncFolder(folder);
    this.#newNames.clear();
    for (const file of dirty) file.flushedLength = file.length;
    this.#dirty.clear();
    // A flush is asked for only when the result of the one before it is saved.
    if (this.#flushes > 0) await this.#begun.forgetBefore(this.#flushes);
    this.#flushes++;
    this.#leaveIdle();
    const files: Record<string, number> = {};
    for (const file of this.#files.values()) files[file.name] = file.length;
    this.#options.context.metrics.set("open_files", this.#open.size);
    return { v: 1, flush: this.#flushes, files };
  }

  close(): void {
    for (const file of this.#open) file.close();
    this.#open.clear();
  }

  // ---- which file -------------------------------------------------------------------------------------------------

  /** Whether the path's records can be appended; leaves a file that is to be rotated. */
  #isReady(path: string): boolean {
    const file = this.#current.get(path);
    if (!file) return false;
    const { rotation, context } = this.#options;
    // Left between flushes only, so that a file which has a successor is one that is durable as it stands.
    if (!rotation || file.isDirty) return true;
    const nowMs = Number(context.clock.nowMicros() / 1000n);
    const ageMs = nowMs - parsePartName(file.name)!.begunMs;
    if (file.length < rotation.maxBytes && ageMs < rotation.maxAgeMs) return true;
    file.isFinal = true;
    this.#current.delete(path);
    return false;
  }

  /** Makes or finds the files of paths that have none yet. */
  async #begin(paths: readonly string[]): Promise<void> {
    const begun: { path: string; name: string; file: OutputFile | undefined }[] = [];
    try {
      for (const path of paths) {
        const name = this.#options.rotation ? this.#newPart(path) : path;
        begun.push({ path, name, file: OutputFile.openExisting(name) });
      }
      await this.#begun.add(begun.map(({ name, file }): BegunFile => ({
        file: name,
        length: file?.length ?? 0,
        isNew: file === undefined,
        after: this.#flushes,
      })));
      for (const one of begun) one.file ??= this.#create(one.name);
    } catch (error) {
      for (const { file } of begun) file?.close();
      throw error;
    }
    for (const { path, file } of begun) {
      this.#current.set(path, file!);
      this.#keep(file!);
      this.#endLine(file!);
    }
  }

  /** A name for the next file of a path, later than all before. */
  #newPart(path: string): string {
    let begunMs = Number(this.#options.context.clock.nowMicros() / 1000n);
    for (const file of this.#files.values()) {
      const part = parsePartName(file.name);
      if (part?.path === path && part.begunMs >= begunMs) begunMs = part.begunMs + 1;
    }
    while (exists(partName(path, begunMs))) begunMs++;
    return partName(path, begunMs);
  }

  #create(name: string): OutputFile {
    const folder = dirname(name);
    const file = OutputFile.create(name, () => {
      Deno.mkdirSync(folder, { recursive: true });
      // Each of them may be new; what lies above the base is not ours to sync.
      for (let above = folder; above !== this.#options.base; above = dirname(above)) {
        this.#newNames.add(dirname(above));
      }
    });
    this.#newNames.add(folder);
    return file;
  }

  #keep(file: OutputFile): void {
    this.#files.set(file.name, file);
    file.touchedMs = this.#options.context.clock.monotonicMs();
    this.#noteOpen(file);
  }

  /** Somebody's last line may be torn; ours begin on a line of their own. */
  #endLine(file: OutputFile): void {
    if (file.endsWithLine()) return;
    this.#options.context.log.warn(`"${file.name}" ended in the middle of a line; going on behind it`);
    file.append(LINE_END);
    this.#touch(file);
  }

  // ---- handles ----------------------------------------------------------------------------------------------------

  #reopen(file: OutputFile): void {
    file.reopen();
    this.#noteOpen(file);
  }

  #noteOpen(file: OutputFile): void {
    this.#open.add(file);
    const { maxOpen = MAX_OPEN } = this.#options;
    for (const oldest of this.#open) {
      if (this.#open.size <= maxOpen) break;
      if (oldest === file) continue;
      oldest.closeSynced();
      this.#open.delete(oldest);
    }
  }

  #touch(file: OutputFile): void {
    if (this.#dirty.has(file)) return;
    this.#dirty.add(file);
    this.#files.delete(file.name);
    this.#files.set(file.name, file);
    file.touchedMs = this.#options.context.clock.monotonicMs();
  }

  #takeBack(file: OutputFile, length: number): void {
    try {
      if (!file.isOpen) file.reopen();
      file.cutTo(length);
    } catch (error) {
      // The write has failed already, and the next start cuts the file.
      this.#options.context.log.debug((error as Error).message);
    }
  }

  /** Leaves out of what is saved: files that are complete, idle for long, or too many. */
  #leaveIdle(): void {
    const { context, maxSaved = MAX_SAVED } = this.#options;
    const idleSinceMs = context.clock.monotonicMs() - IDLE_MS;
    for (const file of this.#files.values()) {
      const isIdle = file.touchedMs < idleSinceMs || this.#files.size > maxSaved;
      if (!file.isFinal && !isIdle) continue;
      file.close();
      this.#open.delete(file);
      this.#files.delete(file.name);
      for (const [path, current] of this.#current) if (current === file) this.#current.delete(path);
    }
  }

  // ---- the state of the last commit -------------------------------------------------------------------------------

  #restore(name: string, length: number): void {
    const { base, ifShortened, context } = this.#options;
    if (!isBelow(base, name)) {
      context.log.warn(`"${name}" was written before \`path\` was changed; it is left as it is`);
      return;
    }
    const file = OutputFile.openExisting(name);
    if (!file && length === 0) return;
    if (!file || file.length < length) {
      if (ifShortened === "stop") {
        file?.close();
        throw shortened(name, length, file?.length);
      }
      const left = file ? `has only ${file.length}` : "is missing";
      context.log.warn(`"${name}" should have ${length} bytes and ${left}; going on behind what is left`);
      if (!file) return;
    }
    // A file from before rotation was switched on, or off, is not written any more.
    const path = this.#options.rotation ? parsePartName(name)?.path : name;
    if (path !== undefined) this.#current.set(path, file);
    this.#keep(file);
    if (file.length > length) {
      context.log.info(`Cutting "${name}" back to the last commit`, { from: file.length, to: length });
      file.cutTo(length);
    }
    this.#endLine(file);
  }

  async #undoBegun(saved: SavedFiles["files"]): Promise<void> {
    const { base, context } = this.#options;
    const folders = new Set<string>();
    for (const { file: name, length, isNew } of this.#begun.notIn(this.#flushes)) {
      if (name in saved || !isBelow(base, name)) continue;
      const file = OutputFile.openExisting(name);
      if (!file || file.length <= length && !isNew) {
        file?.close();
        continue;
      }
      context.log.info(`Undoing what was written to "${name}" after the last commit`);
      try {
        if (isNew) Deno.removeSync(name);
        else file.cutTo(length);
        await file.sync();
      } catch (error) {
        throw fileError("undo what was written to", name, error);
      } finally {
        file.close();
      }
      if (isNew) folders.add(dirname(name));
    }
    for (const folder of folders) await syncFolder(folder);
    await this.#begun.clear();
  }
}

function parseSaved(saved: Json | undefined): SavedFiles {
  if (saved === undefined) return { v: 1, flush: 0, files: {} };
  const { v } = saved as unknown as { v: unknown };
  if (v === 1) return saved as unknown as SavedFiles;
  throw new ConnectorError(`The saved state of this sink has version ${JSON.stringify(v)}, known is 1`, {
    code: "state_version",
    hint: "It was written by a newer version of this program: use that one",
  });
}

function shortened(name: string, length: number, found: number | undefined): ConnectorError {
  const what = found === undefined ? "does not exist" : `has ${found}`;
  return new ConnectorError(
    `Cannot go on with "${name}": ${length} bytes were committed to it, and it ${what}`,
    {
      code: "state_file_shortened",
      hint: "Put the file back (is its disk mounted, is this the right working directory?), or set " +
        "`if_shortened: continue` to accept the loss and go on behind what is left",
    },
  );
}

function isBelow(base: string, name: string): boolean {
  if (base === ".") return !name.startsWith("/") && !name.startsWith("../");
  return name.startsWith(`${base}/`);
}

function exists(name: string): boolean {
  try {
    Deno.statSync(name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw fileError("look at", name, error);
  }
}

/** Makes the names in a folder durable; fsync(2) of a file does not promise that. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using handle = await Deno.open(folder);
    await handle.sync();
  } catch (error) {
    throw fileError("sync the folder", folder, error);
  }
}
