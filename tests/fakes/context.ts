/**
 * What the runtime hands to a connector, for tests: a fake clock, a log and metrics that are kept, documents in
 * memory, a list of rejected records, a seeded `random`.
 */
import type {
  Batch,
  ConnectorContext,
  Layout,
  RecordError,
  SinkContext,
  SourceContext,
  SourceProgress,
  StreamSelection,
  UndecodedRecord,
} from "../../connectors/contract.ts";
import type { Origin } from "../../formats/data/batch.ts";
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Json } from "../../formats/data/value.ts";
import { FakeClock } from "./clock.ts";

export interface LoggedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields?: Readonly<Record<string, Json>>;
}

interface FakeConnectorContext extends ConnectorContext {
  readonly clock: FakeClock;
  readonly lines: LoggedLine[];
  readonly numbers: Map<string, number>;
  readonly documents: Map<string, Json>;
}

export interface FakeContextOptions {
  readonly name?: string;
  readonly layout?: Layout;
  readonly clock?: FakeClock;
  /** Handed from one context to the next, as the state store outlives a process. */
  readonly documents?: Map<string, Json>;
}

export interface FakeSourceContext extends FakeConnectorContext, SourceContext {
  readonly clock: FakeClock;
  readonly reports: SourceProgress[];
  readonly undecoded: { readonly record: UndecodedRecord; readonly error: RecordError }[];
}

/** A context for `openSource`. Its clock jumps over sleeps unless another one is given. */
export function fakeSourceContext(
  options: FakeContextOptions & {
    readonly connector?: string;
    readonly streams?: readonly StreamSelection[];
    readonly preview?: boolean;
  } = {},
): FakeSourceContext {
  const { connector = "fake", streams = [], layout = "auto" } = options;
  const common = fakeContext(options);
  const reports: SourceProgress[] = [];
  const undecoded: FakeSourceContext["undecoded"] = [];
  const origin: Origin = { connector, name: common.name, version: "0.0.0" };
  return {
    ...common,
    layout,
    streams,
    preview: options.preview ?? false,
    reports,
    batchWriter: (limits) =>
      new BatchWriter({ ...limits, origin, layout, nowMicros: () => common.clock.nowMicros() }),
    progress: (progress) => reports.push(progress),
    undecoded,
    reject: (record, error) => undecoded.push({ record, error }),
  };
}

export interface Rejected {
  readonly batch: Batch;
  readonly i: number;
  readonly error: RecordError;
}

export interface FakeSinkContext extends FakeConnectorContext, SinkContext {
  readonly clock: FakeClock;
  readonly rejected: Rejected[];
}

/** A context for `openSink`. Its clock jumps over sleeps unless another one is given. */
export function fakeSinkContext(
  options: FakeContextOptions & { readonly flow?: string; readonly saved?: Json } = {},
): FakeSinkContext {
  const { flow = "flow", layout = "auto", saved } = options;
  const rejected: Rejected[] = [];
  return {
    ...fakeContext(options),
    flow,
    layout,
    saved,
    progress: () => ({ source: "fake", connector: "fake", marks: {} }),
    rejected,
    reject: (batch, i, error) => rejected.push({ batch, i, error }),
  };
}

function fakeContext(options: FakeContextOptions): FakeConnectorContext {
  const { name = "fake", clock = new FakeClock(true), documents = new Map<string, Json>() } = options;
  const lines: LoggedLine[] = [];
  const numbers = new Map<string, number>();
  const log = (level: LoggedLine["level"]) => (message: string, fields?: LoggedLine["fields"]) => {
    lines.push({ level, message, fields });
  };
  return {
    name,
    clock,
    lines,
    numbers,
    documents,
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    metrics: {
      add: (metric, by = 1) => numbers.set(metric, (numbers.get(metric) ?? 0) + by),
      set: (metric, value) => numbers.set(metric, value),
    },
    state: {
      get: (key) => Promise.resolve(documents.get(key)),
      // A copy as JSON, since that is what a store gives back.
      put: (key, value) => Promise.resolve(void documents.set(key, JSON.parse(JSON.stringify(value)))),
    },
    random: seededRandom(42),
  };
}

/** Numbers in [0, 1) that are the same in every run (mulberry32, by Tommy Ettinger, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}
