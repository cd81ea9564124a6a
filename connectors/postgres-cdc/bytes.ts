/** Sizes as PostgreSQL's settings have them (documentation, "Setting Parameters", "Parameter Names and Values"). */

/** Multiples are of 1024. */
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/** `10GB`, `1.5 TB`. */
export const SIZE = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB)$/;

/**
 * Reads a size.
 *
 * @throws {SyntaxError} when it is none
 */
export function parseSize(text: string): number {
  const [, number, unit] = SIZE.exec(text) ?? [];
  if (number === undefined) throw new SyntaxError(`"${text}" is no size such as 10GB`);
  return Math.round(Number(number) * UNITS[unit]);
}

/** A size for people: three digits at least. */
export function formatSize(bytes: number): string {
  const unit = Object.keys(UNITS).findLast((name) => bytes >= UNITS[name]) ?? "B";
  const value = bytes / UNITS[unit];
  return `${value >= 100 || unit === "B" ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}
