/**
 * One part of the pipeline file against its zod schema: every complaint becomes a problem with a line, in our words.
 * config.ts calls it for the file itself and for each connector's config.
 */
import type { z } from "zod";
import { descriptionAt, isSecretAt, jsonSchemaOf, keysAt } from "./json_schema.ts";
import type { Path, Report } from "./problem.ts";
import { didYouMean } from "./suggest.ts";
import { keyOf, type Readings, valueAt, type YamlDocument } from "./yaml_document.ts";

type Issue = z.core.$ZodIssue;

export interface CheckOptions<T> {
  readonly schema: z.ZodType<T>;
  /** Where the part stands in the file. */
  readonly at: Path;
  readonly report: Report;
  /** Unknown keys are reported as warnings and left out. */
  readonly allowUnknownKeys: boolean;
  /** What becomes of the part before the schema sees it; gets a copy. */
  readonly prepare?: (part: unknown) => unknown;
  /** A better hint for an unknown key: where it belongs. */
  readonly hintForKey?: (key: string, path: Path) => string | undefined;
}

/**
 * The part at `options.at`, validated, or undefined when it has an error or a variable without a value. Tries the
 * other readings of a value where the schema refuses the first. All problems are reported at once; those of
 * refinements that need the whole part come with them unless a type is wrong.
 */
export function checkPart<T>(document: YamlDocument, options: CheckOptions<T>): T | undefined {
  const { schema, at, report } = options;
  const json = () => jsonSchemaOf(schema); // takes a while, and a good file needs it not
  const unknown: Path[] = [];
  for (;;) {
    const prepared = (options.prepare ?? ((part) => part))(structuredClone(document.at(at)));
    for (const path of unknown) remove(prepared, path);
    const result = schema.safeParse(prepared);
    const issues = result.success ? [] : result.error.issues.flatMap((issue) => flatten(issue, [], prepared));

    const more = issues.flatMap((issue) =>
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key] as Path) : []
    ).filter((path) => remove(prepared, path));
    if (more.length > 0) {
      for (const path of more) reportUnknownKey(path);
      unknown.push(...more);
      continue;
    }
    const readOn = issues.map((issue) => readingsFor(issue, prepared)).filter((one) => one !== undefined);
    // One step at a time: a value may have cured what the next issue complains about.
    if (readOn.some((one) => document.readOn(one))) continue;

    if (result.success) return unknown.length === 0 || options.allowUnknownKeys ? result.data : undefined;
    for (const issue of issues) {
      const path = [...at, ...issue.path] as Path;
      // A rule over several keys can't be judged while one of them has no value.
      if (document.isUnset(path) || (issue.code === "custom" && holdsUnset())) continue;
      const { message, hint } = describe(issue, prepared);
      report({ path, onKey: issue.code === "invalid_key", message, hint });
    }
    return undefined;
  }

  function reportUnknownKey(path: Path): void {
    const key = String(path.at(-1));
    const keys = keysAt(json(), path.slice(0, -1));
    const hint = options.hintForKey?.(key, path) ??
      didYouMean(key, keys, "Known here are") ?? "Remove it; this map has no keys";
    const severity = options.allowUnknownKeys ? "warning" : "error";
    report({ severity, path: [...at, ...path], onKey: true, message: `Unknown key "${key}"`, hint });
  }

  /** The readings of the value that the issue is about, when another reading may please the schema. */
  function readingsFor(issue: Issue, prepared: unknown): Readings | undefined {
    const path = [...at, ...issue.path] as Path;
    const here = document.readings.get(keyOf(path));
    const isType = issue.code === "invalid_type" || issue.code === "invalid_value" ||
      issue.code === "invalid_union";
    if (here !== undefined) {
      return (isType || here.unset) && here.current + 1 < here.values.length ? here : undefined;
    }
    if (!isType) return undefined;
    // `prepare` may have moved it here from another key: then it has the same value and its own place is empty.
    const value = valueAt(prepared, issue.path as Path);
    return [...document.readings.values()].find((one) =>
      at.every((step, i) => one.path[i] === step) && one.current + 1 < one.values.length &&
      Object.is(one.values[one.current], value) &&
      valueAt(prepared, one.path.slice(at.length)) === undefined
    );
  }

  function holdsUnset(): boolean {
    return [...document.readings.values()].some((one) =>
      one.unset && at.every((step, i) => one.path[i] === step)
    );
  }

  function describe(issue: Issue, prepared: unknown): { message: string; hint?: string } {
    const path = issue.path as Path;
    const label = labelOf([...at, ...path]);
    const value = valueAt(prepared, path);
    const described = descriptionAt(json(), path);
    switch (issue.code) {
      case "invalid_type":
        if (value === undefined) return { message: `Missing key ${label}`, hint: described };
        if (value === null) return { message: `${label} has no value`, hint: described };
        return {
          message: `${label} must be ${joined(wanted(issue))}, not ${kindOf(value)}`,
          hint: described,
        };
      case "invalid_value":
        // A message of the schema's own knows more than that it is none of them.
        if (!issue.message.startsWith("Invalid ")) {
          return { message: wordsOf(issue.message), hint: described };
        }
        return describeChoice(issue.values.map(String), label, path, value, described);
      case "invalid_union": {
        if (value === undefined) return { message: `Missing key ${label}`, hint: described };
        const { options: choices } = issue as { options?: readonly unknown[] };
        if (choices !== undefined) return describeChoice(choices.map(String), label, path, value, described);
        const kinds = new Set(issue.errors.flat().flatMap(wanted));
        const message = kinds.size > 0 ? `${label} must be ${joined([...kinds])}` : `${label} is not valid`;
        return { message, hint: described };
      }
      case "too_small":
      case "too_big": {
        const small = issue.code === "too_small";
        const limit = small ? issue.minimum : issue.maximum;
        const bound = issue.inclusive === false
          ? (small ? "more than" : "less than")
          : small
          ? "at least"
          : "at most";
        const unit = issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : "";
        if (small && unit !== "" && Number(limit) === 1) {
          return { message: `${label} must not be empty`, hint: described };
        }
        return {
          message: `${label} must ${unit === "" ? "be" : "have"} ${bound} ${limit}${unit}`,
          hint: described,
        };
      }
      case "invalid_format":
        return { message: `${label}: ${document.mask(wordsOf(issue.message))}`, hint: described };
      case "invalid_key":
        return { message: `Name ${label}: ${wordsOf(issue.issues[0]?.message ?? issue.message)}` };
      case "custom":
        return {
          message: document.mask(wordsOf(issue.message, label)),
          hint: issue.params?.hint ?? described,
        };
      default:
        return { message: `${label}: ${document.mask(wordsOf(issue.message))}`, hint: described };
    }
  }

  function describeChoice(
    choices: readonly string[],
    label: string,
    path: Path,
    value: unknown,
    described: string | undefined,
  ): { message: string; hint?: string } {
    if (value === undefined) return { message: `Missing key ${label}`, hint: described };
    const message = `${label} must be ${choices.length > 1 ? "one of " : ""}${choices.join(", ")}`;
    if (!mayShow(path, value)) return { message, hint: described };
    return {
      message: `${message}, not ${JSON.stringify(value)}`,
      hint: didYouMean(String(value), choices) ?? described,
    };
  }

  /** May a message hold this value? Only if it stands in the file itself and is no secret. */
  function mayShow(path: Path, value: unknown): boolean {
    return typeof value !== "object" && !document.isFilledIn([...at, ...path]) &&
      document.at([...at, ...path]) === value &&
      !isSecretAt(json(), path);
  }
}

