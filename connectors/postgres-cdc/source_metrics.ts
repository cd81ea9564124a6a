/** What the progress of the source means in numbers: names of the CDC metrics without their common prefix. */
import type { Metrics, SourceProgress } from "../contract.ts";

/** Passes progress on and sets the gauges that say the same. */
export function measured(
  progress: (progress: SourceProgress) => void,
  metrics: Metrics,
): (progress: SourceProgress) => void {
  return (now) => {
    progress(now);
    const { phase, snapshot, lagMs } = now;
    metrics.set("snapshot_running", phase === "snapshot" ? 1 : 0);
    metrics.set("streaming_connected", phase === "streaming" ? 1 : 0);
    if (snapshot !== undefined) {
      metrics.set("snapshot_total_tables", snapshot.tables);
      metrics.set("snapshot_remaining_tables", snapshot.tables - snapshot.tablesDone);
      metrics.set("snapshot_rows_scanned", snapshot.rows);
    }
    if (lagMs !== undefined) metrics.set("streaming_lag_milliseconds", lagMs);
  };
}
