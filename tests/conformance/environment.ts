/**
 * What the suites need to know about the world around a connector: how it is configured in a test, and how to look at
 * the other side. One object a test; environments.ts has those of our connectors.
 */
import type { Batch, Clock, Sink, SinkContext, StreamSelection } from "../../connectors/contract.ts";
import type { Json } from "../../formats/data/value.ts";

/** Something to read from: a prepared server, or nothing at all where the source makes up its records. */
export interface SourceEnvironment extends AsyncDisposable {
  /** The `config:` of a pipeline file. */
  readonly config: unknown;
  readonly streams?: readonly StreamSelection[];
  /** How many records there are to read. */
  readonly records: number;
  /** True: after these records it waits for more, until it is told to stop. */
  readonly isEndless: boolean;
  /** Default: a fake one that jumps over sleeps. A real server keeps real time. */
  readonly clock?: Clock;
  /** Columns and members of `source` that another read may give another value. */
  readonly volatile?: readonly string[];
  /** What the other side has been told that it may forget. */
  released?(): Promise<Json>;
}

/** Somewhere to write to. */
export interface SinkEnvironment extends AsyncDisposable {
  /** The `config:` of a pipeline file. */
  readonly config: unknown;
  /** Everything that a reader of the target finds, in order. */
  lines(): Promise<readonly string[]>;
  /** Default: a fake one that jumps over sleeps. A real server keeps real time. */
  readonly clock?: Clock;
  /** How often the target has a record whose batch was written twice. */
  readonly repeated: "once" | "twice";
  /** A batch with a record that the target never takes. Undefined: it takes everything. */
  readonly refused?: { readonly batch: Batch; readonly i: number };
  /**
   * Opens the sink where the target can be seen by this process only, as with its own standard output. Such a sink is
   * not watched while it works in a worker.
   */
  open?(config: unknown, context: SinkContext): Sink | Promise<Sink>;
}

/** Label → a fresh environment. Every test makes one, and disposes of it. */
export type Environments<Environment> = Readonly<Record<string, () => Promise<Environment>>>;

/** Puts what `dispose` does onto an object. */
export function disposable<T extends object>(value: T, dispose: () => Promise<void>): T & AsyncDisposable {
  return Object.assign(value, { [Symbol.asyncDispose]: dispose });
}
