/** The keys of signals and incremental snapshots. connector.ts puts them into the configuration. */
import { z } from "zod";

/** These keys, validated. */
export interface SignalConfig {
  readonly signal: {
    readonly enabled: boolean;
    readonly enabled_channels: readonly ("source" | "file" | "message")[];
    readonly data_collection: string;
    readonly file?: string;
    readonly poll_interval_ms: number;
  };
  readonly incremental_snapshot: {
    readonly chunk_size: number;
    readonly chunk_delay_ms: number;
  };
}

const OTHERS: Record<string, string> = {
  topic: "A database source reads no topics: write source, file or message",
  api: "There is no interface for signals: write source, file or message",
};

/** For the schema of the whole configuration. */
export const signalKeys = {
  signal: z.strictObject({
    enabled: z.boolean().default(false).describe(
      "Takes signals: requests for snapshots of tables while the source runs",
    ),
    enabled_channels: z.array(z.enum(["source", "file", "message"], {
      error: ({ input }) => OTHERS[String(input)],
    })).min(1).default(["source"]).describe(
      "Where they come from: source: rows of a table; file: lines of a file; message: " +
        "pg_logical_emit_message() with prefix rivven.signal (PostgreSQL 14 or newer)",
    ),
    data_collection: z.string().regex(/^[^.]+\.[^.]+$/, "schema.table").default("public.rivven_signal")
      .describe(
        "Table of the source channel, as schema.table; it must be in the publication",
      ),
    file: z.string().min(1).optional().describe("File of the file channel, one JSON object a line"),
    poll_interval_ms: z.int().min(10).max(3_600_000).default(1000).describe(
      "How often the file is looked at, in milliseconds",
    ),
  }).refine(
    ({ enabled, enabled_channels, file }) =>
      !enabled || !enabled_channels.includes("file") || file !== undefined,
    { path: ["file"], message: "The file channel needs it" },
  ).prefault({}).describe("Requests to the running source"),
  incremental_snapshot: z.strictObject({
    chunk_size: z.int().min(1).max(1_000_000).default(1024).describe(
      "How many rows of a table are read at once, while changes of the table wait",
    ),
    chunk_delay_ms: z.int().min(0).max(3_600_000).default(0).describe(
      "Pause between two such reads, in milliseconds",
    ),
  }).prefault({}).describe("Snapshots of tables while the stream goes on, asked for by signals"),
};
