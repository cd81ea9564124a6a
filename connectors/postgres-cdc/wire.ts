/**
 * The raw bytes of one connection to the server, and the frames in them (PostgreSQL's frontend/backend protocol 3.0,
 * "Message Formats"). Used for what brings many rows, replication and COPY: a frame is read where it lies in the
 * buffer, with no object, event or promise for it.
 */
import type { Duplex } from "node:stream";

/** Stop taking from the socket when this much waits to be read; the server then notices through TCP. */
const HIGH_WATER = 2 << 20;
const USUAL_CAPACITY = 1 << 20;

/** First bytes of the frames that are read here. */
export const FRAME = {
  error: 0x45, // E
  notice: 0x4e, // N
  parameter: 0x53, // S
  readyForQuery: 0x5a, // Z
  commandComplete: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyOut: 0x48, // H
  copyBoth: 0x57, // W
  dataRow: 0x44, // D
} as const;

/** What an ErrorResponse says (protocol, "Error and Notice Message Fields"). */
export interface ServerError {
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** The connection is gone. `cause` is what the socket said, if anything. */
export class WireClosed extends Error {
  override readonly name = "WireClosed";
}

export class Wire {
  /** What has arrived and is not consumed is `bytes[start..end)`. Replaced when it must grow. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(USUAL_CAPACITY);
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;

  /** Where the current frame's content lies, after `nextFrame()`. */
  frameType = 0;
  frameStart = 0;
  frameEnd = 0;

  /** When the last bytes came, on the clock that was handed in. */
  lastArrivalMs: number;
  /** How many bytes came with the last read. */
  lastReadSize = 0;

  readonly #socket: Duplex;
  readonly #nowMs: () => number;
  #chunks: Uint8Array[] = [];
  #queued = 0;
  #flowing = true;
  #held = false;
  #isDiscarding = false;
  #closed: WireClosed | undefined;
  #wake: (() => void) | undefined;

