/** Plans and contexts for fault tests, and what they ask of the results. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { BatchLimits, Clock, Permissions } from "../../connectors/contract.ts";
import { type Checkpoints, openCheckpoints } from "../../runtime/state/checkpoint.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Flushed } from "../../runtime/pipeline.ts";
import type { Plan, PlannedFlow, PlannedSource } from "../../runtime/plan.ts";
import type { SourceStatus, SuperviseContext } from "../../runtime/supervisor.ts";
import type { LedgerConfig } from "./ledger_sink.ts";
import type { NumbersConfig } from "./numbers_source.ts";

export const WORKER: URL = new URL("./worker.ts", import.meta.url);

const LIMITS: BatchLimits = {
  cheap: true,
  minIntervalMs: 0,
  maxRecords: 500,
  maxBytes: 1 << 20,
  maxWaitMs: 100,
};
const NOTHING: Required<Permissions> = { net: [], read: [], write: [], env: [], sys: [] };

/** A source of numbers with one flow for each ledger. */
export function numbersTo(
  config: NumbersConfig,
  ledgers: Record<
    string,
    LedgerConfig & Partial<Pick<PlannedFlow, "onError" | "streams" | "transforms" | "eventsPerSecond">>
  >,
  more: { name?: string; permissions?: Partial<Permissions>; deadLetterMaxRatio?: number } = {},
): PlannedSource {
  const name = more.name ?? "numbers";
  return {
    name,
    connector: "numbers",
    role: "source",
    config,
    permissions: { ...NOTHING, ...more.permissions },
    layout: "standard",
    streams: [],
    transforms: [],
    eventsPerSecond: 0,
    flows: Object.entries(ledgers).map((
      [flow, { onError, streams, transforms, eventsPerSecond, ...ledger }],
    ) => ({
      name: flow,
      sink: {
        name: `${flow}-sink`,
        connector: "ledger",
        role: "sink",
        config: ledger,
        permissions: { ...NOTHING, read: [ledger.path], write: [ledger.path] },
      },
      layout: "standard",
      streams: streams ?? [],
      transforms: transforms ?? [],
      eventsPerSecond: eventsPerSecond ?? 0,
      onError: onError ?? "stop",
      deadLetterMaxRatio: more.deadLetterMaxRatio ?? 0.5,
      batch: LIMITS,
      guarantee: "exactly_once",
      guaranteeReason: "",
    })),
  };
}

/** The same with another sink in one of the flows: a vault, which knows by itself how far it is. */
export function intoVault(source: PlannedSource, flow: string): PlannedSource {
  const flows = source.flows.map((planned) => {
    if (planned.name !== flow) return planned;
    const { path } = planned.sink.config as LedgerConfig;
    const paths = [path, `${path}.new`];
    const permissions = { ...NOTHING, read: paths, write: paths };
    return { ...planned, sink: { ...planned.sink, connector: "vault", permissions } };
  });
  return { ...source, flows };
}

export function planOf(...sources: PlannedSource[]): Plan {
  return {
    file: "test.yaml",
    settings: { stateDir: "", logLevel: "info", logFormat: "text", shutdownTimeoutMs: 10_000 },
    sources,
    secrets: [],
  };
}

export interface Lab extends Disposable {
  readonly dir: string;
  readonly checkpoints: Checkpoints;
  readonly context: SuperviseContext;
  readonly logs: string[];
  readonly statuses: string[];
  readonly flushes: { flow: string; flushed: Flushed }[];
  path(name: string): string;
  /** The numbers in a ledger, in its order. */
  numbers(name: string): number[];
}

/** A folder, a state, and a context whose restarts do not wait. */
export function openLab(): Lab {
  const dir = Deno.makeTempDirSync({ prefix: "rivven-faults-" });
  const checkpoints = openCheckpoints(join(dir, "state.db"), systemClock.nowMicros);
  const logs: string[] = [];
  const statuses: string[] = [];
  const flushes: { flow: string; flushed: Flushed }[] = [];
  return {
    dir,
    checkpoints,
    logs,
    statuses,
    flushes,
    context: {
      ...contextOf(checkpoints),
      onStatus: (source: string, status: SourceStatus) => statuses.push(`${source} ${status}`),
      observer: {
        log: (level, from, message) => logs.push(`${level} ${from}: ${message}`),
        sourceStats: () => {},
        committed: (flow, flushed) => flushes.push({ flow, flushed }),
      },
    },
    path: (name) => join(dir, name),
    numbers: (name) =>
      Deno.readTextFileSync(join(dir, name)).split("\n").slice(0, -1).map((line) => JSON.parse(line).after.n),
    [Symbol.dispose]() {
      checkpoints[Symbol.dispose]();
      Deno.removeSync(dir, { recursive: true });
    },
  };
}

/** A context that tells nobody anything. Its backoff sleeps are cut short; the workers have clocks of their own. */
export function contextOf(checkpoints: Checkpoints): SuperviseContext {
  const clock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(1, signal) };
  return {
    checkpoints,
    clock,
    random: () => 0.5,
    debug: false,
    failpoint: undefined,
    workerUrl: () => WORKER,
    programVersion: "0.0.0",
    heartbeatMs: 100,
    silenceMs: 20_000,
    onStatus: () => {},
    observer: { log: () => {}, sourceStats: () => {}, committed: () => {} },
  };
}

/** 1, 2, … count. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

export function assertExactlyOnce(numbers: number[], count: number): void {
  assert.equal(numbers.length, count, `${numbers.length} records instead of ${count}`);
  assert.deepEqual(numbers, upTo(count));
}
