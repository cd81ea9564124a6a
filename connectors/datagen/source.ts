/**
 * Generates records: draws rows, writes them into batches at the configured rate, and goes on from any position it
 * has emitted. The runtime's worker opens it; what is drawn is in patterns/ and changes.ts.
 */
import { batchFromData } from "../../formats/data/batch.ts";
import { type BatchWriter, MAX_RECORDS } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type {
  Batch,
  CheckReport,
  DiscoveredStream,
  Position,
  Source,
  SourceContext,
  StreamSelection,
} from "../contract.ts";
import type { Changes } from "./changes.ts";
import type { DatagenConfig } from "./connector.ts";
import { OwnMembers } from "./own_members.ts";
import { Pace } from "./pace.ts";
import { MADE_AT, SEQUENCE } from "./patterns/fields.ts";
import type { Pattern } from "./patterns/pattern.ts";
import { assertContinues, type DatagenPosition, readPosition } from "./position.ts";
import { patternOf, Rows } from "./rows.ts";
import { nextTurn, Run } from "./run.ts";
import { timesOf } from "./times.ts";

const LANE = "stream";

/**
 * Opens a generated stream. The configuration is valid.
 *
 * @throws {ConnectorError} when `streams:` of the pipeline file asks for another stream or for a cursor
 */
export function openSource(config: DatagenConfig, context: SourceContext): Source {
  return new DatagenSource(config, context);
}

class DatagenSource implements Source {
  readonly #config: DatagenConfig;
  readonly #context: SourceContext;
  readonly #pattern: Pattern;
  readonly #rows: Rows;
  readonly #own = new OwnMembers();
  readonly #restarts: boolean;

  constructor(config: DatagenConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
    this.#pattern = patternOf(config);
    this.#rows = new Rows(config, this.#pattern);
    const selected = selectedStream(config, context);
    this.#restarts = config.on_restart === "restart" || selected?.sync_mode === "full_refresh";
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const { events_per_second, max_events } = this.#config;
    const { clock, progress } = this.#context;
    const batchSize = Math.min(this.#config.batch_size ?? (events_per_second > 0 ? 100 : 1000), MAX_RECORDS);
    const end = max_events || Infinity;
    const run = await this.#begin(from, signal);
    // A delete and its tombstone stay in one batch.
    const writer = this.#context.batchWriter({ maxRecords: Math.max(batchSize, 2) });
    writer.lane = LANE;

    progress({ phase: "streaming" });
    const pace = events_per_second > 0 ? new Pace(events_per_second, clock) : undefined;
    while (!signal.aborted && run.sequence < end) {
      let due = Math.min(pace ? await pace.due(signal) : batchSize, end - run.sequence);
      while (due > 0 && !signal.aborted) {
        due -= this.#write(run, writer, Math.min(due, batchSize), batchSize);
        yield batchFromData(writer.finish(run.position()));
      }
      if (!pace) await nextTurn();
    }
    if (!signal.aborted) progress({ phase: "finished" });
  }

  /** Nothing upstream has to be released. */
  acknowledge(_position: Position): Promise<void> {
    return Promise.resolve();
  }

  check(report: CheckReport): Promise<void> {
    const { pattern, cdc_mode, events_per_second, max_events } = this.#config;
    const rate = events_per_second > 0 ? `${events_per_second} a second` : "as fast as possible";
    const amount = max_events > 0 ? `${max_events} records in all` : "without end";
    report({
      name: "configuration",
      status: "ok",
      message: `Generates ${cdc_mode ? "changes of " : ""}${pattern}, ${rate}, ${amount}`,
    });
    return Promise.resolve();
  }

  /** The one stream. Its key is the pattern's primary key also where the records, being no changes, carry none. */
  discover(): Promise<readonly DiscoveredStream[]> {
    const { stream, identity } = this.#rows;
    const { custom_fields, max_events } = this.#config;
    return Promise.resolve([{
      stream: { ...stream, key: Object.hasOwn(custom_fields, identity) ? [] : [identity] },
      estimatedRows: max_events || undefined,
      syncModes: ["full_refresh", "incremental"],
    }]);
  }

  lowest(positions: readonly Position[]): Position {
    const byPlace = (a: DatagenPosition, b: DatagenPosition) =>
      a.attempt - b.attempt || a.sequence - b.sequence;
    return positions.map(readPosition).toSorted(byPlace)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The run that continues `from`, or a new one. */
  async #begin(from: Position | undefined, signal: AbortSignal): Promise<Run> {
    const saved = from && readPosition(from);
    if (saved && !this.#restarts) {
      assertContinues(saved, this.#config);
      const run = this.#run(saved.seed, saved.attempt);
      await run.continueAt(saved, signal);
      return run;
    }
    const seed = this.#config.seed?.toString() ?? saved?.seed ?? await this.#keptSeed();
    return this.#run(seed, saved ? saved.attempt + 1 : 0);
  }

  #run(seed: string, attempt: number): Run {
    return new Run(this.#config, this.#pattern, timesOf(this.#config, this.#context.clock), seed, attempt);
  }

  /** A seed that nobody chose is kept before the first record leaves, so that a replay gives the same records. */
  async #keptSeed(): Promise<string> {
    const { state, clock, random, preview } = this.#context;
    const kept = await state.get("seed");
    if (typeof kept === "string") return kept;
    const seed = String(clock.nowMicros() * 1000n + BigInt(Math.floor(random() * 1000)));
    if (!preview) await state.put("seed", seed);
    return seed;
  }

  /** Writes up to `count` events, as far as the batch has room, and returns how many they were. */
  #write(run: Run, writer: BatchWriter, count: number, batchSize: number): number {
    const first = run.sequence;
    const last = first + count;
    run.times.tick();
    if (!run.changes) {
      while (run.sequence < last && !writer.isFull) this.#writeRecord(run, writer);
    } else {
      const room = this.#config.tombstone?.enabled ? 2 : 1;
      do {
        this.#writeChange(run, run.changes, writer);
      } while (run.sequence < last && !writer.isFull && writer.length + room <= batchSize);
    }
    return run.sequence - first;
  }

