/**
 * The standard output as the sink writes to it: every byte, whole lines, and a thread that stays awake while the
 * reader sleeps.
 */
import { fstatSync } from "node:fs";
import type { Clock } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";

/** What is written to: `Deno.stdout`, or a fake. Either method may take only the first bytes. */
export interface OutputFile {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
}

/**
 * How the other end behaves. `file`: files and devices, which are always ready. `pipe`: pipes and sockets, which
 * several writers share. `terminal`.
 */
export type OutputKind = "file" | "pipe" | "terminal";

/** POSIX: writes of up to PIPE_BUF bytes to a pipe are not mixed with those of others. 4096 on Linux, never less than 512. */
const PIPE_BUF = 4096;
const LINE_END = 0x0a;

export class Output {
  readonly kind: OutputKind;
  readonly #file: OutputFile;
  readonly #clock: Clock;

  constructor(file: OutputFile, kind: OutputKind, clock: Clock) {
    this.#file = file;
    this.kind = kind;
    this.#clock = clock;
  }

  /**
   * Writes lines, all of them.
   *
   * A reader that pauses makes a write wait as long as it likes, so writes to pipes and terminals leave the thread
   * free: a worker that can't answer is taken for dead. Another pipeline may write to the same pipe from its own
   * worker, so there it is whole lines in pieces that the system keeps together.
   *
   * @throws {ConnectorError} `fatal_broken_pipe` when nobody reads any more, `connection_stdout` for other failures
   */
  async write(lines: Uint8Array): Promise<void> {
    if (this.kind === "file") return this.#writeSync(lines);
    let start = 0;
    while (start < lines.length) {
      const end = this.kind === "pipe" ? pieceEnd(lines, start) : lines.length;
      await this.#write(lines.subarray(start, end));
      start = end;
    }
  }

  #writeSync(bytes: Uint8Array): void {
    let done = 0;
    try {
      while (done < bytes.length) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      throw writeError(error);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      try {
        done += await this.#file.write(bytes.subarray(done));
      } catch (error) {
        // Another program that shares the terminal or pipe can have switched it to not waiting.
        if (!(error instanceof Deno.errors.WouldBlock)) throw writeError(error);
        await this.#clock.sleep(5);
      }
    }
  }
}

/** The process's standard output. */
export function standardOutput(clock: Clock): Output {
  return new Output(Deno.stdout, kindOfStdout(), clock);
}

function kindOfStdout(): OutputKind {
  if (Deno.stdout.isTerminal()) return "terminal";
  const stat = fstatSync(1);
  return stat.isFIFO() || stat.isSocket() ? "pipe" : "file";
}

/** The end of the piece that starts at `start`: as many whole lines as stay together, or one longer line. */
function pieceEnd(lines: Uint8Array, start: number): number {
  if (lines.length - start <= PIPE_BUF) return lines.length;
  const lastEnd = lines.lastIndexOf(LINE_END, start + PIPE_BUF - 1);
  return (lastEnd >= start ? lastEnd : lines.indexOf(LINE_END, start)) + 1 || lines.length;
}

function writeError(error: unknown): ConnectorError {
  if (error instanceof Deno.errors.BrokenPipe) {
    return new ConnectorError("Nobody reads the standard output any more", {
      code: "fatal_broken_pipe",
      cause: error,
    });
  }
  const found = error instanceof Error ? error.message : String(error);
  return new ConnectorError(`Cannot write to the standard output: ${found}`, {
    code: "connection_stdout",
    hint: "Look where the output of this program is redirected to: a full disk, a closed terminal",
    cause: error,
  });
}
