/** What a BatchWriter is made with, and what it can be asked to write anew; batch_writer.ts hands these names on. */
import type { Origin } from "./batch_data.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { Layout } from "./envelope.ts";

/** Limits of a batch: whichever comes first. */
export interface BatchWriterLimits {
  /** 1000 unless told. */
  readonly maxRecords?: number;
  /** 1 MiB unless told. */
  readonly maxBytes?: number;
}

export interface BatchWriterOptions extends BatchWriterLimits {
  readonly origin: Origin;
  readonly layout: Layout;
  /** Microseconds since 1970; asked once a batch. */
  readonly nowMicros: () => bigint;
  /** Where buffers of batches that nobody reads any more come from. */
  readonly pool?: BufferPool;
}

/** What takes the place of a copied record's `after`. */
export interface RewrittenRow {
  /** Writes it, from `beginRow` to `endRow`. */
  readonly write: () => void;
  /** The own members, as `end` takes them. */
  readonly own: Uint8Array;
}
