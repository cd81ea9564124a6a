/** `run --reset-position`: forgets how far a pipeline has come, so that its source begins anew. For run.ts. */
import { BROKER_CONNECTOR } from "../runtime/config/flows.ts";
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
    const reset = resetOf(one, plan);
    await requireEffect(reset);
    resets.push(reset);
  }
  if (args.flag("yes")) return resets;
  throw new UsageError(
    resets.map(({ source, flow }) =>
      `Pipeline "${flow.name}" would begin anew: "${source.name}" is read from its start, and "${flow.sink.name}" ` +
      "gets again what it has"
    ).join("\n"),
    "Add --yes if that is what you want",
  );
}

/** Forgets the positions; the run that follows begins anew. */
export function forgetPositions(resets: readonly Reset[], checkpoints: Checkpoints, log: Log): void {
  for (const { source, flow } of resets) {
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
        : `"${source.name}" had no position: it begins at its start anyway`,
    );
  }
}

function resetOf(written: string, { sources }: Plan): Reset {
  const [, name, start] = /^([^=]*)(?:=(.*))?$/s.exec(written)!;
  const all = sources.flatMap((source) => source.flows.map((flow): Reset => ({ source, flow })));
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
  if (start !== undefined && start !== "earliest") {
    throw new UsageError(
      `--reset-position can't set "${name}" to "${start}"`,
      `In this build a pipeline can only begin anew: --reset-position ${name}=earliest`,
    );
  }
  return found;
}

/** Is there nobody but the state who knows how far the pipeline is? */
async function requireEffect({ source, flow }: Reset): Promise<void> {
  const { consumer_group: group } = (source.config ?? {}) as { readonly consumer_group?: string };
  if (source.connector === BROKER_CONNECTOR && group !== undefined) {
    throw new UsageError(
      `Pipeline "${flow.name}" can't begin anew: the broker holds the offsets of its group "${group}"`,
      "Give it another consumer_group and start_offset: earliest",
    );
  }
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
