/**
 * A pipeline file as a tree of plain values, in which everything still knows its line. config.ts reads it. YAML 1.2
 * core schema, with anchors, aliases and `<<` merges; variables are filled in here, in values only.
 */
import {
  type Alias,
  isAlias,
  isMap as isMapNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  type YAMLMap,
} from "yaml";
import type { Path, Place, Problem } from "./problem.ts";
import { pathText } from "./problem.ts";
import {
  coreTyped,
  expandVariables,
  type FilledIn,
  type VariableFault,
  type VariableSources,
} from "./variables.ts";

/** More nodes than any file needs: aliases of aliases of aliases would fill the memory. */
const MAX_NODES = 100_000;

/**
 * A value that can be read in several ways, best guess first: `${PORT}` is a number where one is wanted and text
 * where not. The schema's complaint about one reading is what makes schema_check.ts try the next; `undefined`
 * stands for a key that is not there.
 */
export interface Readings {
  readonly path: Path;
  readonly values: readonly unknown[];
  current: number;
  /** The variable has no value: what the schema says about the place-holder is not the file's fault. */
  readonly unset: boolean;
}

export class YamlDocument {
  /** Maps, lists and scalars; `undefined` when the file is empty or broken. */
  value: unknown;
  readonly problems: Problem[] = [];
  /** Variables without a value and the like, with where they stand. */
  readonly faults: (VariableFault & { readonly path: Path })[] = [];
  readonly filledIn: FilledIn[] = [];
  readonly readings: Map<string, Readings> = new Map();
  readonly #written = new Map<string, string>();
  readonly #keys = new Map<string, number>();
  readonly #values = new Map<string, number>();
  readonly #lines: LineCounter = new LineCounter();
  readonly #document: ReturnType<typeof parseDocument>;
  readonly #variables: VariableSources;
  #nodes = 0;
  /** Maps and lists around the node that is being converted. */
  readonly #open = new Set<Node>();
  /** Values that `mask` hides besides those of variables. */
  readonly #hidden = new Set<string>();

