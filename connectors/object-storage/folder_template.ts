/**
 * `lake/{stream}` and a partitioning → the folder of a record. Folders depend on what the record says, its table, its
 * columns and the time of its change, and never on when it is written: a record that comes again goes to the same.
 */
import type { Batch } from "../contract.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Row } from "../../formats/data/value.ts";
import { safeName } from "./safe_name.ts";

/** What a placeholder stands for. Dates are UTC. */
export const PLACEHOLDERS: Readonly<Record<string, string>> = {
  database: "the database",
  namespace: "the schema; MySQL: the database",
  schema: "the same as {namespace}",
  stream: "the table, topic or queue",
  table: "the same as {stream}",
  topic: "the topic that routing decided on, otherwise namespace.stream",
  pipeline: "the pipeline's name",
  yyyy: "year of the change",
  MM: "month of the change, 01 to 12",
  dd: "day of the change, 01 to 31",
  HH: "hour of the change, 00 to 23",
  "field:NAME": "the record's column NAME",
};

/** The partitionings that have a name, and what they stand for. */
export const PARTITIONINGS: Readonly<Record<string, string>> = {
  none: "",
  stream: "{topic}",
  day: "year={yyyy}/month={MM}/day={dd}",
  hour: "year={yyyy}/month={MM}/day={dd}/hour={HH}",
};

const DATE_PARTS = ["yyyy", "MM", "dd", "HH"];
const FIELD = "field:";
const MICROS_PER_HOUR = 3_600_000_000n;
const MS_PER_HOUR = 3_600_000;
/** What Hive, Spark and DuckDB take for NULL in a folder's name. */
const NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__";
/** Streams and their folders that are remembered. */
const MAX_KNOWN = 10_000;

type Segment = { readonly kind: "text" | "name" | "field"; readonly value: string };

/** What is wrong with a template, in a sentence; undefined when it is right. */
export function templateProblem(template: string): string | undefined {
  for (const [, name] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (name.startsWith(FIELD) ? name.length === FIELD.length : !(name in PLACEHOLDERS)) {
      const known = Object.keys(PLACEHOLDERS).map((one) => `{${one}}`).join(", ");
      return `There is no placeholder "{${name}}": use ${known}`;
    }
  }
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, ""))) return `"${template}" has an unmatched brace`;
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
    this.#hasDate = names.some(({ kind, value }) => kind === "name" && DATE_PARTS.includes(value));
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
        : date?.[value] ?? safeName(this.#nameOf(value, stream))
    ).join("");
  }

  #nameOf(placeholder: string, stream: Stream | undefined): string {
    switch (placeholder) {
      case "pipeline":
        return this.#pipeline;
      case "database":
        return stream?.database ?? "";
      case "namespace":
      case "schema":
        return stream?.namespace ?? "";
      case "topic":
        return stream?.topic ?? qualifiedName(stream!);
      default:
        return stream?.name ?? "";
    }
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

/** Hours since 1970 of a time in microseconds. */
function hourOf(timeMicros: bigint): number {
  // Division rounds towards zero, which is the wrong hour before 1970.
  const hour = Number(timeMicros / MICROS_PER_HOUR);
  return timeMicros < 0n && BigInt(hour) * MICROS_PER_HOUR !== timeMicros ? hour - 1 : hour;
}

function dateParts(hour: number): Record<string, string> {
  const text = new Date(hour * MS_PER_HOUR).toISOString();
  const [, yyyy, MM, dd, HH] = /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(text)!;
  return { yyyy, MM, dd, HH };
}
