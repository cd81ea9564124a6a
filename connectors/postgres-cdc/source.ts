/** The source as the runtime sees it; what one `read()` does is in reading.ts. */
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { Batch, CheckReport, DiscoveredStream, Position, Source, SourceContext } from "../contract.ts";
import { captureFilter, publicationPlan } from "./captured.ts";
import { Catalog } from "./catalog.ts";
import { checkSource } from "./check.ts";
import type { PostgresConfig } from "./connector.ts";
import { discoverTables } from "./discover.ts";
import { type Endpoint, endpointOf } from "./endpoint.ts";
import { parseLsn } from "./lsn.ts";
import { isSamePlace, type PostgresPosition } from "./position.ts";
import { lowestPosition } from "./position_order.ts";
import { Reading } from "./reading.ts";
import { releaseSlot } from "./slot_release.ts";

/** Well below the time that a whole check has. */
const CHECK_STATEMENT_MS = 10_000;

export function openSource(config: PostgresConfig, context: SourceContext): Source {
  return new PostgresSource(config, context);
}

class PostgresSource implements Source {
  readonly #config: PostgresConfig;
  readonly #context: SourceContext;
  readonly #endpoint: Endpoint;
  readonly #filter: TableFilter;
  readonly #catalog: Catalog;
  #reading: Reading | undefined;
  /** Behind what was read last, or where reading began; and what was acknowledged last. */
  #read: PostgresPosition | undefined;
  #acknowledged: PostgresPosition | undefined;
  #hasSlot = false;

  constructor(config: PostgresConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
    this.#endpoint = endpointOf(config, context.name);
    this.#filter = captureFilter(config, context.streams);
    this.#catalog = new Catalog(this.#endpoint, context, config);
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const interrupt = () => this.#catalog.interrupt();
    signal.addEventListener("abort", interrupt);
    this.#read = this.#acknowledged = from as PostgresPosition | undefined;
    try {
      this.#reading = new Reading({
        config: this.#config,
        context: this.#context,
        endpoint: this.#endpoint,
        filter: this.#filter,
        catalog: this.#catalog,
        signal,
      });
      for await (const batch of this.#reading.batches(from)) {
        this.#read = batch.position as PostgresPosition;
        yield batch;
      }
    } catch (error) {
      // What was cut off on request is no failure.
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", interrupt);
      this.#hasSlot = this.#reading?.hasSlot ?? false;
      this.#reading = undefined;
    }
  }

  acknowledge(position: Position): Promise<void> {
    const { lsn, snapshot } = this.#acknowledged = position as PostgresPosition;
    // While a snapshot is under way, everything behind its point is still to come.
    if (snapshot === undefined) this.#reading?.acknowledge(parseLsn(lsn));
    return Promise.resolve();
  }

  lowest(positions: readonly Position[]): Position {
    return lowestPosition(this.#config.slot_name, positions);
  }

  async release(): Promise<void> {
    const [read, acknowledged] = [this.#read, this.#acknowledged];
    if (!this.#config.drop_slot_on_stop || !this.#hasSlot) return;
    // While it holds what was read and is not durable, it stays, whoever asks.
    if (read !== acknowledged && !(read && acknowledged && isSamePlace(read, acknowledged))) return;
    await releaseSlot(this.#config.slot_name, read, this.#catalog, this.#context);
  }

  async check(report: CheckReport): Promise<void> {
    const { clock, log, streams } = this.#context;
    // A statement that waits for a lock is a finding, too.
    const endpoint = { ...this.#endpoint, statementTimeoutMs: CHECK_STATEMENT_MS };
    await using catalog = new Catalog(endpoint, { clock, log }, this.#config);
    await checkSource({
      catalog,
      clock,
      endpoint,
      config: this.#config,
      filter: this.#filter,
      publicationPlan: publicationPlan(this.#config, this.#filter, streams),
    }, report);
  }

  async discover(): Promise<readonly DiscoveredStream[]> {
    const { publication } = this.#config;
    return await discoverTables(this.#catalog, this.#endpoint.database, this.#filter, publication);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#catalog[Symbol.asyncDispose]();
  }
}
