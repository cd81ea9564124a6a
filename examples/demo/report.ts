/** The demo's result as a table on the screen. */
import type { Comparison } from "./compare.ts";

/** How many differences of a table are told one by one. */
const TOLD = 10;

const KINDS: readonly [op: string, title: string][] = [
  ["r", "snapshot"],
  ["c", "inserts"],
  ["u", "updates"],
  ["d", "deletes"],
];

/** A table with a line for each comparison, the first differences of each, and the verdict. */
export function report(comparisons: readonly Comparison[]): string {
  const head = [
    "table",
    "rows in database",
    "rows replayed",
    ...KINDS.map(([, title]) => title),
    "differences",
  ];
  const rows = comparisons.map(({ table, rowsInDatabase, rowsReplayed, events, differences }) =>
    [
      table,
      rowsInDatabase,
      rowsReplayed,
      ...KINDS.map(([op]) => events.get(op) ?? 0),
      differences.length,
    ].map(String)
  );
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
  const lines = [head, ...rows].map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  );
  for (const { table, differences } of comparisons) {
    lines.push(...differences.slice(0, TOLD).map((difference) => `${table}: ${difference}`));
    if (differences.length > TOLD) lines.push(`${table}: and ${differences.length - TOLD} more`);
  }
  const different = comparisons.reduce((sum, { differences }) => sum + differences.length, 0);
  lines.push(
    different === 0
      ? "Nothing lost, nothing doubled, nothing altered: files and tables are the same."
      : `FILES AND TABLES DIFFER in ${different} places.`,
  );
  return `\n${lines.join("\n")}\n`;
}
