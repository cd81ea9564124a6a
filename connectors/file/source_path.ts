/**
 * `in/*.jsonl`, `in/**`, `in/`: which files a source reads, and the folder that it has rights to.
 * The connector's definition and source_files.ts use it.
 */
import { posix } from "node:path";

/** What `path` of a source says. */
export interface SourcePath {
  /** The folder that all its files lie in. */
  readonly base: string;
  /**
   * Whether a path below `base` is one of them. Undefined: `path` names one file or one folder, which only the disk can
   * tell.
   */
  readonly matches: ((relative: string) => boolean) | undefined;
  /** The path without a slash at its end. */
  readonly path: string;
  /** Whether folders below `base` count, too. */
  readonly isDeep: boolean;
}

/** What is wrong with the path of a source, in a sentence; undefined when it is right. */
export function sourcePathProblem(path: string): string | undefined {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) return "The path has a control character";
  if (/[{}]/.test(path)) return `"${path}" has braces: a source knows *, ** and ? only, and no placeholders`;
  const { base, path: whole } = parseSourcePath(path);
  if (base === "/" || whole === "/") {
    return `"${path}" lies right below "/": give the files a folder of their own`;
  }
  if (path.slice(path.search(/[*?]|$/)).split("/").includes("..")) {
    return `"${path}" has ".." behind a * or ?`;
  }
  return undefined;
}

/** @param path one that `sourcePathProblem` finds nothing wrong with */
export function parseSourcePath(path: string): SourcePath {
  const normal = posix.normalize(path);
  const whole = normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
  const segments = whole.split("/");
  const first = segments.findIndex((segment) => /[*?]/.test(segment));
  if (first >= 0) {
    const base = segments.slice(0, first).join("/") || (whole.startsWith("/") ? "/" : ".");
    const pattern = segments.slice(first);
    return {
      base,
      path: whole,
      matches: globTest(pattern),
      isDeep: pattern.length > 1 || pattern[0] === "**",
    };
  }
  return {
    base: looksLikeFile(normal) ? folderOf(whole) : whole,
    path: whole,
    matches: undefined,
    isDeep: false,
  };
}

/** Without asking the disk: a name with a dot in it is a file's. */
function looksLikeFile(path: string): boolean {
  return !path.endsWith("/") && /[^.].*\./.test(posix.basename(path));
}

/** The folder of a file, `.` where none is named. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** `*` and `?` stand for characters of one name, `**` for any number of folders; names with a dot in front are hidden. */
function globTest(pattern: readonly string[]): (relative: string) => boolean {
  const parts = pattern.map((segment, i) => {
    const isLast = i === pattern.length - 1;
    if (segment === "**") return isLast ? "(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+" : "(?:(?!\\.)[^/]+/)*";
    const text = segment.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll(
      "?",
      "[^/]",
    );
    return `${/^[*?]/.test(segment) ? "(?!\\.)" : ""}${text}${isLast ? "" : "/"}`;
  });
  const regex = new RegExp(`^${parts.join("")}$`, "u");
  return (relative) => regex.test(relative);
}
