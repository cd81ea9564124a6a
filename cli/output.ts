/**
 * The only file that prints, and the only one that knows colour. Results go to standard output, everything meant for
 * the person in front of it to standard error, so that `rivven-connect spec --json | jq` just works. Every command
 * gets an Output from mod.ts.
 */
import { stripVTControlCharacters } from "node:util";
import { reportError } from "../formats/data/errors.ts";
import { redactText, redactValue } from "./redact.ts";
import { COLOURS, PLAIN, type Style } from "./style.ts";

export interface Output {
  /** The answer is read by a machine: print nothing but printJson() on standard output. */
  readonly json: boolean;
  /** Colours of standard output; returns the text unchanged where there are none. */
  readonly style: Style;
  /** Colours of standard error. */
  readonly errorStyle: Style;
  /** Columns of the terminal; Infinity where standard output is none, so that `grep` sees whole lines. */
  readonly width: number;
  /** Standard error is a terminal, so show() can draw there. */
  readonly live: boolean;
  /** A result: text on standard output, with a newline after it. */
  print(text?: string): void;
  /** A result for machines. A bigint is written in digits, bytes as base64. */
  printJson(value: unknown): void;
  /** A remark on standard error. */
  say(text?: string): void;
  warn(message: string, hint?: string): void;
  /** What was thrown: the message, what caused it, what to do. */
  error(error: unknown): void;
  /**
   * Draws `lines` at the bottom of the terminal in place of those of the last call; none: wipes them away. What is
   * said meanwhile appears above. Does nothing where standard error is no terminal.
   */
  show(lines: readonly string[]): void;
  /** From now on these texts appear in nothing that is printed. Texts of less than 3 characters are left alone. */
  addSecrets(values: Iterable<string>): void;
}

/** Where an Output writes to: a standard stream, or a buffer in a test. */
export interface Writer {
  /** Writes all of it. */
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal, asked for anew at each use because windows change. */
  columns(): number;
}

export interface OutputOptions {
  readonly json?: boolean;
  /** False: no colours, terminal or not. */
  readonly colour?: boolean;
  readonly stdout?: Writer;
  readonly stderr?: Writer;
}

/** An Output on the standard streams, or on the writers given. */
export function createOutput(options: OutputOptions = {}): Output {
  const stdout = options.stdout ?? streamWriter(Deno.stdout);
  const stderr = options.stderr ?? streamWriter(Deno.stderr);
  const coloured = options.colour ?? !Deno.noColor;
  const style = coloured && stdout.isTerminal ? COLOURS : PLAIN;
  const errorStyle = coloured && stderr.isTerminal ? COLOURS : PLAIN;
  const secrets = new Set<string>();
  let shown: readonly string[] = [];

  function say(text = ""): void {
    const again = shown;
    show([]);
    stderr.write(redactText(text, secrets) + "\n");
    show(again);
  }

  function show(lines: readonly string[]): void {
    if (!stderr.isTerminal || (lines.length === 0 && shown.length === 0)) return;
    // Lines are cut to the width: one that wraps would count as one and leave its rest behind.
    const fitted = lines.map((line) => cut(redactText(line, secrets), stderr.columns() - 1));
    const up = shown.length > 0 ? `\x1b[${shown.length}A\r` : "";
    stderr.write(up + "\x1b[J" + fitted.map((line) => line + "\n").join(""));
    shown = lines;
  }

  return {
    json: options.json ?? false,
    style,
    errorStyle,
    get width(): number {
      return stdout.isTerminal ? stdout.columns() : Infinity;
    },
    live: stderr.isTerminal,
    print(text = ""): void {
      const again = shown;
      if (stdout.isTerminal) show([]);
      stdout.write(redactText(text, secrets) + "\n");
      show(again);
    },
    printJson(value: unknown): void {
      stdout.write(jsonText(redactValue(value, secrets)) + "\n");
    },
    say,
    warn(message: string, hint?: string): void {
      say(`${errorStyle.yellow("warning")}: ${message}${hintLines(hint, errorStyle)}`);
    },
    error(error: unknown): void {
      if (options.json) {
        stderr.write(jsonText(redactValue({ error: describe(error) }, secrets), 0) + "\n");
        return;
      }
      const { message, hint, causes } = describe(error);
      const because = causes.map((cause) => `\n  ${errorStyle.dim("because")} ${cause}`).join("");
      say(`${errorStyle.red("error")}: ${message}${because}${hintLines(hint, errorStyle)}`);
    },
    show,
    addSecrets(values: Iterable<string>): void {
      for (const value of values) secrets.add(value);
    },
  };
}

function describe(error: unknown): ReturnType<typeof reportError> {
  const report = reportError(error);
  // Errors of the command line carry a hint too, but are no errors of a flow.
  if (error instanceof Error && report.code === "internal" && "hint" in error) {
    return {
      ...report,
      message: error.message,
      code: "config_usage",
      hint: error.hint as string | undefined,
    };
  }
  return report;
}

function hintLines(hint: string | undefined, style: Style): string {
  return hint ? hint.split("\n").map((line) => `\n  ${style.cyan("→")} ${line}`).join("") : "";
}

/** JSON text of anything a command answers with. Integers of any size keep their digits; bytes become base64. */
export function jsonText(value: unknown, indent = 2): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === "bigint") return rawJson(member.toString());
    return member instanceof Uint8Array ? member.toBase64() : member;
  }, indent);
}

// ES2026, in V8 for long but not yet in TypeScript's library.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/** The line's first `width` columns; a line that is cut loses its colours. */
function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : plain.slice(0, Math.max(0, width - 1)) + "…";
}

function streamWriter(stream: typeof Deno.stdout): Writer {
  const isTerminal = stream.isTerminal();
  const encoder = new TextEncoder();
  let isOpen = true;
  return {
    isTerminal,
    columns(): number {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80; // no terminal behind any of the streams
      }
    },
    write(text: string): void {
      if (!isOpen) return;
      let bytes = encoder.encode(text);
      try {
        while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
      } catch (error) {
        // `rivven-connect spec | head` closes the pipe early, which is no failure of ours.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        isOpen = false;
      }
    },
  };
}
