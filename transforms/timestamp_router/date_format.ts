/** Java's patterns for dates, as far as topics need them: `yyyyMMdd` → the text of a moment. Times are in UTC. */

type Part = string | ((date: Date) => string);

const FIELDS: Readonly<Record<string, (date: Date, length: number) => string>> = {
  y: (date, length) => {
    const year = date.getUTCFullYear();
    return length === 2 ? pad(year % 100, 2) : pad(year, length);
  },
  M: (date, length) =>
    length >= 3
      ? date.toLocaleString("en-US", { month: length === 3 ? "short" : "long", timeZone: "UTC" })
      : pad(date.getUTCMonth() + 1, length),
  d: (date, length) => pad(date.getUTCDate(), length),
  D: (date, length) => pad((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000 + 1, length),
  H: (date, length) => pad(date.getUTCHours(), length),
  m: (date, length) => pad(date.getUTCMinutes(), length),
  s: (date, length) => pad(date.getUTCSeconds(), length),
  S: (date, length) => pad(date.getUTCMilliseconds(), length),
  E: (date, length) =>
    date.toLocaleString("en-US", { weekday: length > 3 ? "long" : "short", timeZone: "UTC" }),
};

function pad(value: number, length: number): string {
  return String(Math.floor(value)).padStart(length, "0");
}

/** How long a text stays the same, in milliseconds: as long as the smallest unit in the pattern lasts. */
const DURATIONS: Readonly<Record<string, number>> = { S: 1, s: 1000, m: 60_000, H: 3_600_000 };
const DAY = 86_400_000;

export interface DateFormat {
  /** The text of a moment, milliseconds since 1970. */
  text(millis: number): string;
  /** Moments between two multiples of it, in milliseconds, have one text. */
  readonly unitMillis: number;
}

/**
 * Reads a pattern. Letters in single quotes stand for themselves.
 *
 * @throws {SyntaxError} at a letter that means something else to Java, or nothing
 */
export function dateFormat(pattern: string): DateFormat {
  const parts: Part[] = [];
  let unitMillis = DAY;
  for (const [written] of pattern.matchAll(/'((?:[^']|'')*)'?|([A-Za-z])\2*|[^A-Za-z']+/g)) {
    const letter = written[0];
    if (letter === "'") parts.push(quotedText(written));
    else if (/[A-Za-z]/.test(letter)) {
      const field = FIELDS[letter];
      if (!field) {
        throw new SyntaxError(
          `The letter "${letter}" can't be used in a pattern for topics: there are ${
            Object.keys(FIELDS).join(", ")
          }`,
        );
      }
      unitMillis = Math.min(unitMillis, DURATIONS[letter] ?? DAY);
      parts.push((date) => field(date, written.length));
    } else parts.push(written);
  }
  const text = (millis: number) => {
    const date = new Date(millis);
    return parts.map((part) => typeof part === "string" ? part : part(date)).join("");
  };
  return { text, unitMillis };
}

function quotedText(written: string): string {
  if (written === "''") return "'";
  const end = written.length > 1 && written.endsWith("'") ? -1 : undefined;
  return written.slice(1, end).replaceAll("''", "'");
}
