/**
 * Reads what the program has written: lines of the `standard` envelope, without losing a digit. The demo and the
 * oracle tests use it. It shares no code with the program, so that a fault of its writer is not undone by its reader.
 */

/** A number as it is written: no digit of it may pass through a JavaScript number. */
export class NumberText {
  constructor(readonly text: string) {}
}

/** A JSON value whose numbers are NumberText. */
export type ExactJson = null | boolean | string | NumberText | ExactJson[] | { [name: string]: ExactJson };

export type Row = { [column: string]: ExactJson };

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

export interface Envelope {
  readonly op: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  readonly source: Row;
}

/**
 * Parses a change.
 *
 * @param number of the line, for errors
 * @throws {Error} when it is no JSON or no change
 */
export function parseEnvelope(line: string, number: number): Envelope {
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