  /** Takes over a socket on which nothing is under way; whoever listened for data before is unhooked. */
  constructor(socket: Duplex, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
    this.lastArrivalMs = nowMs();
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Uint8Array) => this.#arrived(chunk));
    socket.on("error", (cause: Error) => this.fail(new WireClosed(cause.message, { cause })));
    socket.on("end", () => this.fail(new WireClosed("the server closed the connection")));
    socket.on("close", () => this.fail(new WireClosed("the connection was closed")));
    if (socket.destroyed) this.fail(new WireClosed("the connection was closed"));
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#isDiscarding) return;
    this.#chunks.push(chunk);
    this.#queued += chunk.length;
    this.lastReadSize = chunk.length;
    this.lastArrivalMs = this.#nowMs();
    if (this.#queued >= HIGH_WATER && this.#flowing) {
      this.#flowing = false;
      this.#socket.pause();
    }
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Ends it: who waits, or reads on when what came before is used up, gets this error. */
  fail(error: WireClosed): void {
    this.#closed ??= error;
    clearTimeout(this.#shortly);
    this.#notify();
  }

  /** Whether something has arrived that `take()` would bring. */
  get hasMore(): boolean {
    return this.#queued > 0;
  }

  /** Whether so much has arrived and is not read that the server can't send more. */
  get isFull(): boolean {
    return this.#queued >= HIGH_WATER;
  }

  /** Whether the reader waits for bytes, so that silence means something. */
  get isWaiting(): boolean {
    return this.#wake !== undefined && !this.#held;
  }

  /** Moves what has arrived behind what is not consumed yet. Offsets into `bytes` from before are void. */
  take(): void {
    if (this.#queued === 0) return;
    const kept = this.end - this.start;
    this.#makeRoom(kept + this.#queued);
    for (const chunk of this.#chunks) {
      this.bytes.set(chunk, this.end);
      this.end += chunk.length;
    }
    this.#chunks.length = 0;
    this.#queued = 0;
    if (!this.#flowing && !this.#held) {
      this.#flowing = true;
      this.#socket.resume();
    }
  }

  #makeRoom(size: number): void {
    const kept = this.end - this.start;
    if (size > this.bytes.length || (this.bytes.length > USUAL_CAPACITY * 4 && size <= USUAL_CAPACITY)) {
      // A row can have a gigabyte: the buffer doubles for it and shrinks behind it.
      const capacity = Math.max(
        USUAL_CAPACITY,
        size > this.bytes.length ? Math.max(size, this.bytes.length * 2) : 0,
      );
      const larger = new Uint8Array(capacity);
      larger.set(this.bytes.subarray(this.start, this.end));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    } else if (this.start > 0) this.bytes.copyWithin(0, this.start, this.end);
    this.start = 0;
    this.end = kept;
  }

  /** Lets the kernel gather what comes until `release()`; what was under way may still arrive. */
  hold(): void {
    this.#held = true;
    if (!this.#flowing) return;
    this.#flowing = false;
    this.#socket.pause();
  }

  release(): void {
    this.#held = false;
    if (this.#flowing || this.#queued >= HIGH_WATER) return;
    this.#flowing = true;
    this.#socket.resume();
  }

  /**
   * Waits until bytes have arrived. Resolves also when `interrupt()` is called.
   *
   * @throws {WireClosed} when the connection is gone and everything that came over it has been taken
   */
  async wait(): Promise<void> {
    if (this.#queued > 0) return;
    if (this.#closed) throw this.#closed;
    await new Promise<void>((resolve) => this.#wake = resolve);
    if (this.#queued === 0 && this.#closed) throw this.#closed;
  }

  /** Throws away whatever comes from now on, so that the other side can finish what it is sending. */
  discard(): void {
    this.#isDiscarding = true;
    this.#chunks.length = this.#queued = 0;
    clearTimeout(this.#shortly);
    this.#socket.resume();
  }

  /** Ends a `wait()` early. */
  interrupt(): void {
    this.#notify();
  }

  /** The same, at the latest after `ms`. */
  async waitAtMost(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#notify(), ms);
    try {
      await this.wait();
    } finally {
      clearTimeout(timer);
    }
  }

  #shortly: ReturnType<typeof setTimeout> | undefined;
  #isShort = false;

  /** The same for who waits a little again and again: one timer for many waits, so a wait may be shorter. */
  async waitShortly(ms: number): Promise<void> {
    if (this.#queued > 0) return;
    this.#shortly ??= setTimeout(() => {
      this.#shortly = undefined;
      if (this.#isShort) this.#notify();
    }, ms);
    this.#isShort = true;
    try {
      await this.wait();
    } finally {
      this.#isShort = false;
    }
  }

  /**
   * Steps to the next frame that has arrived whole and consumes it: its content is `bytes[frameStart..frameEnd)`.
   *
   * @returns false when more bytes are needed
   * @throws {WireClosed} when the length can't be one
   */
  nextFrame(): boolean {
    const { start, end } = this;
    if (end - start < 5) return false;
    const length = this.view.getInt32(start + 1);
    if (length < 4) throw new WireClosed(`the server sent a frame of length ${length}`);
    const frameEnd = start + 1 + length;
    if (frameEnd > end) return false;
    this.frameType = this.bytes[start];
    this.frameStart = start + 5;
    this.frameEnd = this.start = frameEnd;
    return true;
  }

  /** The next frame that is no notice, waiting for it. Not for hot paths. */
  async readFrame(): Promise<number> {
    for (;;) {
      while (!this.nextFrame()) {
        await this.wait();
        this.take();
      }
      if (this.frameType !== FRAME.notice && this.frameType !== FRAME.parameter) return this.frameType;
    }
  }

  /** The current frame, which is an ErrorResponse. */
  serverError(): ServerError {
    const fields = new Map<string, string>();
    let at = this.frameStart;
    while (at < this.frameEnd && this.bytes[at] !== 0) {
      const name = String.fromCharCode(this.bytes[at]);
      let textEnd = this.bytes.indexOf(0, at + 1);
      if (textEnd < 0 || textEnd > this.frameEnd) textEnd = this.frameEnd;
      fields.set(name, decoder.decode(this.bytes.subarray(at + 1, textEnd)));
      at = textEnd + 1;
    }
    return {
      code: fields.get("C") ?? "",
      message: fields.get("M") ?? "unknown error",
      hint: fields.get("H"),
    };
  }

  /** The current frame, which is a DataRow: its values as text. Not for hot paths. */
  dataRow(): (string | null)[] {
    let at = this.frameStart + 2;
    return Array.from({ length: this.view.getInt16(this.frameStart) }, () => {
      const size = this.view.getInt32(at);
      at += 4;
      if (size < 0) return null;
      at += size;
      return decoder.decode(this.bytes.subarray(at - size, at));
    });
  }

  /** Sends a simple query (frame Q). */
  query(sql: string): void {
    const text = encoder.encode(sql);
    const frame = new Uint8Array(text.length + 6);
    frame[0] = 0x51;
    new DataView(frame.buffer).setInt32(1, text.length + 5);
    frame.set(text, 5);
    this.write(frame);
  }

  /** Queues bytes for sending; nothing happens when the connection is gone. */
  write(bytes: Uint8Array): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(bytes);
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
