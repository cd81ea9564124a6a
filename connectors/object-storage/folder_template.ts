/**
 * `lake/{stream}` and a partitioning → the folder of a record. Folders depend on what the record says, its table, its
 * columns and the time of its change, and never on when it is written: a record that comes again goes to the same.
 */
import type { Batch } from "../contract.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Row } from "../../formats/data/value.ts";
import {
  DATE_PLACEHOLDERS,
  dateParts,
  hourOf,
  placeholderProblem,
  STREAM_PLACEHOLDERS,
  streamName,
} from "../_files/placeholders.ts";
import { safeName } from "./safe_name.ts";

const FIELD = "field:";

/** What a placeholder stands for. */
export const PLACEHOLDERS: Readonly<Record<string, string>> = {
  ...STREAM_PLACEHOLDERS,
  [`${FIELD}NAME`]: "the record's column NAME",
};

/** The partitionings that have a name, and what they stand for. */
export const PARTITIONINGS: Readonly<Record<string, string>> = {
  none: "",
  stream: "{topic}",
  day: "year={yyyy}/month={MM}/day={dd}",
  hour: "year={yyyy}/month={MM}/day={dd}/hour={HH}",
};

/** What Hive, Spark and DuckDB take for NULL in a folder's name. */
const NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__";
/** Streams and their folders that are remembered. */
const MAX_KNOWN = 10_000;

type Segment = { readonly kind: "text" | "name" | "field"; readonly value: string };

/** What is wrong with a template, in a sentence; undefined when it is right. */
export function templateProblem(template: string): string | undefined {
  const problem = placeholderProblem(
    template,
    Object.keys(PLACEHOLDERS),
    (name) => name.startsWith(FIELD) ? name.length > FIELD.length : Object.hasOwn(STREAM_PLACEHOLDERS, name),
  );
  if (problem) return problem;
  if (template.split("/").some((part) => part === "." || part === "..")) {
    return `"${template}" has a folder "." or ".."`;
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f\\]/.test(template)) return `"${template}" has a backslash or a control character`;
  return undefined;
}

export class FolderTemplate {
  /** True when all records go to one folder. */
  readonly isConstant: boolean;
  readonly #segments: readonly Segment[];
  readonly #hasDate: boolean;
  readonly #hasFields: boolean;
  readonly #pipeline: string;
  readonly #known = new Map<Stream, { hour: number; folder: string }>();

  /**
   * @param prefix a template that `templateProblem` found nothing wrong with
   * @param partitioning another one, or a name of PARTITIONINGS
   */
  constructor(prefix: string, partitioning: string, pipeline: string) {
    const path = [...prefix.split("/"), ...(PARTITIONINGS[partitioning] ?? partitioning).split("/")];
    this.#segments = path.filter(Boolean).join("/").split(/(\{[^{}]*\})/).filter(Boolean).map((part) =>
      !part.startsWith("{")
        ? { kind: "text", value: part }
        : part.startsWith(`{${FIELD}`)
        ? { kind: "field", value: part.slice(1 + FIELD.length, -1) }
        : { kind: "name", value: part.slice(1, -1) }
    );
    const names = this.#segments.filter(({ kind }) => kind !== "text");
    this.isConstant = names.every(({ kind, value }) => kind === "name" && value === "pipeline");
    this.#hasDate = names.some(({ kind, value }) => kind === "name" && DATE_PLACEHOLDERS.includes(value));
    this.#hasFields = names.some(({ kind }) => kind === "field");
    this.#pipeline = pipeline;
  }

  /** The folders of a batch's records, without a slash at either end; asked in order, most answers cost nothing. */
  foldersOf(batch: Batch): (i: number) => string {
    if (this.isConstant) {
      const folder = this.#folder(undefined, 0, undefined);
      return () => folder;
    }
    const times = this.#hasDate ? batch.encoded() : undefined;
    const records = this.#hasFields ? batch.records : undefined;
    let stream: Stream | undefined;
    let time = 0n;
    let folder = "";
    return (i) => {
      const nextStream = batch.stream(i);
      const nextTime = times ? times.columns.timeMicros[times.first + i] : 0n;
      if (records) return this.#folder(nextStream, hourOf(nextTime), records[i]);
      // Records of one transaction have one time.
      if (nextStream === stream && nextTime === time) return folder;
      stream = nextStream;
      time = nextTime;
      return folder = this.#knownFolder(stream, hourOf(time));
    };
  }

  #knownFolder(stream: Stream, hour: number): string {
    const known = this.#known.get(stream);
    if (known?.hour === hour) return known.folder;
    const folder = this.#folder(stream, hour, undefined);
    // Streams are replaced when a table changes; the old ones need not be kept.
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(stream, { hour, folder });
    return folder;
  }

  #folder(stream: Stream | undefined, hour: number, record: DataRecord | undefined): string {
    const date = this.#hasDate ? dateParts(hour) : undefined;
    return this.#segments.map(({ kind, value }) =>
      kind === "text"
        ? value
        : kind === "field"
        ? fieldText(record!, value)
        : date?.[value] ?? safeName(streamName(value, stream, this.#pipeline))
    ).join("");
  }
}

/** A column's value as a folder's name; of a deleted row the one that it had. */
function fieldText({ after, before, key }: DataRecord, name: string): string {
  for (const row of [after, before, key]) {
    if (typeof row !== "object" || row === null || Array.isArray(row) || row instanceof Uint8Array) continue;
    if (!Object.hasOwn(row, name)) continue;
    const value = (row as Row)[name];
    if (value === null) return NULL_FOLDER;
    if (value instanceof Uint8Array) return safeName(value.toHex());
    return safeName(typeof value === "object" ? valueText(value) : String(value));
  }
  return NULL_FOLDER;
}
