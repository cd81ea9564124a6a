/**
 * A text back into the record that it was made of: which of the written layouts it has (envelope.ts writes them), and
 * where in its bytes the parts of the record lie. envelope_reader.ts writes the record.
 */
import { COMMON_SOURCE_MEMBERS } from "./envelope.ts";
import { type Operation, SNAPSHOT_MARKERS, type SnapshotMarker } from "./record.ts";
import { memberSpans, type Spans } from "./json_spans.ts";

type Span = readonly [start: number, end: number];

/** What a recognised value says. Spans are places in its bytes. */
export interface Recognised {
  readonly operation: Operation;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly database: string | undefined;
  /** Undefined where the envelope has no time. */
  readonly timeMicros: bigint | undefined;
  readonly before: Span | undefined;
  readonly after: Span | undefined;
  readonly marker: SnapshotMarker | undefined;
  /** Whether before and after are rows; else any JSON. */
  readonly isRow: boolean;
  /** The members of `source` (or of `metadata`) that are the connector's own, as JSON text with a comma in front. */
  readonly own: string;
}

type Parsed = Readonly<Record<string, unknown>>;

const STANDARD_OPERATIONS: Readonly<Record<string, Operation>> = {
  c: "insert",
  u: "update",
  d: "delete",
  r: "snapshot",
  t: "truncate",
  m: "message",
};

const RIVVEN_OPERATIONS: Readonly<Record<string, Operation>> = {
  record: "record",
  insert: "insert",
  update: "update",
  delete: "delete",
};

const CDC_EVENT_OPERATIONS: Readonly<Record<string, Operation>> = {
  Insert: "insert",
  Update: "update",
  Delete: "delete",
  Snapshot: "snapshot",
  Truncate: "truncate",
};

/** Of `metadata`, what the envelope writes by itself. */
const RIVVEN_MEMBERS: ReadonlySet<string> = new Set(["position", "lane", "source", "sequence", "snapshot"]);
/** Of `source`, what says where the record came from first: kept as `origin`, since these names are the envelope's. */
const ORIGIN_MEMBERS = ["version", "connector", "name", "lane", "order"];

const decoder = new TextDecoder();

/** @param json the value's bytes, valid JSON; `parsed` is what they say. Undefined when it is none of the layouts */
export function recognise(json: Uint8Array, parsed: unknown): Recognised | undefined {
  if (!isObject(parsed)) return undefined;
  if (isObject(parsed.payload) && (isObject(parsed.schema) || parsed.schema === null)) {
    const [start] = memberSpans(json).get("payload")!;
    return standard(json, start, parsed.payload);
  }
  return standard(json, 0, parsed) ?? rivven(json, parsed) ?? cdcEvent(json, parsed);
}

function standard(json: Uint8Array, start: number, { op, source, ...rest }: Parsed): Recognised | undefined {
  const operation = typeof op === "string" ? STANDARD_OPERATIONS[op] : undefined;
  if (operation === undefined || !isObject(source) || typeof source.table !== "string") return undefined;
  if (!("before" in rest || "after" in rest || "message" in rest)) return undefined;
  const spans = memberSpans(json, start);
  const sourceSpans = memberSpans(json, spans.get("source")![0]);
  const database = text(source.db);
  return {
    operation,
    name: source.table,
    // MySQL's namespace is the database, and the envelope does not say it twice.
    namespace: text(source.schema) ??
      (/^(mysql|mariadb)/.test(String(source.connector)) ? database : undefined),
    database,
    timeMicros: microsOf(source.ts_us, 1n) ?? microsOf(source.ts_ms, 1000n),
    before: rest.before == null ? undefined : spans.get("before"),
    after: rest.message !== undefined
      ? spans.get("message")
      : rest.after == null
      ? undefined
      : spans.get("after"),
    marker: markerOf(source.snapshot, operation),
    isRow: true,
    own: membersText(json, sourceSpans, (name) => !COMMON_SOURCE_MEMBERS.has(name) && name !== "origin") +
      originText(json, sourceSpans) +
      (isObject(rest.transaction) ? `,"transaction":${slice(json, spans.get("transaction")!)}` : ""),
  };
}

/** Where the record came from first: what this envelope says, or what an earlier reader has kept. */
function originText(json: Uint8Array, source: Spans): string {
  const kept = source.get("origin");
  if (kept) return `,"origin":${slice(json, kept)}`;
  const members = ORIGIN_MEMBERS.filter((name) => source.has(name))
    .map((name) => `"${name}":${slice(json, source.get(name)!)}`);
  return members.length === 0 ? "" : `,"origin":{${members.join(",")}}`;
}

