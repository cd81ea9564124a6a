/** Renames and filters of a config, ready to be asked: which name a top-level field gets, and what lies deeper. */
import { compileRegex } from "../../formats/data/regex.ts";
import { type FieldPath, isPattern, newName, parsePath, type Segment } from "../_shared/paths.ts";
import type { ReplaceFieldConfig } from "./definition.ts";

/** A rename that is more than a new name of a top-level field. */
export interface Move {
  readonly from: FieldPath;
  readonly to: FieldPath;
}

export interface Naming {
  /** The new name of a top-level field; the same where it isn't renamed. */
  readonly rename: (name: string) => string;
  readonly moves: readonly Move[];
  /** Whether include and exclude let a top-level field stay, at least a part of it. */
  readonly keeps: (name: string) => boolean;
  /** Paths into fields that go. */
  readonly removed: readonly FieldPath[];
  /** The parts of a field that stay; undefined: all of it. */
  readonly keptParts: ((name: string) => readonly (readonly Segment[])[] | undefined) | undefined;
}

export function namingOf({ renames, include, exclude, ignore_case: ignoreCase }: ReplaceFieldConfig): Naming {
  const parse = (text: string) => parsePath(text, { ignoreCase });
  const list = Array.isArray(renames) ? renames : Object.entries(renames).map(([from, to]) => ({ from, to }));
  const rules: ((name: string) => string | undefined)[] = [];
  const moves: Move[] = [];
  for (const one of list) {
    if ("match" in one) {
      rules.push(expressionRule(one.match, one.to, ignoreCase));
      continue;
    }
    const from = parse(one.from), to = parsePath(one.to);
    const name = newName(to);
    if (name !== undefined) {
      // Dots and all, where a field is called that.
      rules.push((other) => isWhole(from, other) ? name : undefined);
    }
    if (name === undefined || from.segments.length > 1) moves.push({ from, to });
  }
  const included = include.map(parse), excluded = exclude.map(parse);
  const deep = included.filter(({ segments }) => segments.length > 1);
  return {
    rename(name) {
      for (const rule of rules) {
        const renamed = rule(name);
        if (renamed !== undefined) return renamed;
      }
      return name;
    },
    moves,
    keeps: (name) =>
      (included.length === 0 ||
        included.some((path) => isWhole(path, name) || fits(path.segments[0], name))) &&
      !excluded.some((path) => isWhole(path, name)),
    removed: excluded.filter(({ segments }) => segments.length > 1),
    keptParts: deep.length === 0 ? undefined : (name) => {
      if (included.some((path) => isWhole(path, name))) return undefined;
      return deep.filter(({ segments }) => fits(segments[0], name)).map(({ segments }) => segments.slice(1));
    },
  };
}

function fits({ name, test }: Segment, other: string): boolean {
  return test ? test(other) : name === other;
}

/** Is the whole field meant, not something in it? */
function isWhole(path: FieldPath, name: string): boolean {
  return path.segments.length === 1 ? fits(path.segments[0], name) : path.text === name && !isPattern(path);
}

function expressionRule(
  match: string,
  to: string,
  ignoreCase: boolean,
): (name: string) => string | undefined {
  const expression = compileRegex(match, { ignoreCase });
  return (name) => expression.test(name) ? name.replace(expression, to) || name : undefined;
}
