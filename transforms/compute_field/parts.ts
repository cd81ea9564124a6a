/** Parts of a `concat`: which of them are columns, which texts. */

export type Part = string | { readonly literal: string } | { readonly field: string };

const NAME = /^[\p{ID_Start}_][\p{ID_Continue}$]*(?:\.[\p{ID_Start}_][\p{ID_Continue}$]*|\[\d+\])*$/u;

/** A part, told apart; `maybeColumn`: a text that a table may happen to have a column for. */
export function partOf(part: Part): { field?: string; literal?: string; maybeColumn?: boolean } {
  if (typeof part !== "string") return part;
  const quoted = /^'(.*)'$|^"(.*)"$/s.exec(part);
  if (quoted) return { literal: quoted[1] ?? quoted[2] };
  if (part.startsWith("$") && part.length > 1) return { field: part.slice(1) };
  return NAME.test(part) ? { field: part } : { literal: part, maybeColumn: true };
}
