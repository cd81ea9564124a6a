/**
 * Names of rotated files: `orders.jsonl` → `orders.20260131T120000123Z.jsonl`, with the time the file was begun. A
 * file keeps its name for good, names sort by time, and none comes twice.
 */

/** The file of `path` that was begun at `begunMs`, milliseconds since 1970. */
export function partName(path: string, begunMs: number): string {
  const time = new Date(begunMs).toISOString().replace(/[-:.]/g, "");
  const dot = path.lastIndexOf(".");
  const hasExtension = dot > path.lastIndexOf("/") + 1;
  return hasExtension ? `${path.slice(0, dot)}.${time}${path.slice(dot)}` : `${path}.${time}`;
}

/** The other way round; undefined for a name that `partName` did not make. */
export function parsePartName(file: string): { path: string; begunMs: number } | undefined {
  const match = /^(.*)\.(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z(\.[^./]*)?$/s.exec(file);
  if (!match) return undefined;
  const [, start, year, month, day, hours, minutes, seconds, ms, extension = ""] = match;
  const begunMs = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}.${ms}Z`);
  return Number.isNaN(begunMs) ? undefined : { path: start + extension, begunMs };
}
