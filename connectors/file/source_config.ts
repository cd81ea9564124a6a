/** The configuration of a source, with what it leaves out filled in. */
import type { FileConfig } from "./connector.ts";

/** What reading needs of the keys of a source; what each means is in connector.ts. */
export interface SourceConfig {
  readonly path: string;
  readonly format: FileConfig["format"];
  readonly compression: NonNullable<FileConfig["compression"]>;
  /** `envelope: none`. */
  readonly isPlain: boolean;
  readonly stream: string | undefined;
  readonly key: readonly string[];
  readonly follow: boolean;
  readonly start: "earliest" | "latest";
  readonly order_by: "name" | "time";
  readonly max_line_bytes: number;
  readonly poll_interval_ms: number;
  readonly if_shortened: FileConfig["if_shortened"];
  readonly csv: NonNullable<FileConfig["csv"]>;
}

/** The largest text that is one record: some of them at once fit into memory. */
const MAX_LINE_BYTES = 16 << 20;
const POLL_MS = 250;

export function sourceConfig(config: FileConfig): SourceConfig {
  return {
    path: config.path,
    format: config.format,
    compression: config.compression ?? "auto",
    isPlain: config.envelope === "none",
    stream: config.stream,
    key: config.key ?? [],
    follow: config.follow ?? false,
    start: config.start ?? "earliest",
    order_by: config.order_by ?? "name",
    max_line_bytes: config.max_line_bytes ?? MAX_LINE_BYTES,
    poll_interval_ms: config.poll_interval_ms ?? POLL_MS,
    if_shortened: config.if_shortened,
    csv: config.csv ?? {},
  };
}
