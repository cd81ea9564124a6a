/**
 * `./out/{namespace}.{stream}/{yyyy}-{MM}-{dd}.jsonl` → the file of a record. Whatever a table is called, the file
 * lies below the folder that stands before the first placeholder: the only one the sink has rights to.
 */
import { posix } from "node:path";
import type { Stream } from "../../formats/data/stream.ts";
import {
  DATE_PLACEHOLDERS,
  dateParts,
  percent,
  placeholderProblem,
  shortened,
  STREAM_PLACEHOLDERS,
  streamName,
} from "../_files/placeholders.ts";

/** Most bytes of one name in a path: a file name may have 255 (POSIX NAME_MAX), of several names. */
const MAX_NAME_BYTES = 80;

type Segment = { readonly kind: "text" | "name"; readonly value: string };

/**
 * The folder before the first placeholder, to which the sink has rights: `out` of `./out/{stream}.jsonl`, `.` of
 * `orders.jsonl`.
 */
export function baseFolder(template: string): string {
  const normal = posix.normalize(template);
  const brace = normal.indexOf("{");
  const fixed = brace < 0 ? normal : normal.slice(0, brace);
  const slash = fixed.lastIndexOf("/");
  return slash < 0 ? "." : fixed.slice(0, slash) || "/";
}

/** What is wrong with a template, in a sentence; undefined when it is right. */
export function templateProblem(template: string): string | undefined {
  const base = baseFolder(template);
  if (base === "/") return `"${template}" lies right below "/": give the files a folder of their own`;
  if (template.endsWith("/")) return `"${template}" names a folder: add a file name, such as {stream}.jsonl`;
  const problem = placeholderProblem(template, Object.keys(STREAM_PLACEHOLDERS));
  if (problem) return problem;
  const brace = template.indexOf("{");
  if (brace >= 0 && template.slice(brace).split("/").includes("..")) {
    return `"${template}" has ".." behind a placeholder`;
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(template)) return "The path has a control character";
  return undefined;
}

export class PathTemplate {
  readonly base: string;
  /** True when all records go to one path. */
  readonly isConstant: boolean;
  readonly hasDate: boolean;
  readonly #segments: readonly Segment[];
  readonly #pipeline: string;
  readonly #paths = new Map<Stream, { hour: number; path: string }>();

  /** @param template one that `templateProblem` found nothing wrong with */
  constructor(template: string, pipeline: string) {
    this.base = baseFolder(template);
    // One file has one name, however its path is spelt: lengths are saved under it.
    this.#segments = posix.normalize(template).split(/(\{[^{}]*\})/).filter(Boolean).map((part) =>
      part.startsWith("{") ? { kind: "name", value: part.slice(1, -1) } : { kind: "text", value: part }
    );
    const names = this.#segments.filter(({ kind }) => kind === "name").map(({ value }) => value);
    this.#pipeline = pipeline;
    this.isConstant = names.every((name) => name === "pipeline");
    this.hasDate = names.some((name) => DATE_PLACEHOLDERS.includes(name));
  }

  /** The path of a record of `stream` whose change was in `hour` (`hourOf`; any number where `hasDate` is false). */
  pathOf(stream: Stream, hour: number): string {
    const known = this.#paths.get(stream);
    if (known?.hour === hour) return known.path;
    const date = this.hasDate ? dateParts(hour) : undefined;
    const path = this.#segments.map(({ kind, value }) =>
      kind === "text" ? value : date?.[value] ?? safeName(streamName(value, stream, this.#pipeline))
    ).join("");
    // Streams are replaced when a table changes; the old ones need not be kept.
    if (this.#paths.size >= 10_000) this.#paths.clear();
    this.#paths.set(stream, { hour, path });
    return path;
  }
}

/**
 * A name of the source's as a part of a path, different for different names: what could leave the folder or is not
 * allowed in file names is written as `%2F`, a missing name as `_`.
 */
export function safeName(name: string): string {
  if (name === "") return "_";
  // deno-lint-ignore no-control-regex
  let safe = name.replace(/[\x00-\x1f\x7f/\\:*?"<>|%{}]/g, percent).replace(/^[. ]|[. ]$/g, percent);
  // Lone surrogates have no UTF-8 of their own.
  safe = safe.toWellFormed();
  return shortened(safe, name, MAX_NAME_BYTES);
}
