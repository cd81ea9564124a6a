/** Config → Plan: exactly what will run, as plain data. */
import type { BatchLimits, Guarantee, Permissions, StreamSelection } from "../connectors/contract.ts";
import type { Layout } from "../formats/data/envelope.ts";

export interface Plan {
  /** The file it was made from, for messages. */
  readonly file: string;
  readonly settings: PlanSettings;
  /** One per source that feeds at least one enabled flow. */
  readonly sources: readonly PlannedSource[];
  /** Every secret value that was filled in, so that nothing that is printed holds one. */
  readonly secrets: readonly string[];
}

export interface PlanSettings {
  readonly stateDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "text" | "json";
  readonly shutdownTimeoutMs: number;
}

/** One worker: a source, or a sink as one flow opens it. */
export interface PlannedConnector {
  /** The name in the pipeline file. */
  readonly name: string;
  /** The canonical type, an alias already resolved: the folder under connectors/. */
  readonly connector: string;
  readonly role: "source" | "sink";
  /** Validated, defaults filled in, variables resolved: plain data, with secrets in clear. */
  readonly config: unknown;
  readonly permissions: Required<Permissions>;
}

export interface PlannedSource extends PlannedConnector {
  readonly role: "source";
  /** The layout that its flows agree on; a flow with another one is rewritten in its sink's worker. */
  readonly layout: Layout;
  readonly streams: readonly StreamSelection[];
  readonly eventsPerSecond: number;
  readonly flows: readonly PlannedFlow[];
}

export interface PlannedFlow {
  /** The pipeline's name. */
  readonly name: string;
  readonly sink: PlannedConnector;
  readonly layout: Layout;
  /** Patterns of streams it takes; empty: all of the source. */
  readonly streams: readonly string[];
  /** 0: as fast as possible. */
  readonly eventsPerSecond: number;
  readonly onError: "skip" | "stop" | "dead_letter";
  /** Of the last 1000 records; more rejected ones stop the flow. */
  readonly deadLetterMaxRatio: number;
  readonly batch: BatchLimits;
  readonly guarantee: Guarantee;
  /** Why it is no better, in a sentence. */
  readonly guaranteeReason: string;
}
