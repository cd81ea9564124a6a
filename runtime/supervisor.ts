/**
 * Plan → running pipelines: every source with what it feeds is started, started again with backoff when it fails in
 * a way that can pass, and ended when it fails for good. Sources do not touch each other.
 */
import { ConnectorError, reportError } from "../formats/data/errors.ts";
import { Remote } from "./remote.ts";
import { requireConfinement } from "./confinement.ts";
import type { Plan, PlannedSource } from "./plan.ts";
import { Backoff, RESTART_BACKOFF } from "./retry.ts";
import type { Fields } from "./protocol.ts";
import { type Observer, type RunContext, runOnce } from "./source_run.ts";

export type SourceStatus = "starting" | "running" | "restarting" | "stopped" | "failed";

/** How a source and its flows ended. */
export interface Outcome {
  readonly source: string;
  readonly flows: readonly string[];
  /** `finished`: the source had an end; `drained`: it was told to stop and everything read is durable. */
  readonly ended: "finished" | "drained" | "failed";
  readonly error?: ConnectorError;
  /** True when it failed before it ever ran. */
  readonly atStart: boolean;
}

export interface SuperviseContext extends RunContext {
  readonly random: () => number;
  readonly onStatus: (source: string, status: SourceStatus, detail?: string) => void;
}

/** Runs a plan until all its sources have ended; `drain` asks them to. Only where `selfTest` has passed. */
export async function supervise(
  plan: Plan,
  context: SuperviseContext,
  drain: AbortSignal,
): Promise<readonly Outcome[]> {
  return await Promise.all(plan.sources.map((source) => superviseSource(source, context, drain)));
}

const SELF_TEST_URL = new URL("./workers/probe.ts", import.meta.url);

/**
 * Proves with a worker of its own that a connector can't reach what it was not given.
 *
 * @throws {ConnectorError} `fatal_not_confined` when this host does not confine connectors
 */
export async function selfTest(context: Pick<RunContext, "heartbeatMs" | "silenceMs">): Promise<void> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const ignore = () => {};
  const remote = new Remote({
    title: "the self-test",
    permissions: {},
    url: SELF_TEST_URL,
    heartbeatMs: context.heartbeatMs,
    silenceMs: context.silenceMs,
    events: { log: ignore, beat: ignore, due: ignore, ended: ignore, failed: failed.reject, put: ignore },
  });
  try {
    requireConfinement(await Promise.race([remote.call("probe", undefined), failed.promise]));
  } finally {
    remote.terminate();
  }
}

async function superviseSource(
  source: PlannedSource,
  context: SuperviseContext,
  drain: AbortSignal,
): Promise<Outcome> {
  const { clock, observer, onStatus, random } = context;
  const flows = source.flows.map(({ name }) => name);
  const backoff = new Backoff(RESTART_BACKOFF, random);
  let hasRun = false;
  let isRunning = false;
  const watched: Observer = {
    log: (...args) => observer.log(...args),
    sourceStats: (...args) => observer.sourceStats(...args),
    committed: (...args) => {
      if (!isRunning) onStatus(source.name, "running");
      hasRun = isRunning = true;
      observer.committed(...args);
    },
  };
  onStatus(source.name, "starting");
  for (;;) {
    const startedMs = clock.monotonicMs();
    isRunning = false;
    try {
      await runOnce(source, { ...context, observer: watched }, drain);
      onStatus(source.name, "stopped");
      return { source: source.name, flows, ended: drain.aborted ? "drained" : "finished", atStart: !hasRun };
    } catch (thrown) {
      const error = asConnectorError(thrown);
      if (error.code === "fatal_broken_pipe") {
        onStatus(source.name, "stopped");
        return { source: source.name, flows, ended: "drained", atStart: false };
      }
      if (!error.retryable || drain.aborted) {
        observer.log("error", source.name, error.message, detailsOf(error));
        onStatus(source.name, "failed", error.message);
        return { source: source.name, flows, ended: "failed", error, atStart: !hasRun };
      }
      const waitMs = backoff.next(clock.monotonicMs() - startedMs, error.retryAfterMs);
      onStatus(source.name, "restarting", error.message);
      observer.log("warn", source.name, `${error.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`, {
        ...detailsOf(error),
        attempt: backoff.failures,
      });
      await clock.sleep(waitMs, drain);
      if (drain.aborted) return { source: source.name, flows, ended: "drained", atStart: !hasRun };
    }
  }
}

function detailsOf({ code, hint }: ConnectorError): Fields {
  return hint === undefined ? { code } : { code, hint };
}

function asConnectorError(thrown: unknown): ConnectorError {
  if (thrown instanceof ConnectorError) return thrown;
  const { message, causes } = reportError(thrown);
  return new ConnectorError([message, ...causes].join(": "), {
    code: "internal",
    hint: "This is a fault of the program; please report it",
    cause: thrown,
  });
}
