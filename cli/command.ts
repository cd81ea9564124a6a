/**
 * What a command is, and how its arguments are read. commands.ts holds the table, mod.ts runs it. Nothing here loads
 * a connector or the runtime, so that help, completions and the self-launch start at once.
 */
import { parseArgs } from "node:util";
import type { Output } from "./output.ts";
import { didYouMean } from "../runtime/config/suggest.ts";

/** One entry of the command table: all that help, completions and the parser need to know. */
export interface Command {
  readonly name: string;
  /** Other names for it, as earlier versions had them. */
  readonly aliases?: readonly string[];
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What it does, in a paragraph or two. */
  readonly description: string;
  readonly positionals?: readonly Positional[];
  readonly options?: readonly Option[];
  /** Command line and what it is good for. */
  readonly examples: readonly (readonly [command: string, purpose: string])[];
  /** What its exit codes mean where that differs from EXIT_CODES; code → sentence. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  /** It can answer in JSON: `--json` is refused elsewhere. */
  readonly json?: boolean;
  /** It starts workers, so the process needs the flags of launch.ts. */
  readonly startsWorkers?: boolean;
  /** Known, but left out of the list of commands. */
  readonly hidden?: boolean;
  /** The code, by a literal import: a compiled program holds only those. None: not in this build yet. */
  readonly load?: () => Promise<CommandModule>;
  /** What to do in place of a command that has no code. */
  readonly instead?: string;
}

/** What the file of a command exports. */
export interface CommandModule {
  /**
   * Does what the command line asks for.
   *
   * @returns the exit code, one of `EXIT`
   * @throws what mod.ts prints with its hint; exitCodeOf() decides about the code
   */
  run(args: Arguments, output: Output): Promise<number>;
}

export interface Positional {
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  /** Takes all that follow. */
  readonly many?: boolean;
  /** The only words that it can be. */
  readonly choices?: readonly string[];
  readonly complete?: Completion;
}

export interface Option {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** `duration`: `500ms`, `30s`, `2m`, `1h`, or a number of seconds; read as milliseconds. */
  readonly type: "boolean" | "string" | "integer" | "duration";
  /** What stands for the value in help. */
  readonly value?: string;
  /** May be given several times, or as a list with commas. */
  readonly many?: boolean;
  /** With `many`: commas belong to the value. */
  readonly keepsCommas?: boolean;
  readonly choices?: readonly string[];
  /** Shown in help; the command fills it in. */
  readonly default?: string;
  readonly description: string;
  readonly complete?: Completion;
}

/** What a shell offers for a value. */
export type Completion = "file" | "connector" | "part" | "category" | "command" | "shell";

/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, environment: 3 } as const;

/** What the exit codes mean, for help. */
export const EXIT_CODES: Readonly<Record<number, string>> = {
  0: "done: every finite flow has ended, or everything was drained after a signal",
  1: "a flow failed for good, or the drain ran past its deadline",
  2: "the configuration or the command line is wrong",
  3: "something that the configuration names is missing: a server, a file, a right",
};

/** Flags that every command understands, before the verb or after it. */
export const GLOBAL_OPTIONS: readonly Option[] = [
  {
    name: "config",
    short: "c",
    type: "string",
    value: "PATH",
    description: "The pipeline file; - reads it from standard input",
    default: "connect.yaml, then rivven-connect.yaml",
    complete: "file",
  },
  {
    name: "verbose",
    short: "v",
    type: "boolean",
    description: "Log what happens in detail (--log-level debug)",
  },
  {
    name: "log-level",
    type: "string",
    value: "LEVEL",
    choices: ["debug", "info", "warn", "error"],
    description: "How much to log",
  },
  {
    name: "log-format",
    type: "string",
    value: "FORMAT",
    choices: ["text", "json"],
    description: "How to log; logs go to standard error",
  },
  { name: "json", type: "boolean", description: "Answer in JSON, for machines" },
  { name: "no-color", type: "boolean", description: "Print without colours (as does NO_COLOR=1)" },
  { name: "help", short: "h", type: "boolean", description: "Explain the command" },
  { name: "version", short: "V", type: "boolean", description: "Print the version" },
];

/** A command line that can't be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint?: string;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The arguments of one command, checked against its options. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, readonly (string | number | boolean)[]>;

  constructor(
    positionals: readonly string[] = [],
    values: ReadonlyMap<string, readonly (string | number | boolean)[]> = new Map(),
  ) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** Whether a boolean option was given. */
  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** The text of a `string` option; undefined when not given. The last one counts. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)?.toString();
  }

  /** The number of an `integer` option, or the milliseconds of a `duration`. */
  number(name: string): number | undefined {
    const value = this.#values.get(name)?.at(-1);
    return typeof value === "number" ? value : undefined;
  }

  /** Every value of an option that may be given several times. */
  list(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).map(String);
  }

  /** What `--json` or `--format` asks for. */
  format(otherwise: string): string {
    return this.flag("json") ? "json" : this.text("format") ?? otherwise;
  }
}

/** A command line, taken apart. */
export interface Invocation {
  readonly command: Command;
  /** False: there was no verb, so it is the first of the table. */
  readonly named: boolean;
  readonly args: Arguments;
}

