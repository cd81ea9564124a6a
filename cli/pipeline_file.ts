/**
 * The pipeline file of the command line: found, read, planned, its problems printed. Every command that works on a
 * file starts here.
 */
import type { ConnectorDefinition } from "../connectors/contract.ts";
import { definitions } from "../connectors/registry.gen.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import { type Config, readConfig } from "../runtime/config.ts";
import { makePlan, type Plan, type PlanSettings } from "../runtime/plan.ts";
import type { Problem } from "../runtime/problem.ts";
import type { Arguments } from "./command.ts";
import type { Output } from "./output.ts";

/** Tried in this order where there is no `-c`. */
const DEFAULT_FILES = ["connect.yaml", "rivven-connect.yaml"];

export interface PipelineFile {
  /** As the command line names it; `<stdin>` for `-`. */
  readonly file: string;
  /** Undefined when there is an error, or a variable has no value. */
  readonly config?: Config;
  /** Undefined also when nothing in it is to be run. */
  readonly plan?: Plan;
  /** In the order of the file. */
  readonly problems: readonly Problem[];
}

export interface ReadFileOptions {
  /** What a variable without a value is: `run` needs all of them, `validate` does not. */
  readonly unsetVariables: "error" | "warning";
  /** Plan these pipelines only. */
  readonly pipelines?: readonly string[];
  readonly definitions?: readonly ConnectorDefinition[];
}

/**
 * Reads the file that the arguments name. From here on its secrets are in nothing that `output` prints.
 *
 * @throws {ConnectorError} when there is no such file, or it can't be read; what stands in it never throws
 */
export function readPipelineFile(args: Arguments, output: Output, options: ReadFileOptions): PipelineFile {
  const { file, text } = readText(args.text("config"));
  const known = options.definitions ?? definitions;
  const { config, problems, secrets } = readConfig(text, {
    file,
    definitions: known,
    env: (name) => Deno.env.get(name),
    readFile: (path) => Deno.readTextFileSync(path),
    unsetVariables: options.unsetVariables,
    allowUnknownKeys: args.flag("allow-unknown-keys"),
  });
  output.addSecrets(secrets);
  if (!config) return { file, problems };
  const planned = makePlan(config, known, {
    pipelines: options.pipelines,
    settings: settingsFromFlags(args),
  });
  if (planned.plan) output.addSecrets(planned.plan.secrets);
  return { file, config, plan: planned.plan, problems: [...problems, ...planned.problems] };
}

/**
 * The plan of the file, for commands that run it. Problems and warnings have been printed.
 *
 * @returns undefined when there is an error: the exit code is 2
 * @throws {ConnectorError} as readPipelineFile()
 */
export function requirePlan(
  args: Arguments,
  output: Output,
  options: Omit<ReadFileOptions, "unsetVariables"> = {},
): Plan | undefined {
  const { file, plan, problems } = readPipelineFile(args, output, { ...options, unsetVariables: "error" });
  if (output.json && !plan) {
    output.error(
      new ConnectorError(`${file} has ${countProblems(problems)}`, {
        code: "config_invalid",
        hint: `Find them with: rivven-connect validate -c ${file} --json`,
        cause: firstError(problems),
      }),
    );
    return undefined;
  }
  for (const problem of problems) output.say(problemText(problem, output.errorStyle));
  if (!plan) {
    output.say(`\n${output.errorStyle.red("✗")} ${file} has ${countProblems(problems)}`);
  }
  return plan;
}

/** What the command line says about settings; it wins over the environment, and that over the file. */
export function settingsFromFlags(args: Arguments): Partial<PlanSettings> {
  const level = args.text("log-level") ?? (args.flag("verbose") ? "debug" : levelOfEnvironment());
  const format = args.text("log-format");
  const timeout = args.number("shutdown-timeout");
  return {
    ...(level ? { logLevel: level as PlanSettings["logLevel"] } : {}),
    ...(format ? { logFormat: format as PlanSettings["logFormat"] } : {}),
    ...(timeout !== undefined ? { shutdownTimeoutMs: timeout } : {}),
  };
}

/** RUST_LOG, as earlier versions had it, where it is a single level. */
function levelOfEnvironment(): string | undefined {
  const level = Deno.env.get("RUST_LOG")?.trim().toLowerCase();
  if (level === "trace") return "debug";
  return level && ["debug", "info", "warn", "error"].includes(level) ? level : undefined;
}

/** `connect.yaml:12:7: Unknown key "prot"`, and below it what to do. */
export function problemText(problem: Problem, style: Output["style"]): string {
  const { file, line, column, severity, message, hint } = problem;
  const kind = severity === "warning" ? `${style.yellow("warning")}: ` : "";
  const text = `${style.bold(`${file}:${line}:${column}`)}: ${kind}${message}`;
  return hint ? `${text}\n  ${style.cyan("→")} ${hint}` : text;
}

/** `2 errors and 1 warning`. */
export function countProblems(problems: readonly Problem[]): string {
  const count = (severity: Problem["severity"], noun: string) => {
    const n = problems.filter((problem) => problem.severity === severity).length;
    return n === 0 ? [] : [`${n} ${noun}${n === 1 ? "" : "s"}`];
  };
  return [...count("error", "error"), ...count("warning", "warning")].join(" and ") || "no problems";
}

function firstError(problems: readonly Problem[]): Error | undefined {
  const first = problems.find(({ severity }) => severity === "error");
  return first && new Error(`${first.file}:${first.line}:${first.column}: ${first.message}`);
}

function readText(named: string | undefined): { file: string; text: string } {
  if (named === "-") return { file: "<stdin>", text: readStandardInput() };
  for (const file of named === undefined ? DEFAULT_FILES : [named]) {
    try {
      return { file, text: Deno.readTextFileSync(file) };
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) continue;
      const reason = cause instanceof Error ? cause.message.replace(/ \(os error.*/, "") : String(cause);
      throw new ConnectorError(`Cannot read the pipeline file "${file}": ${reason}`, {
        code: "config_file_unreadable",
        hint: "Check its rights, and that it is a file with text in UTF-8",
        cause,
      });
    }
  }
  if (named === undefined) {
    throw new ConnectorError(`There is no ${DEFAULT_FILES.join(" and no ")} in ${Deno.cwd()}`, {
      code: "config_file_missing",
      hint: "Name a file with -c PATH, or make one to start from: rivven-connect init > connect.yaml",
    });
  }
  throw new ConnectorError(`There is no file "${named}"`, {
    code: "config_file_missing",
    hint: `Looked for it in ${Deno.cwd()}; rivven-connect init > ${named} makes one to start from`,
  });
}

function readStandardInput(): string {
  const chunks: Uint8Array[] = [];
  const chunk = new Uint8Array(64 * 1024);
  for (let n = Deno.stdin.readSync(chunk); n !== null; n = Deno.stdin.readSync(chunk)) {
    chunks.push(chunk.slice(0, n));
  }
  const decoder = new TextDecoder();
  return chunks.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}
