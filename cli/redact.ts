/** Takes secrets out of what is printed; output.ts passes everything through here. */

export const REDACTED = "***";

/** Shorter ones would blot out half of every sentence. */
const SHORTEST_SECRET = 3;
/** A line of a secret with several lines, such as a private key, counts from this length. */
const SHORTEST_LINE = 8;

/** The text with every secret replaced, also as it looks inside JSON, YAML or a URL. */
export function redactText(text: string, secrets: Iterable<string>): string {
  for (const form of spellings(secrets)) {
    if (text.includes(form)) text = text.replaceAll(form, REDACTED);
  }
  return text;
}

/**
 * The same for data, before it is written as JSON: replacing within JSON text could break it. A number that is a
 * secret by itself is replaced by the text too.
 */
export function redactValue(value: unknown, secrets: ReadonlySet<string>): unknown {
  if (secrets.size === 0) return value;
  if (typeof value === "string") return redactText(value, secrets);
  if (typeof value === "number" || typeof value === "bigint") {
    const text = value.toString();
    return text.length >= SHORTEST_SECRET && secrets.has(text) ? REDACTED : value;
  }
  if (Array.isArray(value)) return value.map((item) => redactValue(item, secrets));
  if (value !== null && typeof value === "object" && !(value instanceof Uint8Array)) {
    return Object.fromEntries(
      Object.entries(value).map((
        [name, member],
      ) => [redactText(name, secrets), redactValue(member, secrets)]),
    );
  }
  return value;
}

/** Longest first, because one secret may hold another. */
function spellings(secrets: Iterable<string>): string[] {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.trim().length < SHORTEST_SECRET) continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    if (secret.isWellFormed()) forms.add(encodeURIComponent(secret));
    const lines = secret.split(/\r?\n/);
    if (lines.length > 1) {
      for (const line of lines) if (line.trim().length >= SHORTEST_LINE) forms.add(line.trim());
    }
  }
  return [...forms].sort((a, b) => b.length - a.length);
}
