/**
 * The transforms of a source against the tables that it sees, for `check`: what they would refuse when the tables come,
 * such as a key column that is to be masked, is said before anything runs. So are fields that no table has.
 */
import type { CheckFinding, DiscoveredStream } from "../connectors/contract.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { PlannedTransform } from "../runtime/chain/chain_plan.ts";
import { systemClock } from "../runtime/clock.ts";
import type { PlannedSource } from "../runtime/plan.ts";
import type { TransformModule } from "../transforms/contract.ts";
import { implementations } from "../transforms/implementations.gen.ts";

/** Runs code from a file, which is done in workers only. */
const NEEDS_A_WORKER = ["javascript"];

/** What the chains of the source, and of its flows behind it, say about these streams. */
export async function checkTransforms(
  source: PlannedSource,
  discovered: readonly DiscoveredStream[],
): Promise<readonly CheckFinding[]> {
  const chains = [
    source.transforms,
    ...source.flows.map((flow) => [...source.transforms, ...flow.transforms]),
  ];
  const findings = new Map<string, CheckFinding>();
  const streams = discovered.map(({ stream }) => stream);
  if (streams.length === 0) return [];
  let looked = 0;
  for (const chain of chains) {
    const steps: PlannedTransform[] = [];
    for (const step of chain) {
      // Behind one of these it is not known which records come.
      if (step.kind !== "transform" || step.predicate !== undefined || NEEDS_A_WORKER.includes(step.type)) {
        break;
      }
      steps.push(step);
    }
    looked = Math.max(looked, steps.length);
    for (const finding of await lookAt(steps, streams)) findings.set(finding.message, finding);
  }
  if (looked === 0) return [];
  const ok = streams.length === 1
    ? "they fit the table that is there"
    : `they fit the ${streams.length} tables that are there`;
  return findings.size > 0 ? [...findings.values()] : [{ name: "transforms", status: "ok", message: ok }];
}

async function lookAt(
  steps: readonly PlannedTransform[],
  streams: readonly Stream[],
): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  let current = streams;
  for (const { type, name, config } of steps) {
    const warn = (message: string) =>
      void findings.push({ name: "transforms", status: "warning", message: `"${name}": ${message}` });
    const module: TransformModule = await implementations[type]();
    const transform = await module.openTransform(config as never, {
      name,
      log: { warn },
      metrics: { add() {} },
      nowMicros: systemClock.nowMicros,
      random: Math.random,
    });
    const next: Stream[] = [];
    const before = findings.length;
    let concernsAny = false;
    for (const stream of current) {
      try {
        const isConcerned = transform.matches?.(stream) !== false;
        concernsAny ||= isConcerned;
        next.push(isConcerned ? transform.stream?.(stream) ?? stream : stream);
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        const message = `"${name}": ${error.message}`;
        findings.push({ name: "transforms", status: "failed", message, hint: error.hint, blame: "config" });
      }
    }
    // Some say only at the end what they have not found.
    await transform[Symbol.asyncDispose]?.();
    if (!concernsAny && current.length > 0 && findings.length === before) {
      const tables = current.length === 1
        ? "the table that is"
        : `any of the ${current.length} tables that are`;
      const message = `"${name}" has nothing to do with ${tables} there`;
      const hint = "Look at the names of fields and tables in its config";
      findings.push({ name: "transforms", status: "warning", message, hint });
    }
    current = next;
  }
  return findings;
}