  constructor(readonly file: string, text: string, variables: VariableSources) {
    const document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false, // looked at below, where both places are known
      strict: true,
      resolveKnownTags: false, // tags of YAML 1.1 make dates, sets and bytes, which no key takes
    });
    this.#document = document;
    this.#variables = variables;
    let lastLine = 0;
    for (const error of document.errors) {
      const place = this.#placeAt(error.pos[0]);
      // The parser stumbles several times over one mistake.
      if (place.line === lastLine) continue;
      lastLine = place.line;
      const line = text.split("\n")[place.line - 1] ?? "";
      this.#problem(error.pos[0], [], syntaxMessage(error.code, error.message), syntaxHint(error.code, line));
    }
    for (const warning of document.warnings) {
      const message = warning.code === "TAG_RESOLVE_FAILED" ? "Unknown YAML tag" : warning.message;
      this.#problem(warning.pos[0], [], message, "Leave the tag out, or put the text in quotes");
    }
    if (document.errors.length === 0 && document.contents !== null) {
      this.value = this.#convert(document.contents, [], 0);
    }
  }

  /** Where the value at `path` stands; `onKey`: its key. What is not in the file is looked up at what holds it. */
  place(path: Path, onKey = false): Place {
    for (let i = path.length; i >= 0; i--) {
      const key = keyOf(path.slice(0, i));
      const missing = i < path.length;
      const offset = onKey || missing
        ? this.#keys.get(key) ?? this.#values.get(key)
        : this.#values.get(key) ?? this.#keys.get(key);
      if (offset !== undefined) return this.#placeAt(offset);
    }
    return { file: this.file, line: 1, column: 1 };
  }

  /** What may be printed for the value at `path`: the text in quotes; as it was written where a variable gave it. */
  show(path: Path): string {
    const written = this.#written.get(keyOf(path));
    return written !== undefined ? `"${written}"` : JSON.stringify(this.at(path)) ?? "nothing";
  }

  /** The value at `path`, or undefined. */
  at(path: Path): unknown {
    return valueAt(this.value, path);
  }

  /** The keys and values of a top-level map; none when it is no map. */
  entries(section: string): [string, unknown][] {
    const value = this.at([section]);
    return isMap(value) ? Object.entries(value) : [];
  }

  /** Is there a variable in the value at `path`? */
  isFilledIn(path: Path): boolean {
    return this.#written.has(keyOf(path));
  }

  /** Is the value at `path` only a place-holder, since a variable in it has no value? */
  isUnset(path: Path): boolean {
    return this.readings.get(keyOf(path))?.unset === true;
  }

  /** Takes the next way to read a value; false when there is none. */
  readOn(readings: Readings): boolean {
    if (readings.current + 1 >= readings.values.length) return false;
    const value = readings.values[++readings.current];
    const holder = this.at(readings.path.slice(0, -1)) as Record<string | number, unknown> | undefined;
    const key = readings.path.at(-1);
    if (holder === undefined || key === undefined) return false;
    if (value === undefined) delete holder[key];
    else holder[key] = value;
    return true;
  }

  /** From now on, `mask` hides these too. */
  hide(values: Iterable<string>): void {
    for (const value of values) if (value !== "") this.#hidden.add(value);
  }

  /** `text` without the values of variables and hidden ones, for messages that other code has worded. */
  mask(text: string): string {
    const labels = new Map<string, string>();
    for (const value of this.#hidden) labels.set(value, "***");
    for (const { value, label } of this.filledIn) labels.set(value, label);
    const pieces: { text: string; final: boolean }[] = [{ text, final: false }];
    for (const [value, label] of [...labels].toSorted(([a], [b]) => b.length - a.length)) {
      if (value === "") continue;
      // A short value (`1`, `on`) is a part of many words: only the whole word is it.
      const escaped = value.replaceAll(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
      const pattern = value.length >= 4 ? escaped : `(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`;
      for (let i = pieces.length - 1; i >= 0; i--) {
        if (pieces[i].final) continue;
        const parts = pieces[i].text.split(new RegExp(pattern, "u"));
        const replaced = parts.flatMap((part, n) =>
          n === 0
            ? [{ text: part, final: false }]
            : [{ text: label, final: true }, { text: part, final: false }]
        );
        pieces.splice(i, 1, ...replaced);
      }
    }
    return pieces.map((piece) => piece.text).join("");
  }

  /** @param holder where the key or list stands that holds the node, for nodes without a place of their own */
  #convert(node: unknown, path: Path, holder: number): unknown {
    if (++this.#nodes > MAX_NODES) {
      const message = `The file holds more than ${MAX_NODES} values once its aliases are resolved`;
      if (this.#nodes === MAX_NODES + 1) this.#problem(holder, path, message);
      return undefined;
    }
    if (isAlias(node)) {
      const target = this.#resolve(node, path);
      return target === undefined ? undefined : this.#convert(target, path, holder);
    }
    this.#values.set(keyOf(path), offsetOf(node, holder));
    if (isScalar(node)) return this.#scalar(node, path);
    if (!isMapNode(node) && !isSeq(node)) return null;
    this.#open.add(node);
    const value = isMapNode(node)
      ? this.#map(node, path, holder)
      : node.items.map((item, i) => this.#convert(item, [...path, i], offsetOf(item, holder)));
    this.#open.delete(node);
    return value;
  }

  #map(node: YAMLMap, path: Path, holder: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    const merges: Pair[] = [];
    for (const pair of node.items) {
      const at = offsetOf(pair.key, holder);
      const key = keyText(pair.key);
      if (key === undefined) {
        this.#problem(
          at,
          path,
          "A key must be a plain name",
          'Put it in quotes if it is meant as text: "key": …',
        );
      } else if (key === "<<" && (pair.key as Scalar).type === Scalar.PLAIN) {
        merges.push(pair);
      } else if (Object.hasOwn(map, key)) {
        const first = this.#placeAt(this.#keys.get(keyOf([...path, key])) ?? at).line;
        const message = `Key "${key}" is already given in line ${first}`;
        this.#problem(at, [...path, key], message, "Remove one of the two");
      } else {
        this.#keys.set(keyOf([...path, key]), at);
        map[key] = this.#convert(pair.value, [...path, key], at);
      }
    }
    // What the map says itself wins, then the first of several: https://yaml.org/type/merge.html
    for (const { key, value } of merges) {
      const at = offsetOf(key, holder);
      for (const one of isSeq(value) ? value.items : [value]) this.#merge(map, one, path, at);
    }
    return map;
  }

  #merge(map: Record<string, unknown>, from: unknown, path: Path, holder: number): void {
    const source = isAlias(from) ? this.#resolve(from, path) : from;
    if (source === undefined) return;
    if (!isMapNode(source)) {
      this.#problem(holder, path, '"<<" merges maps only', 'Give it the alias of a map: "<<: *name"');
      return;
    }
    for (const pair of source.items) {
      const key = keyText(pair.key);
      if (key === undefined || Object.hasOwn(map, key)) continue;
      const at = offsetOf(pair.key, holder);
      if (key === "<<") {
        this.#merge(map, pair.value, path, at);
        continue;
      }
      this.#keys.set(keyOf([...path, key]), at);
      map[key] = this.#convert(pair.value, [...path, key], at);
    }
  }

  #scalar(node: Scalar, path: Path): unknown {
    const source = node.source ?? "";
    if (typeof node.value === "number" && node.type === Scalar.PLAIN && !Number.isSafeInteger(node.value)) {
      const value = coreTyped(source);
      // A 64-bit integer: exact as bigint, or as its digits where text is wanted.
      if (typeof value === "bigint") this.#readings(path, [value, source], false);
      return value;
    }
    if (typeof node.value !== "string" || !node.value.includes("${")) return node.value;
    const expanded = expandVariables(node.value, this.#variables);
    this.filledIn.push(...expanded.filledIn);
    this.faults.push(...expanded.faults.map((fault) => ({ ...fault, path })));
    if (expanded.filledIn.length > 0 || expanded.faults.length > 0) {
      this.#written.set(keyOf(path), node.value);
    }
    if (expanded.faults.length > 0) return this.#readings(path, [node.value, undefined, 1, true], true);
    if (!expanded.single) return expanded.text;
    const typed = coreTyped(expanded.text);
    if (typed === expanded.text) return expanded.text;
    const plain = node.type === Scalar.PLAIN && node.tag === undefined;
    return this.#readings(path, plain ? [typed, expanded.text] : [expanded.text, typed], false);
  }

  #readings(path: Path, values: readonly unknown[], unset: boolean): unknown {
    this.readings.set(keyOf(path), { path, values, current: 0, unset });
    return values[0];
  }

  #resolve(alias: Alias, path: Path): Node | undefined {
    const at = offsetOf(alias, 0);
    const target = alias.resolve(this.#document);
    // The name is not printed: it may be a password that starts with an asterisk.
    if (target === undefined) {
      this.#problem(
        at,
        path,
        "No anchor of this name stands before the alias",
        "Text that starts with * needs quotes",
      );
    } else if (this.#open.has(target)) {
      this.#problem(at, path, "The alias stands inside what it refers to");
    } else {
      return target;
    }
  }

  #problem(offset: number, path: Path, message: string, hint?: string): void {
    this.problems.push({ ...this.#placeAt(offset), severity: "error", message, hint, path: pathText(path) });
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** The value at `path` of a tree of plain values, or undefined. */
export function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** A map of the tree, as its values are after reading. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/** The text of a key; undefined where it is none, or one that JavaScript keeps for itself. */
function keyText(key: unknown): string | undefined {
  if (!isScalar(key) || key.value === "__proto__") return undefined;
  if (typeof key.value === "string") return key.value;
  return key.source !== undefined && key.source !== "" ? key.source : undefined;
}

/** Where a node starts; an empty one, as in `host:`, is looked for at what holds it. */
function offsetOf(node: unknown, holder: number): number {
  const range = (node as Node | null)?.range;
  return range && (range[1] > range[0]) ? range[0] : holder;
}

/** The parser quotes what it found; that may be a piece of a password. */
function syntaxMessage(code: string, message: string): string {
  if (code === "MULTIPLE_DOCS") return "The file holds several YAML documents";
  if (code === "TAB_AS_INDENT") return "A tab is used as indentation";
  if (code === "BLOCK_AS_IMPLICIT_KEY") return 'A second ": " in one line: a map can\'t start here';
  return message.replace(/ in YAML stream:.*$/s, "").replace(/^(Invalid escape sequence).*$/s, "$1");
}

function syntaxHint(code: string, line: string): string | undefined {
  if (line.includes("${") && !/["']/.test(line)) {
    return 'A ${…} inside { } or [ ], or one that holds ": " or " #", needs quotes: "${NAME}"';
  }
  if (code === "MULTIPLE_DOCS") return "Remove the lines that hold only ---, or use one file for each";
  if (code === "TAB_AS_INDENT") return "Indent with spaces";
  if (code === "BLOCK_AS_IMPLICIT_KEY") {
    return 'Put a text that holds ": " in quotes, and check the indentation';
  }
  if (code === "BAD_SCALAR_START") return "Put the text in quotes";
}