/** Replaces a union's complaint by those of the branch that was probably meant. */
function flatten(issue: Issue, base: Path, root: unknown): Issue[] {
  const path = [...base, ...issue.path as Path];
  const here = { ...issue, path: [...path] } as Issue;
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [here];
  // A branch that refuses the value as a whole was not meant.
  const meant = issue.errors.filter((branch) =>
    !branch.some((inner) => inner.path.length === 0 && inner.code !== "unrecognized_keys")
  );
  if (meant.length === 0) {
    const wholes = issue.errors.flat().filter((inner) => inner.path.length === 0);
    const isKind = (inner: { code: string }) =>
      inner.code === "invalid_type" || inner.code === "invalid_value";
    const named = wholes.filter(isKind);
    // The type fits one branch, and that one says more than the kinds do.
    const exact = wholes.filter((inner) => !isKind(inner));
    if (exact.length === 1) return flatten(exact[0] as Issue, path, root);
    return [{ ...here, errors: [named] } as Issue];
  }
  const best = meant.toSorted((a, b) => a.length - b.length)[0];
  return best.flatMap((inner) => flatten(inner as Issue, path, root));
}

/** What the schema would take instead, in words. */
function wanted(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  const expected = String((issue as { expected?: unknown }).expected ?? "something else");
  const words: Record<string, string> = {
    string: "text",
    number: "a number",
    int: "a whole number",
    bigint: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a map of keys and values",
    record: "a map of keys and values",
    null: "empty",
  };
  return [words[expected] ?? expected];
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : "a fraction";
  const words: Record<string, string> = {
    string: "text",
    bigint: "a number too large to be exact",
    boolean: "true or false",
    object: "a map of keys and values",
  };
  return words[typeof value] ?? typeof value;
}

function labelOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return "The file";
  return typeof last === "number" ? `Entry ${last + 1} of "${path.at(-2)}"` : `"${last}"`;
}

/** zod's own "Invalid …" reads badly behind a label; a connector's words are taken as they are. */
function wordsOf(message: string, label = "The value"): string {
  return message === "Invalid input" ? `${label} is not valid` : message;
}

function joined(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** Removes a key from a tree of plain values; false when it isn't there. */
function remove(tree: unknown, path: Path): boolean {
  const holder = valueAt(tree, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof holder !== "object" || holder === null || key === undefined || !Object.hasOwn(holder, key)) {
    return false;
  }
  return delete (holder as Record<string | number, unknown>)[key];
}
