/** The pipeline file of a command line: found, read, planned; problems are printed. run, check, discover, … use it. */
import { definitions } from "../connectors/registry.gen.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import { type Config, readConfig, type ReadResult } from "../runtime/config.ts";
import { makePlan, type Plan, type PlanSettings } from "../runtime/plan.ts";
import type { Problem } from "../runtime/problem.ts";
import type { Arguments } from "./command.ts";
import type { Output } from "./output.ts";

/** Tried in this order when no file is named. */
const DEFAULT_FILES = ["connect.yaml", "rivven-connect.yaml"];

/** A pipeline file as text, with the name it goes by in messages. */
export interface PipelineText {
  readonly file: string;
  readonly text: string;
}

/**
 * Reads the file that `--config` names, `-` for standard input, or the default one.
 *
 * @throws {ConnectorError} kind `config` when there is none or it can't be read
 */
export async function readPipelineText(args: Arguments): Promise<PipelineText> {
  const named = args.text("config");
  if (named === "-") return { file: "<stdin>", text: await new Response(Deno.stdin.readable).text() };
  for (const file of named === undefined ? DEFAULT_FILES : [named]) {
    try {
      return { file, text: Deno.readTextFileSync(file) };
    } catch (cause) {
      if (named === undefined && cause instanceof Deno.errors.NotFound) continue;
      const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : (cause as Error).message;
      throw new ConnectorError(`Cannot read the pipeline file "${file}": ${why}`, {
        code: "config_file",
        hint: "Name the file with -c PATH",
      });
    }
  }
  throw new ConnectorError(`There is no ${DEFAULT_FILES.join(" or ")} in ${Deno.cwd()}`, {
    code: "config_file",
    hint: "Name the file with -c PATH, or write one with: rivven-connect init > connect.yaml",
  });
}

/** Parses and checks it, with the variables and files of this machine. */
export function parsePipeline({ file, text }: PipelineText, unsetVariables: "error" | "warning"): ReadResult {
  return readConfig(text, {
    file,
    definitions,
    unsetVariables,
    env: (name) => Deno.env.get(name),
    readFile: (path) => Deno.readTextFileSync(path),
  });
}

/** Prints problems as `file:line:column: what`, each with what to do about it. */
export function sayProblems(problems: readonly Problem[], output: Output): void {
  const { red, yellow, cyan, bold } = output.errorStyle;
  for (const { file, line, column, severity, message, hint } of problems) {
    const word = severity === "error" ? red("error") : yellow("warning");
    output.say(`${bold(`${file}:${line}:${column}`)}: ${word}: ${message}`);
    for (const text of hint?.split("\n") ?? []) output.say(`  ${cyan("→")} ${text}`);
  }
}

export interface Loaded {
  readonly config: Config;
  readonly plan: Plan;
}

/**
 * The configuration and the plan of a command that runs something. Prints every problem.
 *
 * @throws {ConnectorError} kind `config` when there is an error among them
 */
export async function loadPlan(args: Arguments, output: Output): Promise<Loaded> {
  const text = await readPipelineText(args);
  const read = parsePipeline(text, "error");
  output.addSecrets(read.secrets);
  const planned = read.config && makePlan(read.config, definitions, { settings: settingsFrom(args) });
  const problems = [...read.problems, ...(planned?.problems ?? [])];
  sayProblems(problems, output);
  if (read.config && planned?.plan) return { config: read.config, plan: planned.plan };
  const errors = problems.filter(({ severity }) => severity === "error").length;
  throw new ConnectorError(`"${text.file}" has ${errors === 1 ? "an error" : `${errors} errors`}`, {
    code: "config_invalid",
  });
}

/** What flags and variables say over the file: flag, then variable, then file. */
function settingsFrom(args: Arguments): Partial<PlanSettings> {
  return {
    logLevel: (args.text("log-level") ?? (args.flag("verbose") ? "debug" : levelFromEnvironment())) as
      | PlanSettings["logLevel"]
      | undefined,
    logFormat: args.text("log-format") as PlanSettings["logFormat"] | undefined,
    shutdownTimeoutMs: args.number("shutdown-timeout"),
  };
}

/** Earlier versions read RUST_LOG; a plain level in it still counts. */
function levelFromEnvironment(): string | undefined {
  const level = Deno.env.get("RUST_LOG")?.toLowerCase();
  return level && ["debug", "info", "warn", "error"].includes(level)
    ? level
    : level === "trace"
    ? "debug"
    : undefined;
}
