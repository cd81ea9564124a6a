/** The program as a user runs it: a process from the checkout, its output, its end. */
import { FLAGS } from "../../cli/launch.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** After which a program is ended that a test waits for in vain: its log then tells why. */
const HANGS_MS = 300_000;

export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";
  #waiters = new Set<() => void>();
  #isOver = false;

  /** Starts it with the flags it would give itself, in `cwd`, with these variables and no others of ours. */
  constructor(args: readonly string[], options: { cwd: string; env?: Record<string, string> }) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", ...FLAGS, MAIN, ...args],
      cwd: options.cwd,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    // Not by SIGKILL, for which tests of crashes wait.
    const hangs = setTimeout(() => this.kill("SIGABRT"), HANGS_MS);
    const reading = Promise.all([
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ]);
    this.ended = Promise.all([this.#child.status, reading]).then(([{ code, signal }]) => {
      clearTimeout(hangs);
      this.#isOver = true;
      for (const wake of this.#waiters) wake();
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when the log, or what it prints, holds the text; fails when the program ends before, or after two minutes. */
  async says(text: string): Promise<void> {
    const holds = () => this.#stderr.includes(text) || this.#stdout.includes(text);
    const late = AbortSignal.timeout(120_000);
    while (!holds()) {
      if (this.#isOver) throw new Error(`The program ended without saying "${text}":\n${this.#stderr}`);
      if (late.aborted) {
        throw new Error(`The program has not said "${text}" in two minutes:\n${this.#stderr}`);
      }
      const heard = Promise.withResolvers<void>();
      this.#waiters.add(heard.resolve);
      late.addEventListener("abort", () => heard.resolve(), { once: true });
      await heard.promise;
      this.#waiters.delete(heard.resolve);
    }
  }

  /** Sends a signal, when it still runs. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
  }

  /** SIGTERM, and its end. */
  async stop(): Promise<Ended> {
    this.kill("SIGTERM");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.kill("SIGKILL");
    await this.ended;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, add: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      for (const wake of this.#waiters) wake();
    }
  }
}

/** Runs it to its end. */
export async function runProgram(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<Ended> {
  await using program = new Program(args, options);
  return await program.ended;
}

/** A folder for one test. */
export function scratch(): Disposable & { readonly path: string; write(name: string, text: string): string } {
  const path = Deno.makeTempDirSync({ prefix: "rivven-test-" });
  return {
    path,
    write(name, text) {
      Deno.writeTextFileSync(`${path}/${name}`, text);
      return name;
    },
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}
