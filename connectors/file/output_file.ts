/**
 * One file that grows: its bytes, its lock, and how long it ought to be. file_set.ts decides which there are and when
 * they are opened.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import { fileError } from "./file_error.ts";

const LINE_END = 0x0a;

export class OutputFile {
  readonly name: string;
  /** What the file holds: all that was appended. */
  length: number;
  /** The part of it that is durable. */
  flushedLength: number;
  /** When it was last appended to, by the clock that never jumps. */
  touchedMs = 0;
  /** Nothing more is appended. */
  isFinal = false;
  #handle: Deno.FsFile | undefined;
  /** Which file the name stands for, so that one that was moved away is noticed. */
  #inode: number | null = null;
  #isSynced = true;

  private constructor(name: string, length: number) {
    this.name = name;
    this.length = this.flushedLength = length;
  }

  /**
   * Opens an existing file for appending and locks it.
   *
   * @returns undefined when there is none
   * @throws {ConnectorError} `conflict_file_locked` when somebody else writes it
   */
  static openExisting(name: string): OutputFile | undefined {
    const handle = tryOpen(name);
    if (!handle) return undefined;
    const file = new OutputFile(name, 0);
    file.#hold(handle);
    file.length = file.flushedLength = handle.statSync().size;
    return file;
  }

  /**
   * Makes a file and locks it. Its name is durable once its folder is synced.
   *
   * @param makeFolder called when the folder is missing
   */
  static create(name: string, makeFolder: () => void): OutputFile {
    const options: Deno.OpenOptions = { read: true, append: true, createNew: true };
    const file = new OutputFile(name, 0);
    try {
      let handle: Deno.FsFile;
      try {
        handle = Deno.openSync(name, options);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        makeFolder();
        handle = Deno.openSync(name, options);
      }
      file.#hold(handle);
    } catch (error) {
      throw fileError("make", name, error);
    }
    return file;
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  get isDirty(): boolean {
    return this.length !== this.flushedLength;
  }

  /** Opens a file again that was closed to save handles. */
  reopen(): void {
    const handle = tryOpen(this.name);
    if (!handle) throw changed(this.name, this.length, undefined);
    this.#hold(handle);
    const { size } = handle.statSync();
    if (size !== this.length) throw changed(this.name, this.length, size);
  }

  /** Appends bytes to an open file; when that fails, `cutTo` undoes it. */
  append(bytes: Uint8Array): void {
    const handle = this.#handle!;
    this.#isSynced = false;
    let done = 0;
    try {
      // The system may take a part only, and says why with the next write.
      while (done < bytes.length) done += handle.writeSync(bytes.subarray(done));
    } catch (error) {
      throw fileError("append to", this.name, error);
    }
    this.length += bytes.length;
  }

  /** Gives the file the length it had. */
  cutTo(length: number): void {
    try {
      this.#handle!.truncateSync(length);
      this.#isSynced = false;
    } catch (error) {
      throw fileError("cut back", this.name, error);
    }
    this.length = length;
    this.flushedLength = Math.min(this.flushedLength, length);
  }

  /** Whether the last line is a whole one; an empty file has none. */
  endsWithLine(): boolean {
    if (this.length === 0) return true;
    const handle = this.#handle!;
    const last = new Uint8Array(1);
    handle.seekSync(this.length - 1, Deno.SeekMode.Start);
    handle.readSync(last);
    return last[0] === LINE_END;
  }

  /** Resolves when what was appended is on the disk. */
  async sync(): Promise<void> {
    if (this.#isSynced) return;
    try {
      // Not `syncDataSync`: a slow disk would keep this worker from answering, and several files would queue up.
      await this.#handle!.syncData();
    } catch (error) {
      throw fileError("sync", this.name, error);
    }
    this.#isSynced = true;
  }

  /**
   * That the name still stands for the file we wrote, with our bytes and no others. Otherwise what we call durable
   * would be in a file that nobody will find.
   *
   * @throws {ConnectorError} `state_file_changed`
   */
  verify(): void {
    let stat: Deno.FileInfo | undefined;
    try {
      stat = Deno.statSync(this.name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw fileError("look at", this.name, error);
    }
    if (stat?.size !== this.length || stat.ino !== this.#inode) {
      throw changed(this.name, this.length, stat?.size);
    }
  }

  /** Saves a handle; what was appended is made durable first. */
  closeSynced(): void {
    try {
      if (!this.#isSynced) this.#handle!.syncDataSync();
    } catch (error) {
      throw fileError("sync", this.name, error);
    }
    this.#isSynced = true;
    this.close();
  }

  close(): void {
    // A process that is being started holds copies of all handles for a moment, and with them the lock.
    this.#handle?.unlockSync();
    this.#handle?.close();
    this.#handle = undefined;
  }

  #hold(handle: Deno.FsFile): void {
    try {
      if (!handle.tryLockSync(true)) throw locked(this.name);
      this.#inode = handle.statSync().ino;
    } catch (error) {
      handle.close();
      throw fileError("lock", this.name, error);
    }
    this.#handle = handle;
  }
}

function tryOpen(name: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(name, { read: true, append: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("open", name, error);
  }
}

function locked(name: string): ConnectorError {
  return new ConnectorError(`"${name}" is being written by another process or another pipeline`, {
    code: "conflict_file_locked",
    hint:
      "A file belongs to one pipeline: stop the other one, or give each its own `path`, with {pipeline} for instance",
  });
}

function changed(name: string, length: number, found: number | undefined): ConnectorError {
  const what = found === undefined ? "is gone" : found === length ? "is another file now" : `has ${found}`;
  return new ConnectorError(
    `"${name}" was changed by another program while it was being written: it should have ${length} bytes and ${what}`,
    {
      code: "state_file_changed",
      hint:
        "Put the file back and start again; let no other program write, move or shorten files that still grow",
    },
  );
}
