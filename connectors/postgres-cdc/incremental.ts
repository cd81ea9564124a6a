/** The snapshots that signals ask for, as the configuration wants them: called by reading.ts. */
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { SourceContext } from "../contract.ts";
import { Catalog } from "./catalog.ts";
import { ChunkReader } from "./chunk_reader.ts";
import type { PostgresConfig } from "./connector.ts";
import type { Endpoint } from "./endpoint.ts";
import { IncrementalSnapshots, type IncrementalState } from "./incremental_snapshot.ts";
import { IncrementalTables, type IncrementalTablesOptions } from "./incremental_tables.ts";
import type { PostgresPosition } from "./position.ts";
import { SignalFile } from "./signal_file.ts";
import { signalFile, signalTable } from "./signals.ts";
import type { Announced } from "./snapshot.ts";
import { sourceMembers } from "./source_members.ts";
import { unreadableRows } from "./unreadable_rows.ts";

export interface IncrementalParts {
  readonly config: PostgresConfig;
  readonly context: SourceContext;
  readonly endpoint: Endpoint;
  readonly filter: TableFilter;
  readonly tables: Omit<IncrementalTablesOptions, "catalog" | "config" | "filter">;
  readonly announce: (stream: Stream, writer: BatchWriter, row: Announced) => Promise<void>;
  /** Where the stream begins. */
  readonly position: PostgresPosition;
  readonly saved: IncrementalState | undefined;
  readonly signal: AbortSignal;
}

export function incrementalSnapshots(parts: IncrementalParts): IncrementalSnapshots {
  const { config, context, endpoint, filter, tables, announce, position, saved, signal } = parts;
  const { clock, log, batchWriter } = context;
  const path = signalFile(config);
  const table = signalTable(config);
  const catalog = new Catalog(endpoint, { clock, log }, config, "SET lock_timeout = '1s'");
  const interrupt = () => catalog.interrupt();
  signal.addEventListener("abort", interrupt);
  const found = new IncrementalTables({ ...tables, catalog, config, filter });
  const own = new TextEncoder().encode(sourceMembers(0n, 0n, null));
  return new IncrementalSnapshots({
    clock,
    log,
    chunkSize: config.incremental_snapshot.chunk_size,
    delayMs: config.incremental_snapshot.chunk_delay_ms,
    pollMs: config.signal.poll_interval_ms,
    saved,
    file: path === undefined ? undefined : new SignalFile(path, saved?.file ?? 0),
    signalTable: table,
    keepsSignalRows: table !== undefined && filter.streams(table),
    takesMessages: config.signal.enabled_channels.includes("message"),
    open: (signal) =>
      ChunkReader.open(endpoint, clock, batchWriter(), unreadableRows(config, context), signal),
    find: (request) => found.find(request),
    prepare: (pending) => found.prepare(pending),
    announce: (stream, writer) => announce(stream, writer, { timeMicros: clock.nowMicros(), own }),
    newWriter: batchWriter,
    position,
    close: async () => {
      signal.removeEventListener("abort", interrupt);
      await catalog[Symbol.asyncDispose]();
    },
    signal,
  });
}
