/**
 * Reads what `encrypt_field` has encrypted, for programs that take messages from a topic, a file or a webhook. What
 * other languages need is the description of the format in README.md.
 *
 * ```ts
 * import { createDecrypter, keysFromEnvironment } from "@rivven/connect/decrypt";
 *
 * const decrypter = createDecrypter({ keys: keysFromEnvironment((name) => Deno.env.get(name)) });
 * const row = JSON.parse(decrypter.text(message)).after;
 * ```
 *
 * @module
 */
import { RecordError } from "../../formats/data/errors.ts";
import { parseJson } from "../../formats/data/json_value.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { DEFAULT_KEY_ID, type KeyRing, readKey, variableOf, versionsIn } from "./keys.ts";
import { sealedSpans } from "./json_objects.ts";
import { Opener, readSealed } from "./sealed.ts";
import { placeProblem, rowProblem } from "./where.ts";

export { RecordError };

export interface DecryptOptions {
  /** Key id → version → the key: 32 bytes, or their base64 or hexadecimal text. */
  readonly keys: Readonly<Record<string, Readonly<Record<string, string | Uint8Array>>>>;
  /** Values of keys, or of versions, that aren't there: an error (default), or they stay encrypted. */
  readonly onMissingKey?: "fail" | "keep";
  /** False: values open too where they were not encrypted, as in columns that were renamed since. Default true. */
  readonly checkPlace?: boolean;
}

export interface Decrypter {
  /**
   * Opens every encrypted value in one JSON text: a message in any layout of rivven-connect, a row, a key. All else
   * stays byte for byte as it is, so no digit of a number is lost.
   *
   * @throws {RecordError} when it is no JSON (`serialization_not_json`), a value was changed or is of another key
   * (`serialization_decrypt`), stands where it was not encrypted (`serialization_wrong_place`), or its key is missing
   * (`not_found_key`)
   */
  text(json: string): string;
  /**
   * The same for a value that was parsed already; the argument is left as it is. Integers beyond 2^53 that were
   * encrypted come as bigint.
   */
  value(value: unknown): unknown;
}

/** The keys of one id that the environment has under their usual names, for `keys`. */
export function keysFromEnvironment(
  env: (name: string) => string | undefined,
  keyId: string = DEFAULT_KEY_ID,
): Record<string, Record<string, string>> {
  return { [keyId]: Object.fromEntries(versionsIn(env)) };
}

/**
 * Makes a decrypter; cheap to use, make it once.
 *
 * @throws {TypeError} when a key is not 32 bytes; the message names it, and holds nothing of it
 */
export function createDecrypter(options: DecryptOptions): Decrypter {
  const { onMissingKey = "fail", checkPlace = true } = options;
  const opener = new Opener(Object.entries(options.keys).map(([id, versions]) => ringOf(id, versions)));

  /** The JSON text of a sealed value, or undefined where it stays. */
  function open(value: Value, root: Value, path: Path): string | undefined {
    const sealed = readSealed(value);
    if (sealed === undefined || (onMissingKey === "keep" && !opener.hasKey(sealed))) return undefined;
    if (checkPlace && sealed.binding !== undefined) {
      const problem = problemOf(sealed.binding, root, path);
      if (problem !== undefined) throw new RecordError(problem, { code: "serialization_wrong_place" });
    }
    return opener.open(sealed);
  }

  function walk(value: Value, root: Value, path: Path): Value {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map((item, i) => walk(item, root, [...path, i]));
    const opened = "__encrypted" in value ? open(value, root, path) : undefined;
    if (opened !== undefined) return parseJson(opened, true);
    return Object.fromEntries(
      Object.entries(value as Row).map(([name, member]) => [name, walk(member, root, [...path, name])]),
    );
  }

  return {
    value: (value) => walk(value as Value, value as Value, []),
    text(json) {
      // Most messages of most topics have nothing to open.
      if (!json.includes("__encrypted")) return json;
      let root: Value;
      try {
        root = parseJson(json, true);
      } catch {
        throw new RecordError("It is no JSON", { code: "serialization_not_json" });
      }
      let text = "";
      let done = 0;
      for (const { start, end, path } of sealedSpans(json)) {
        const opened = open(valueAt(root, path), root, path);
        if (opened === undefined) continue;
        text += json.slice(done, start) + opened;
        done = end;
      }
      return text + json.slice(done);
    },
  };
}

type Path = readonly (string | number)[];

function ringOf(id: string, texts: Readonly<Record<string, string | Uint8Array>>): KeyRing {
  const versions = Object.entries(texts).map(([version, text]): [number, Uint8Array] => {
    const key = typeof text === "string" ? readKey(text) : text;
    const name = `Version ${version} of the key "${id}" (${variableOf(Number(version))} or yours)`;
    if (!(key instanceof Uint8Array)) throw new TypeError(`${name} ${key.problem}`);
    if (key.length !== 32) throw new TypeError(`${name} is ${key.length} bytes long instead of 32`);
    return [Number(version), key];
  });
  return { id, active: Math.max(0, ...versions.map(([version]) => version)), versions: new Map(versions) };
}

/** Where rows are in the layouts; none of the names: the value is the row itself. */
const ROWS: readonly Path[] = [
  ["payload", "after"],
  ["payload", "before"],
  ["data", "after"],
  ["data", "before"],
  ["after"],
  ["before"],
  ["data"],
  ["payload"],
  [],
];

/** Why the value at `path` does not belong there; undefined where it does. */
function problemOf(binding: { place: string; row?: string }, root: Value, path: Path): string | undefined {
  const table = tableOf(root);
  let problem: string | undefined;
  for (const row of ROWS) {
    if (!row.every((name, i) => path[i] === name)) continue;
    // A list of rows.
    let depth = row.length;
    while (typeof path[depth] === "number") depth++;
    const columns = path.slice(depth).filter((name) => typeof name === "string");
    const found = valueAt(root, path.slice(0, depth));
    const here = placeProblem(binding.place, table, columns) ??
      (isRow(found) ? rowProblem(binding.row, found) : undefined);
    if (here === undefined) return undefined;
    problem ??= here;
  }
  return problem;
}

/** Database, schema and table, as far as the message's layout tells. */
function tableOf(root: Value): (string | undefined)[] {
  const message = isRow(root) && isRow(root.payload) ? root.payload : root;
  if (!isRow(message)) return [];
  const text = (value: Value | undefined) => typeof value === "string" && value !== "" ? value : undefined;
  const { source } = message;
  if (isRow(source) && "table" in source) return [text(source.db), text(source.schema), text(source.table)];
  if ("event_type" in message) {
    return [undefined, text(message.namespace), bareName(message.stream, message.namespace)];
  }
  if ("source_type" in message) return [text(message.database), text(message.schema), text(message.table)];
  return [];
}

/** Earlier versions wrote `public.users` for the stream, beside its namespace. */
function bareName(stream: Value | undefined, namespace: Value | undefined): string | undefined {
  if (typeof stream !== "string") return undefined;
  return typeof namespace === "string" && stream.startsWith(`${namespace}.`)
    ? stream.slice(namespace.length + 1)
    : stream;
}

function valueAt(root: Value, path: Path): Value {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return null;
    value = (value as Row)[step] ?? null;
  }
  return value;
}

function isRow(value: Value | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}