function rivven(json: Uint8Array, parsed: Parsed): Recognised | undefined {
  const { event_type, stream, namespace, timestamp, metadata, data } = parsed;
  const operation = typeof event_type === "string" ? RIVVEN_OPERATIONS[event_type] : undefined;
  if (operation === undefined || typeof stream !== "string" || !isObject(metadata) || data === undefined) {
    return undefined;
  }
  const spans = memberSpans(json);
  const schema = text(namespace);
  // Upstream writes `public.users` for the stream, beside its namespace.
  const name = schema !== undefined && stream.startsWith(`${schema}.`)
    ? stream.slice(schema.length + 1)
    : stream;
  const members = memberSpans(json, spans.get("metadata")![0]);
  const isSnapshot = operation === "insert" && metadata.snapshot === true;
  const common = {
    operation: isSnapshot ? "snapshot" as const : operation,
    name,
    namespace: schema,
    database: undefined,
    timeMicros: microsOfText(timestamp),
    marker: undefined,
    isRow: operation !== "record" || isObject(data),
    own: membersText(json, members, (name) => !RIVVEN_MEMBERS.has(name)) + rivvenOrigin(json, members),
  };
  const whole = data === null && operation !== "record" ? undefined : spans.get("data");
  if (operation === "delete") return { ...common, before: whole, after: undefined };
  if (operation !== "update") return { ...common, before: undefined, after: whole };
  if (!isObject(data)) return undefined;
  const rows = memberSpans(json, whole![0]);
  return {
    ...common,
    before: data.before == null ? undefined : rows.get("before"),
    after: data.after == null ? undefined : rows.get("after"),
  };
}

/** Of `metadata`, what says where the record came from first, under the names that `source` has for it. */
function rivvenOrigin(json: Uint8Array, metadata: Spans): string {
  const members = [["name", "source"], ["lane", "lane"], ["order", "position"]]
    .flatMap(([name, member]) =>
      metadata.has(member) ? [`"${name}":${slice(json, metadata.get(member)!)}`] : []
    );
  return members.length === 0 ? "" : `,"origin":{${members.join(",")}}`;
}

function cdcEvent(json: Uint8Array, parsed: Parsed): Recognised | undefined {
  const { source_type, database, schema, table, op, before, after, timestamp, transaction } = parsed;
  const operation = typeof op === "string" ? CDC_EVENT_OPERATIONS[op] : undefined;
  if (operation === undefined || typeof source_type !== "string" || typeof table !== "string") {
    return undefined;
  }
  if (before === undefined || after === undefined) return undefined;
  const spans = memberSpans(json);
  return {
    operation,
    name: table,
    namespace: text(schema),
    database: text(database),
    timeMicros: microsOf(timestamp, 1_000_000n),
    before: before === null ? undefined : spans.get("before"),
    after: after === null ? undefined : spans.get("after"),
    marker: undefined,
    isRow: true,
    own: `,"origin":{"connector":${slice(json, spans.get("source_type")!)}}` +
      (isObject(transaction) ? `,"transaction":${slice(json, spans.get("transaction")!)}` : ""),
  };
}

function membersText(json: Uint8Array, spans: Spans, takes: (name: string) => boolean): string {
  let members = "";
  for (const [name, span] of spans) {
    if (takes(name)) members += `,${JSON.stringify(name)}:${slice(json, span)}`;
  }
  return members;
}

/** On one line: inside strings a line break is escaped, so a raw one is white space. */
function slice(json: Uint8Array, [start, end]: Span): string {
  return decoder.decode(json.subarray(start, end)).replace(/[\r\n]/g, " ");
}

function markerOf(snapshot: unknown, operation: Operation): SnapshotMarker | undefined {
  const usual = operation === "snapshot" ? "true" : "false";
  return snapshot === usual ? undefined : SNAPSHOT_MARKERS.find((marker) => marker === snapshot);
}

function isObject(value: unknown): value is Parsed {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function microsOf(value: unknown, factor: bigint): bigint | undefined {
  return Number.isSafeInteger(value) ? BigInt(value as number) * factor : undefined;
}

/** RFC 3339 with up to nine digits; what is behind the sixth is cut. */
export function microsOfText(value: unknown): bigint | undefined {
  if (typeof value !== "string") return undefined;
  const [, seconds, digits = "", zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/
    .exec(value) ?? [];
  const millis = seconds === undefined ? NaN : Date.parse(seconds + zone);
  return Number.isNaN(millis)
    ? undefined
    : BigInt(millis) * 1000n + BigInt(digits.padEnd(6, "0").slice(0, 6));
}
