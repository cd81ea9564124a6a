/** What `run` says when a commit has put records away: one line for each reason. */
import type { Fields } from "../runtime/protocol.ts";

/** More reasons than these in one commit are counted only. */
const MOST_REASONS = 5;

/** Lines for the log, the most frequent reason first. */
export function deadLetterLines(
  letters: readonly { readonly error: string; readonly code: string }[],
): [line: string, fields: Fields][] {
  const reasons = new Map<string, { count: number; error: string; code: string }>();
  for (const { error, code } of letters) {
    const reason = reasons.get(`${code} ${error}`);
    if (reason) reason.count++;
    else reasons.set(`${code} ${error}`, { count: 1, error, code });
  }
  const all = [...reasons.values()].sort((a, b) => b.count - a.count);
  const lines = all.slice(0, MOST_REASONS).map(({ count, error, code }): [string, Fields] => [
    `${records(count)} went to the dead letters: ${error}`,
    { code },
  ]);
  const rest = all.slice(MOST_REASONS).reduce((sum, { count }) => sum + count, 0);
  if (rest > 0) {
    lines.push([`${rest} more went to the dead letters: see rivven-connect dlq list`, {}]);
  }
  return lines;
}

function records(count: number): string {
  return count === 1 ? "1 record" : `${count} records`;
}