/**
 * Finds the verb among the arguments, wherever it stands, and checks everything else against it. Without a verb it
 * is the first command of the table.
 *
 * @throws {UsageError} with a suggestion where one is near
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): Invocation {
  // First with the options of all commands, because a flag before the verb may take the next word as its value.
  const all = parse(argv, [...GLOBAL_OPTIONS, ...commands.flatMap((command) => command.options ?? [])]);
  const verb = all.tokens.find((token) => token.kind === "positional");
  const command = verb ? findCommand(verb.value, commands) : commands[0];
  if (!command.load && !all.values.help) {
    throw new UsageError(`"${command.name}" is not in this build yet`, command.instead);
  }

  const options = [...GLOBAL_OPTIONS, ...(command.options ?? [])];
  const { tokens } = parse(argv, options);
  const values = new Map<string, (string | number | boolean)[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = options.find(({ name, short }) => token.name === name || token.rawName === `-${short}`);
    if (!option) throw unknownOption(token.rawName, command, options, commands);
    const list = option.many ? values.get(option.name) ?? [] : [];
    values.set(option.name, [...list, ...readValue(option, token)]);
  }
  if (verb) positionals.shift();

  const args = new Arguments(positionals, values);
  if (!args.flag("help") && !args.flag("version")) checkArguments(command, args);
  return { command, named: verb !== undefined, args };
}

/** The command of that name. @throws {UsageError} when there is none */
export function findCommand(name: string, commands: readonly Command[]): Command {
  const found = commands.find((command) => command.name === name || command.aliases?.includes(name));
  if (found) return found;
  if (/\.ya?ml$/.test(name)) {
    throw new UsageError(`"${name}" is not a command`, `To run that file: rivven-connect run -c ${name}`);
  }
  const names = commands.filter((command) => !command.hidden).flatMap((command) => [
    command.name,
    ...(command.aliases ?? []),
  ]);
  throw new UsageError(
    `There is no command "${name}"`,
    didYouMean(name, names) ?? "List the commands with: rivven-connect help",
  );
}

type Token = NonNullable<ReturnType<typeof parse>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

function parse(argv: readonly string[], options: readonly Option[]) {
  const known = Object.fromEntries(
    options.map(({ name, short, type }) => [name, {
      type: type === "boolean" ? "boolean" as const : "string" as const,
      ...(short ? { short } : {}),
    }]),
  );
  return parseArgs({ args: [...argv], options: known, strict: false, allowPositionals: true, tokens: true });
}

function readValue(option: Option, token: OptionToken): (string | number | boolean)[] {
  const { rawName, value } = token;
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return [true];
  }
  // Without strict mode the parser takes the next flag for a value; "-" alone is standard input.
  if (value === undefined || (!token.inlineValue && /^-[^\d]/.test(value))) {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? "VALUE"}`);
  }
  const texts = option.many && !option.keepsCommas
    ? value.split(",").map((text) => text.trim()).filter((text) => text)
    : [value];
  return texts.map((text) => readText(option, rawName, text));
}

function readText(option: Option, rawName: string, text: string): string | number {
  if (option.choices && !option.choices.includes(text)) {
    throw new UsageError(
      `${rawName} can't be "${text}"`,
      didYouMean(text, option.choices) ?? `One of: ${option.choices.join(", ")}`,
    );
  }
  if (option.type === "integer") {
    if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${rawName} needs a whole number, not "${text}"`);
    return Number(text);
  }
  if (option.type === "duration") {
    const match = text.match(/^(\d+(?:\.\d+)?)(ms|s|m|h)?$/);
    if (!match) {
      throw new UsageError(`${rawName} needs a duration, not "${text}"`, "Such as 500ms, 30s, 2m, 1h");
    }
    return Math.round(Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? "s"]!);
  }
  return text;
}

function unknownOption(
  rawName: string,
  command: Command,
  options: readonly Option[],
  commands: readonly Command[],
): UsageError {
  const elsewhere = commands.filter((other) =>
    !other.hidden &&
    other.options?.some(({ name, short }) => rawName === `--${name}` || rawName === `-${short}`)
  );
  const hint = elsewhere.length > 0
    ? `It is an option of: ${elsewhere.map(({ name }) => name).join(", ")}`
    : didYouMean(rawName, options.map(({ name }) => `--${name}`)) ??
      `List its options with: rivven-connect help ${command.name}`;
  return new UsageError(`"${command.name}" has no option ${rawName}`, hint);
}

function checkArguments(command: Command, args: Arguments): void {
  const wanted = command.positionals ?? [];
  const usage = `Usage: ${usageOf(command)}`;
  const missing = wanted.find((positional, i) => positional.required && args.positionals.length <= i);
  if (missing) {
    throw new UsageError(`"${command.name}" needs ${article(missing.name)} ${missing.name}`, usage);
  }
  if (args.positionals.length > wanted.length && !wanted.at(-1)?.many) {
    const extra = args.positionals[wanted.length];
    const hint = /\.ya?ml$/.test(extra) ? `A pipeline file is named by its flag: -c ${extra}` : usage;
    throw new UsageError(`"${command.name}" can do nothing with "${extra}"`, hint);
  }
  for (const [i, { name, choices }] of wanted.entries()) {
    const given = args.positionals[i];
    if (given === undefined || !choices || choices.includes(given)) continue;
    const hint = didYouMean(given, choices) ?? `One of: ${choices.join(", ")}`;
    throw new UsageError(`The ${name} of "${command.name}" can't be "${given}"`, hint);
  }
  if (args.flag("json") && !command.json) throw new UsageError(`"${command.name}" has no JSON output`);
}

/** `rivven-connect discover <source> [options]`. */
export function usageOf(command: Command): string {
  const positionals = (command.positionals ?? []).map(({ name, required, many }) =>
    required ? `<${name}>${many ? "…" : ""}` : `[${name}${many ? "…" : ""}]`
  );
  return ["rivven-connect", command.name, ...positionals, "[options]"].join(" ");
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? "an" : "a";
}
