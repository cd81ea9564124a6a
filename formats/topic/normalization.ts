/**
 * Names of databases, schemas and tables made fit for topics. topic_name.ts puts the results into a pattern. The rules
 * are those of crates/rivven-connect/src/topic_resolver.rs, except that text of the pattern itself is never converted.
 * keys.ts has the keys of a pipeline file for it.
 */

export type CaseConversion = "none" | "lower" | "upper" | "snake_case" | "kebab-case";

export interface Normalization {
  /** False: names go into the topic as they are. */
  readonly enabled: boolean;
  readonly case_conversion: CaseConversion;
  readonly replacement_char: "_" | "-";
  /** Names that Avro takes: letters, digits and `_`, no digit in front. */
  readonly avro_compatible: boolean;
  readonly strip_prefixes: readonly string[];
  readonly strip_suffixes: readonly string[];
  readonly truncate_long_names: boolean;
  readonly hash_on_truncate: boolean;
  /** True: the last capital of a run begins a word of its own, `HTTPRequest` → `http_request`. */
  readonly snake_case_acronyms: boolean;
  /** What happens when two streams get one topic. */
  readonly on_collision: OnCollision;
}

/** `hash_suffix`: the one that comes later gets a hash of its name behind the topic. */
export type OnCollision = "warn" | "fail" | "hash_suffix";

/** What holds where nothing is configured. */
export const NORMALIZATION: Normalization = {
  enabled: true,
  case_conversion: "none",
  replacement_char: "_",
  avro_compatible: false,
  strip_prefixes: [],
  strip_suffixes: [],
  truncate_long_names: true,
  hash_on_truncate: true,
  snake_case_acronyms: false,
  on_collision: "warn",
};

/** The longest name that is not shortened. */
export const MAX_NAME_BYTES = 249;
/** What is left of a longer one in front of its hash. */
const KEPT_BYTES = 240;

/** One value of a placeholder. An empty one stays empty. */
export function normalize(value: string, options: Normalization): string {
  if (!options.enabled || value === "") return value;
  const replacement = options.avro_compatible ? "_" : options.replacement_char;
  let name = convertCase(stripped(value, options), options);
  const allowed = options.avro_compatible ? /[^A-Za-z0-9_]/gu : /[^A-Za-z0-9_-]/gu;
  name = name.replace(allowed, replacement);
  // These two make words: what was put between them counts as one gap.
  if (options.case_conversion === "snake_case") name = name.replace(/_{2,}/g, "_");
  if (options.case_conversion === "kebab-case") name = name.replace(/-{2,}/g, "-");
  if (options.avro_compatible && /^\d/.test(name)) name = `_${name}`;
  return name === "" ? replacement : name;
}

/** A whole topic, shortened where it is too long: its beginning and a hash of all of it. */
export function shorten(topic: string, options: Normalization): string {
  const bytes = new TextEncoder().encode(topic);
  if (!options.enabled || !options.truncate_long_names || bytes.length <= MAX_NAME_BYTES) return topic;
  if (!options.hash_on_truncate) return cut(bytes, MAX_NAME_BYTES);
  return `${cut(bytes, KEPT_BYTES)}_${hashOf(bytes)}`;
}

/** A topic with the hash of what it is made of behind it, no longer than a topic may be. */
export function withHash(topic: string, of: string): string {
  const utf8 = new TextEncoder();
  return `${cut(utf8.encode(topic), KEPT_BYTES)}_${hashOf(utf8.encode(of))}`;
}

/** 32 bits as 8 hex digits. */
function hashOf(bytes: Uint8Array): string {
  let hash = 0;
  for (const byte of bytes) hash = Math.imul(hash, 31) + byte >>> 0;
  return hash.toString(16).padStart(8, "0");
}

function cut(bytes: Uint8Array, size: number): string {
  return new TextDecoder().decode(bytes.subarray(0, size));
}

/** Each prefix and each suffix goes once, in the order of the lists; case does not count. */
function stripped(value: string, { strip_prefixes, strip_suffixes }: Normalization): string {
  let points = [...value];
  const same = (found: readonly string[], wanted: readonly string[]) =>
    found.length === wanted.length && found.every((c, i) => c.toLowerCase() === wanted[i].toLowerCase());
  for (const prefix of strip_prefixes) {
    const wanted = [...prefix];
    if (same(points.slice(0, wanted.length), wanted)) points = points.slice(wanted.length);
  }
  for (const suffix of strip_suffixes) {
    const wanted = [...suffix];
    if (wanted.length > 0 && same(points.slice(-wanted.length), wanted)) {
      points = points.slice(0, -wanted.length);
    }
  }
  return points.join("");
}

function convertCase(
  value: string,
  { case_conversion, snake_case_acronyms }: Pick<Normalization, "case_conversion" | "snake_case_acronyms">,
): string {
  switch (case_conversion) {
    case "none":
      return value;
    case "lower":
      return value.toLowerCase();
    case "upper":
      return value.toUpperCase();
    case "snake_case":
      return words(value, "_", snake_case_acronyms);
    case "kebab-case":
      return words(value, "-", snake_case_acronyms);
  }
}

/** `MyTable` → `my_table`. A run of capitals is one word, with the first letter of the next one: `httprequest`. */
function words(text: string, delimiter: string, acronyms: boolean): string {
  const value = acronyms ? text.replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, "$1_") : text;
  let result = "";
  let wasUpper = false;
  let wasDelimiter = true;
  for (const c of value) {
    if (/[-_\s]/u.test(c)) {
      if (result !== "" && !result.endsWith(delimiter)) result += delimiter;
      wasDelimiter = true;
      wasUpper = false;
      continue;
    }
    const isUpper = /\p{Lu}/u.test(c);
    if (isUpper && result !== "" && !wasDelimiter && !wasUpper) result += delimiter;
    result += /[A-Z]/.test(c) ? c.toLowerCase() : c;
    wasUpper = isUpper;
    wasDelimiter = false;
  }
  return result;
}
