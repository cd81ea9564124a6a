/**
 * `run --reset-position`: forgets how far a pipeline has come, so that its source begins anew, or, where it reads a log,
 * at another place. For run.ts.
 */
import type { StartAt } from "../connectors/contract.ts";
import { findConnector, loadDefinitions } from "../runtime/config/registry.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import type { Plan, PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import type { Checkpoints } from "../runtime/state/checkpoint.ts";
import { type Arguments, UsageError } from "./command.ts";
import type { Log } from "./log_lines.ts";

/** A pipeline that is to begin anew. */
export interface Reset {
  readonly source: PlannedSource;
  readonly flow: PlannedFlow;
  readonly start: StartAt;
  /** The source's configuration to begin there, where it has to be another one. */
  readonly config: unknown;
}

/**
 * What the command line asks for, checked before the state is touched.
 *
 * @throws {UsageError} where it names no pipeline of the plan, where it would have no effect, and without `--yes`
 */
export async function resetsOf(args: Arguments, plan: Plan): Promise<readonly Reset[]> {
  const written = args.list("reset-position");
  if (written.length === 0) return [];
  const resets: Reset[] = [];
  for (const one of written) {
    const reset = await resetOf(one, plan);
    await requireEffect(reset);
    resets.push(reset);
  }
  if (args.flag("yes")) return resets;
  throw new UsageError(resets.map(announced).join("\n"), "Add --yes if that is what you want");
}

function announced({ source, flow, start }: Reset): string {
  if (start === "earliest") {
    return `Pipeline "${flow.name}" would begin anew: "${source.name}" is read from its start, and ` +
      `"${flow.sink.name}" gets again what it has`;
  }
  return `Pipeline "${flow.name}" would begin anew: "${source.name}" is read from ${startText(start)}, and ` +
    `"${flow.sink.name}" gets again what it has from behind there, and never what it has not from before`;
}

function startText(start: StartAt): string {
  return start === "earliest" ? "its start" : start === "latest" ? "its end" : start.timestamp;
}

/** The plan with sources that begin where the resets say. */
export function withResets(plan: Plan, resets: readonly Reset[]): Plan {
  const configs = new Map(resets.map(({ source, config }) => [source.name, config]));
  return {
    ...plan,
    sources: plan.sources.map((source) => ({ ...source, config: configs.get(source.name) ?? source.config })),
  };
}

/** Forgets the positions; the run that follows begins anew. */
export function forgetPositions(resets: readonly Reset[], checkpoints: Checkpoints, log: Log): void {
  for (const { source, flow, start } of resets) {
    const had = checkpoints.forget(source.name, flow.name);
    const others = source.flows.filter(({ name }) => name !== flow.name).map(({ name }) => `"${name}"`);
    log(
      "warn",
      flow.name,
      had
        ? `The position of "${source.name}" and the marks of "${flow.name}" are forgotten: it begins anew` +
          (others.length === 0
            ? ""
            : `. ${
              others.join(" and ")
            } of the same source keep their marks, and get only new snapshots again`)
        : `"${source.name}" had no position: it begins at ${startText(start)} anyway`,
    );
  }
}

async function resetOf(written: string, { sources }: Plan): Promise<Reset> {
  const [, name, place = "earliest"] = /^([^=]*)(?:=(.*))?$/s.exec(written)!;
  const all = sources.flatMap((source) => source.flows.map((flow) => ({ source, flow })));
  const names = all.map(({ flow }) => flow.name);
  // A sink with topics is a pipeline by itself, which people know by the sink's name.
  const found = all.find(({ flow }) => flow.name === name) ??
    all.find(({ flow }) => flow.name === `sinks.${name}`);
  if (found === undefined) {
    throw new UsageError(
      `There is no pipeline "${name}" that would run`,
      didYouMean(name, names, "The pipelines are"),
    );
  }
  const { source } = found;
  const problem = `--reset-position can't set "${name}" to "${place}"`;
  const start = startOf(place);
  if (start === undefined) {
    throw new UsageError(problem, "Write earliest, latest or a time, as in 2026-01-31T12:00:00Z");
  }
  const definition = findConnector(await loadDefinitions([source.connector]), source.connector)?.definition;
  const config = definition?.source?.startAt?.(source.config as never, start);
  if (start === "earliest") return { ...found, start, config };
  if (config === undefined) {
    throw new UsageError(
      problem,
      `A source of ${source.connector} can only begin at its start: --reset-position ${name}=earliest`,
    );
  }
  if (source.flows.length > 1) {
    const others = source.flows.filter(({ name }) => name !== found.flow.name).map(({ name }) => `"${name}"`);
    throw new UsageError(
      problem,
      `${others.join(" and ")} would miss what it has not read yet: give "${name}" a source entry of its own`,
    );
  }
  return { ...found, start, config };
}

function startOf(place: string): StartAt | undefined {
  if (place === "earliest" || place === "latest") return place;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(place);
  return isTime && !Number.isNaN(Date.parse(place)) ? { timestamp: place } : undefined;
}

/** Is there nobody but the state who knows how far the pipeline is? */
async function requireEffect({ flow }: Reset): Promise<void> {
  const found = findConnector(await loadDefinitions([flow.sink.connector]), flow.sink.connector);
  const technique = found?.definition.sink?.technique;
  if (technique === "T1") {
    throw new UsageError(
      `Pipeline "${flow.name}" can't begin anew: "${flow.sink.name}" holds its position beside the data`,
      "Point the sink to another target",
    );
  }
  // What comes again would be taken for what is there, also where a source that counts anew has made something else of it.
  if (technique === "T2") {
    throw new UsageError(
      `Pipeline "${flow.name}" can't begin anew: "${flow.sink.name}" knows records by names that they would have again, ` +
        "and writes none over",
      "Give the pipeline another name: then it begins anew, and so do its names",
    );
  }
}
