/**
 * The pipeline file of a command line: found, read, planned; its problems printed. Every command that works on a file
 * starts here.
 */
import type { ConnectorDefinition } from "../connectors/contract.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import { type Config, readConfig, type ReadResult } from "../runtime/config/config.ts";
import { BROKER_CONNECTOR } from "../runtime/config/flows.ts";
import { makePlan, type Plan, type PlanSettings } from "../runtime/plan.ts";
import type { Problem } from "../runtime/config/problem.ts";
import { loadDefinitions } from "../runtime/config/registry.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import type { Arguments } from "./command.ts";
import type { Output } from "./output.ts";
import type { Style } from "./style.ts";

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
      if (cause instanceof Deno.errors.NotFound) continue;
      if (cause instanceof Deno.errors.NotCapable) throw cause; // mod.ts explains it
      const why = cause instanceof Error ? cause.message.replace(/ \(os error \d+\)/, "") : String(cause);
      throw new ConnectorError(`Cannot read the pipeline file "${file}": ${why}`, {
        code: "config_file",
        hint: "Check that it is a file and that this user may read it",
      });
    }
  }
  const where = `in ${Deno.cwd()}`;
  if (named !== undefined) {
    throw new ConnectorError(`There is no file "${named}"`, {
      code: "config_file",
      hint: named.startsWith("/") ? "Name the file with -c PATH" : `Looked for it ${where}`,
    });
  }
  throw new ConnectorError(`There is no ${DEFAULT_FILES.join(" or ")} ${where}`, {
    code: "config_file",
    hint: "Name the file with -c PATH, or write one with: rivven-connect init > connect.yaml",
  });
}

/** Parses and checks it, with the variables and files of this machine. */
export function parsePipeline(
  { file, text }: PipelineText,
  definitions: Definitions,
  unsetVariables: "error" | "warning",
  args: Arguments,
): ReadResult {
  return readConfig(text, {
    file,
    definitions: definitions.connectors,
    transforms: definitions.transforms,
    unsetVariables,
    env: (name) => Deno.env.get(name),
    readFile: (path) => Deno.readTextFileSync(path),
    fileMode: (path) => Deno.build.os === "windows" ? undefined : Deno.statSync(path).mode ?? undefined,
    allowUnknownKeys: args.flag("allow-unknown-keys"),
  });
}

/** `connect.yaml:12:7: Unknown key "prot"`, and below it what to do. */
export function problemText({ file, line, column, severity, message, hint }: Problem, style: Style): string {
  const kind = severity === "warning" ? `${style.yellow("warning")}: ` : "";
  const hints = (hint?.split("\n") ?? []).map((text) => `\n  ${style.cyan("→")} ${text}`).join("");
  return `${style.bold(`${file}:${line}:${column}`)}: ${kind}${message}${hints}`;
}

/** Prints problems on standard error. */
export function sayProblems(problems: readonly Problem[], output: Output): void {
  for (const problem of problems) output.say(problemText(problem, output.errorStyle));
}

/** `2 errors and 1 warning`. */
export function countProblems(problems: readonly Problem[]): string {
  const count = (severity: Problem["severity"], noun: string) => {
    const n = problems.filter((problem) => problem.severity === severity).length;
    return n === 0 ? [] : [`${n} ${noun}${n === 1 ? "" : "s"}`];
  };
  return [...count("error", "error"), ...count("warning", "warning")].join(" and ") || "no problems";
}

/** The definitions of the connectors that a file seems to name. Reading the file finds out what it really says. */
export function definitionsFor({ text }: PipelineText): Promise<readonly ConnectorDefinition[]> {
  const named = [...text.matchAll(/\bconnector\b["']?\s*:\s*["']?([^\s"',}]+)/g)].map(([, name]) => name);
  return loadDefinitions(/\bbroker\b/.test(text) ? [...named, BROKER_CONNECTOR] : named);
}

/** What a file's text may name, described. */
export interface Definitions {
  readonly connectors: readonly ConnectorDefinition[];
  readonly transforms: readonly TransformDefinition[];
}

/** The definitions of the transforms that a file may name; a file without any costs nothing. */
export function transformsFor({ text }: PipelineText): Promise<readonly TransformDefinition[]> {
  return loadTransforms(MAY_TRANSFORM.test(text) ? undefined : []);
}

const MAY_TRANSFORM =
  /\b(?:transforms|cdc_features|column_filters|column_masks|columns|exclude_columns|encryption|deduplication|filter_expression)\b/;

export interface Loaded {
  readonly config: Config;
  readonly plan: Plan;
}

/** All that there is to say about a pipeline file. */
export interface Examined extends Partial<Loaded> {
  readonly file: string;
  readonly problems: readonly Problem[];
  /** Of the connectors that the file names, at least. */
  readonly definitions: readonly ConnectorDefinition[];
}

/**
 * Reads, checks and plans the file; from here on its secrets are in nothing that `output` prints.
 *
 * @param given what to examine in place of the file that the arguments name
 * @returns without a config where there is an error or a variable is not set, without a plan where nothing runs
 * @throws {ConnectorError} kind `config` when there is no file; what stands in it never throws
 */
export async function examine(
  args: Arguments,
  output: Output,
  unsetVariables: "error" | "warning",
  given?: PipelineText,
): Promise<Examined> {
  const text = given ?? await readPipelineText(args);
  const definitions = await definitionsFor(text);
  const transforms = await transformsFor(text);
  const both = { connectors: definitions, transforms };
  const { config, problems, secrets } = parsePipeline(text, both, unsetVariables, args);
  output.addSecrets(secrets);
  const planned = config && makePlan(config, definitions, { settings: settingsFrom(args) });
  output.addSecrets(planned?.plan?.secrets ?? []);
  return {
    file: text.file,
    config,
    plan: planned?.plan,
    problems: [...problems, ...(planned?.problems ?? [])],
    definitions,
  };
}

/**
 * The configuration and the plan of a command that runs something. Prints every problem.
 *
 * @param given what to run in place of the file that the arguments name
 * @throws {ConnectorError} kind `config` when there is an error among them
 */
export async function loadPlan(args: Arguments, output: Output, given?: PipelineText): Promise<Loaded> {
  const { file, config, plan, problems } = await examine(args, output, "error", given);
  sayProblems(problems, output);
  if (config && plan) return { config, plan };
  throw new ConnectorError(`${file} has ${countProblems(problems)}`, { code: "config_invalid" });
}

/** What flags and variables say over the file: flag, then variable, then file. */
function settingsFrom(args: Arguments): Partial<PlanSettings> {
  const level = args.text("log-level") ?? (args.flag("verbose") ? "debug" : levelFromEnvironment());
  const format = args.text("log-format");
  const shutdownTimeoutMs = args.number("shutdown-timeout");
  return {
    ...(level ? { logLevel: level as PlanSettings["logLevel"] } : {}),
    ...(format ? { logFormat: format as PlanSettings["logFormat"] } : {}),
    ...(shutdownTimeoutMs !== undefined ? { shutdownTimeoutMs } : {}),
  };
}

/** Earlier versions read RUST_LOG; a plain level in it still counts. */
function levelFromEnvironment(): string | undefined {
  const level = Deno.env.get("RUST_LOG")?.trim().toLowerCase();
  if (level === "trace") return "debug";
  return level && ["debug", "info", "warn", "error"].includes(level) ? level : undefined;
}