  #writeRecord(run: Run, writer: BatchWriter): void {
    const { row, sequence } = run;
    row[SEQUENCE] = sequence;
    row[MADE_AT] = run.times.at(sequence);
    this.#pattern.draw(run.random, row, 0);
    writer.begin(this.#rows.stream, "record", run.times.bigMicros, run.group, sequence);
    this.#rows.write(writer, "after", row, 0);
    writer.end();
    run.sequence++;
  }

  #writeChange(run: Run, changes: Changes, writer: BatchWriter): void {
    const { sequence, group } = run;
    const { stream } = this.#rows;
    const change = changes.step(sequence, run.times.at(sequence));
    const hasBefore = change === "update" || change === "delete";
    const key = this.#rows.key(hasBefore ? changes.before : changes.after, 0);
    const own = this.#own.of(change, sequence);
    writer.begin(stream, change, run.times.bigMicros, group, sequence);
    writer.key(key, false);
    if (hasBefore) this.#rows.write(writer, "before", changes.before, 0);
    if (change !== "delete") this.#rows.write(writer, "after", changes.after, 0);
    writer.end(own);
    if (change === "delete" && this.#config.tombstone?.enabled) {
      writer.begin(stream, "tombstone", run.times.bigMicros, group, sequence, ".1");
      writer.key(key, false);
      writer.end(own);
    }
    run.sequence++;
  }
}

/** What `streams:` of the pipeline file says about our one stream. */
function selectedStream(
  config: DatagenConfig,
  { name, streams }: SourceContext,
): StreamSelection | undefined {
  if (streams.length === 0) return undefined;
  const ours = { name: config.stream_name, namespace: config.namespace };
  const selected = streams.find((stream) => qualifiedName(stream) === qualifiedName(ours));
  const other = streams.find((stream) => stream !== selected);
  if (!selected || other) {
    throw new ConnectorError(
      `Source "${name}" has one stream, "${qualifiedName(ours)}", and streams names "${
        qualifiedName(other!)
      }"`,
      { code: "config_stream_unknown", hint: "Name that one, change stream_name, or leave streams out" },
    );
  }
  if (selected.cursor_field !== undefined && selected.cursor_field !== "_sequence") {
    throw new ConnectorError(
      `Source "${name}" cannot read by "${selected.cursor_field}": its records come in the order of "_sequence"`,
      { code: "config_cursor_field", hint: "Leave cursor_field out" },
    );
  }
  return selected;
}
