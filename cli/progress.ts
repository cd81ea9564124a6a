/** What is going on, for the person in front of `run`: lines that stay at the bottom of the terminal. */
import type { SourceProgress } from "../connectors/contract.ts";
import type { Flushed } from "../runtime/pipeline.ts";
import type { Plan } from "../runtime/plan.ts";
import type { WorkerStats } from "../runtime/protocol.ts";
import type { Style } from "./style.ts";

interface SourceState {
  status: string;
  records: number;
  /** Of workers that have ended: their counts start from 0 again. */
  earlier: number;
  progress?: SourceProgress;
}

interface FlowState {
  records: number;
  bytes: number;
  lagMs?: number;
}

export class Progress {
  readonly #plan: Plan;
  readonly #startedMs: number;
  readonly #sources = new Map<string, SourceState>();
  readonly #flows = new Map<string, FlowState>();
  #rates = new Map<string, { atMs: number; records: number; perSecond: number }>();

  constructor(plan: Plan, nowMs: number) {
    this.#plan = plan;
    this.#startedMs = nowMs;
    for (const source of plan.sources) {
      this.#sources.set(source.name, { status: "starting", records: 0, earlier: 0 });
      for (const flow of source.flows) this.#flows.set(flow.name, { records: 0, bytes: 0 });
    }
  }

  status(source: string, status: string): void {
    const state = this.#sources.get(source)!;
    if (status === "restarting") {
      state.earlier += state.records;
      state.records = 0;
    }
    state.status = status;
  }

  read(source: string, { records, progress }: WorkerStats): void {
    const state = this.#sources.get(source)!;
    state.records = records;
    state.progress = progress;
  }

  committed(flow: string, flushed: Flushed, nowMicros: bigint): void {
    const state = this.#flows.get(flow)!;
    state.records += flushed.records;
    state.bytes += flushed.bytes;
    if (flushed.newestMicros > 0n) state.lagMs = Math.max(0, Number(nowMicros - flushed.newestMicros) / 1000);
  }

  /** Records that a flow has made durable. */
  durable(flow: string): number {
    return this.#flows.get(flow)?.records ?? 0;
  }

  /** Two lines or more a source. */
  lines(nowMs: number, { bold, dim, green, yellow, red }: Style): string[] {
    const lines: string[] = [];
    for (const source of this.#plan.sources) {
      const state = this.#sources.get(source.name)!;
      const phase = state.status === "running" ? state.progress?.phase ?? "running" : state.status;
      const colour = phase === "failed" ? red : phase === "restarting" ? yellow : green;
      // The worker's count comes twice a second, the flows' with every commit.
      const durable = source.flows.map(({ name }) => this.#flows.get(name)!.records);
      const read = Math.max(state.earlier + state.records, ...durable);
      const parts = [`${count(read)} read`, `${count(this.#rate(source.name, read, nowMs))}/s`];
      const { snapshot, lagBytes } = state.progress ?? {};
      if (phase === "snapshot" && snapshot) {
        const of = snapshot.expectedRows ? ` of about ${count(snapshot.expectedRows)}` : "";
        const { secondsLeft } = snapshot;
        const left = secondsLeft === undefined ? "" : `, ${duration(secondsLeft * 1000)} left`;
        parts.push(
          `snapshot: ${
            count(snapshot.rows)
          }${of} rows, ${snapshot.tablesDone}/${snapshot.tables} tables${left}`,
        );
      }
      if (lagBytes !== undefined && lagBytes > 0) parts.push(`${bytes(lagBytes)} behind`);
      lines.push(`${colour("●")} ${bold(source.name)} ${colour(phase)}  ${parts.join(dim(" · "))}`);
      for (const { name, sink } of source.flows) {
        const flow = this.#flows.get(name)!;
        const facts = [`${count(flow.records)} durable`, bytes(flow.bytes)];
        if (flow.lagMs !== undefined && phase !== "snapshot") facts.push(`lag ${duration(flow.lagMs)}`);
        lines.push(`  ${dim("└")} ${name} → ${sink.name}  ${facts.join(dim(" · "))}`);
      }
    }
    return lines;
  }

  /** One sentence a flow, for logs where nobody watches. */
  sentences(nowMs: number): { flow: string; text: string }[] {
    return this.#plan.sources.flatMap((source) => {
      const { earlier, records } = this.#sources.get(source.name)!;
      const perSecond = this.#rate(source.name, earlier + records, nowMs);
      return source.flows.map(({ name }) => {
        const { records: durable, lagMs } = this.#flows.get(name)!;
        const lag = lagMs === undefined ? "" : `, lag ${duration(lagMs)}`;
        const read = `${count(earlier + records)} records read (${count(perSecond)}/s)`;
        return { flow: name, text: `${read}, ${count(durable)} durable${lag}` };
      });
    });
  }

  /** How long it has been running. */
  elapsed(nowMs: number): string {
    return duration(nowMs - this.#startedMs);
  }

  #rate(source: string, records: number, nowMs: number): number {
    const last = this.#rates.get(source) ?? { atMs: this.#startedMs, records: 0, perSecond: 0 };
    if (nowMs - last.atMs < 900) return last.perSecond;
    const perSecond = Math.round((records - last.records) / (nowMs - last.atMs) * 1000);
    this.#rates.set(source, { atMs: nowMs, records, perSecond });
    return perSecond;
  }
}

/** `1,234,567`. */
export function count(value: number): string {
  // The language tables that toLocaleString() loads take 12 ms.
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `12.3 MB`; powers of ten, as disks count. */
export function bytes(value: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (value >= size) return `${(value / size).toFixed(1)} ${unit}`;
  }
  return `${value} B`;
}

/** `3 ms`, `1.5 s`, `12 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
