/**
 * Puts a table together again from the file that the program wrote: reads it line by line and applies each change by
 * key, strictly, so that a change which came twice or whose row is not there is noticed. compare.ts uses it.
 */
import { keyText, parseEnvelope, type Row } from "../../tests/oracle/envelope.ts";

/** A table as its file says it is. */
export interface Replayed {
  /** By `keyText`. */
  readonly rows: ReadonlyMap<string, Row>;
  /** How many lines of each kind: by the envelope's `op`. */
  readonly events: ReadonlyMap<string, number>;
  /** Lines that do not fit what came before them, each with the line's number. */
  readonly misfits: readonly string[];
}

/** Applies the lines of one table's file, in the `standard` envelope. A line that is no JSON is an error. */
export async function replay(lines: AsyncIterable<string>, key: readonly string[]): Promise<Replayed> {
  const rows = new Map<string, Row>();
  const events = new Map<string, number>();
  const misfits: string[] = [];
  let number = 0;
  for await (const line of lines) {
    number++;
    const { op, before, after, source } = parseEnvelope(line, number);
    events.set(op, (events.get(op) ?? 0) + 1);
    const misfit = apply(rows, key, op, before, after, source);
    if (misfit !== undefined) misfits.push(`line ${number}: ${misfit}`);
  }
  return { rows, events, misfits };
}

/** @returns what does not fit, or undefined */
function apply(
  rows: Map<string, Row>,
  key: readonly string[],
  op: string,
  before: Row | undefined,
  after: Row | undefined,
  source: Row,
): string | undefined {
  switch (op) {
    case "r":
    case "c": {
      if (after === undefined) return `"${op}" without a row`;
      const id = keyText(after, key);
      const known = rows.has(id);
      rows.set(id, after);
      return known ? `the row ${id} comes twice` : undefined;
    }
    case "u": {
      if (after === undefined) return `"u" without a row`;
      const id = keyText(after, key);
      const old = rows.get(id);
      // What the update left alone may not be in it; the envelope names those columns.
      const kept = (source.unavailable_columns ?? []) as string[];
      rows.set(id, { ...Object.fromEntries(kept.map((name) => [name, old?.[name] ?? null])), ...after });
      return old === undefined ? `an update of the row ${id}, which is not there` : undefined;
    }
    case "d": {
      if (before === undefined) return `"d" without a key`;
      const id = keyText(before, key);
      return rows.delete(id) ? undefined : `a delete of the row ${id}, which is not there`;
    }
    case "t":
      rows.clear();
      return undefined;
    default:
      return undefined;
  }
}
