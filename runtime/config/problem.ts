/**
 * What is wrong with a pipeline file, and where. config.ts and plan.ts find problems, all of a file at once; the
 * commands print them as `file:line:column: message`, with the hint below.
 */

/** Where something stands in the file's tree: `["sources", "shop", "config", "port"]`. */
export type Path = readonly (string | number)[];

/** A place in a file; line and column count from 1, the column in UTF-16 code units. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Place {
  /** A warning keeps nothing from running. */
  readonly severity: "error" | "warning";
  /** What is wrong: capital first letter, no full stop. Holds no secret and no value of a variable. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** The key concerned, as pathText() writes it; empty for the whole file. */
  readonly path: string;
}

/** Takes a problem at a path; the reader of the file knows the line. `onKey`: the key is meant, not its value. */
export type Report = (problem: {
  readonly severity?: "error" | "warning";
  readonly path: Path;
  readonly onKey?: boolean;
  readonly message: string;
  readonly hint?: string;
}) => void;

/** A Report that adds to `problems`; `placeOf` knows the lines. */
export function reporter(problems: Problem[], placeOf: (path: Path, onKey?: boolean) => Place): Report {
  return ({ severity = "error", path, onKey, message, hint }) =>
    problems.push({
      ...placeOf(path, onKey),
      severity,
      message,
      ...(hint === undefined ? {} : { hint }),
      path: pathText(path),
    });
}

/** `sources.shop.streams[0].name`. */
export function pathText(path: Path): string {
  return path.map((step, i) => typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`).join("");
}

/** In the order of the file, each once: what stands behind an anchor is met again at each of its aliases. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems
    .filter(({ line, column, message }) => {
      const key = `${line}:${column}:${message}`;
      return !seen.has(key) && seen.add(key);
    })
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}
