/**
 * Puts a table together again from the file that the program wrote: reads it line by line and applies each change by
 * key, strictly, so that a change which came twice or whose row is not there is noticed. compare.ts uses it.
 */

/** A number as it is written: no digit of it may pass through a JavaScript number. */
export class NumberText {
  constructor(readonly text: string) {}
}

/** A JSON value whose numbers are NumberText. */
export type ExactJson = null | boolean | string | NumberText | ExactJson[] | { [name: string]: ExactJson };

export type Row = { [column: string]: ExactJson };

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

/** The key of a row as text: `9007199254740993,2`. */
export function keyText(row: Row, key: readonly string[]): string {
  return key.map((name) => plainText(row[name] ?? null)).join(",");
}

/** A string as it is, everything else as JSON text. */
export function plainText(value: ExactJson): string {
  return typeof value === "string" ? value : exactText(value);
}

/** JSON text with every number as it was written. */
export function exactText(value: ExactJson): string {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(exactText).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${
    Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${exactText(each)}`).join(",")
  }}`;
}

/** Parses JSON without losing a digit. */
export function parseExact(text: string): ExactJson {
  return JSON.parse(
    text,
    // `source` is the text that the value was parsed from.
    (_name: string, value: unknown, context?: { source?: string }) =>
      typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value,
  );
}

function parseEnvelope(
  line: string,
  number: number,
): { op: string; before: Row | undefined; after: Row | undefined; source: Row } {
  let envelope: ExactJson;
  try {
    envelope = parseExact(line);
  } catch (cause) {
    throw new Error(`Line ${number} is no JSON`, { cause });
  }
  if (!isRow(envelope) || typeof envelope.op !== "string") {
    throw new Error(`Line ${number} is no change in the "standard" envelope: it has no "op"`);
  }
  const { before, after, source } = envelope;
  return {
    op: envelope.op,
    before: isRow(before) ? before : undefined,
    after: isRow(after) ? after : undefined,
    source: isRow(source) ? source : {},
  };
}

function isRow(value: ExactJson | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof NumberText);
}

/** The lines of a file. What follows the last line end is no line yet, and left out. */
export async function* readLines(path: string): AsyncGenerator<string> {
  using file = await Deno.open(path);
  let rest = "";
  for await (const chunk of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
