/**
 * The worker that a user's function runs in. It has no rights at all: its code arrives as a data: URL, so that not even
 * the file it came from can be read. `serve` below is the worker's own part of that code, as text.
 */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";

/** A record as the function sees it. */
export interface UserRecord {
  readonly stream: Pick<Stream, "name" | "namespace" | "database" | "topic" | "key">;
  readonly operation: DataRecord["operation"];
  readonly key?: Row | Uint8Array;
  readonly before?: Row;
  readonly after?: Value;
  /** Commit time at the source, RFC 3339. */
  readonly time?: string;
  readonly source?: Row;
  readonly headers?: DataRecord["headers"];
  readonly unavailable?: readonly string[];
  /** Only in what comes back: where broker sinks publish it. */
  readonly topic?: string;
}

/** What became of one record: those that take its place, or why there are none. */
export type UserResult = { readonly records: readonly UserRecord[] } | { readonly error: string };

export type ToFunction = { readonly id: number; readonly records: readonly UserRecord[] };
export type FromFunction =
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly message: string }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly message: string }
  | { readonly kind: "done"; readonly id: number; readonly results: readonly UserResult[] };

const NO_RIGHTS = {
  net: false,
  env: false,
  read: false,
  write: false,
  sys: false,
  run: false,
  ffi: false,
  import: false,
} as const;

/** Starts a worker for a module in JavaScript. */
export function startFunctionWorker(code: string): Worker {
  const load = `import(${JSON.stringify(dataUrl(code))})`;
  const module = `(${serve})(() => ${load});\n`;
  // The option is unstable, and so missing in the types.
  const options = { type: "module", name: "javascript", deno: { permissions: NO_RIGHTS } } as WorkerOptions;
  return new Worker(dataUrl(module), options);
}

function dataUrl(code: string): string {
  return `data:application/javascript;base64,${new TextEncoder().encode(code).toBase64()}`;
}

/**
 * Runs inside the worker, as text: it can use nothing from around it. Whatever a program could do to the process that it
 * runs in is taken away before the user's code is loaded.
 */
async function serve(load: () => Promise<{ readonly default?: unknown }>): Promise<void> {
  const scope = self as unknown as Worker;
  const post = (message: FromFunction) => scope.postMessage(message);
  const text = (values: readonly unknown[]) =>
    values.map((value) => typeof value === "string" ? value : String(value)).join(" ");
  for (const method of ["log", "info", "debug"] as const) {
    console[method] = (...values: unknown[]) => post({ kind: "log", level: "info", message: text(values) });
  }
  for (const method of ["warn", "error"] as const) {
    console[method] = (...values: unknown[]) => post({ kind: "log", level: "warn", message: text(values) });
  }
  // What could end the program or mix with its output; everything else is denied by the worker's rights. Deno itself
  // has to stay, since its node: modules need it when they are loaded.
  const { default: process } = await import("node:process");
  const takeAway = (from: object, names: readonly string[]) => {
    for (const name of names) Reflect.deleteProperty(from, name);
  };
  takeAway(Deno, ["kill", "exit", "stdin", "stdout", "stderr", "addSignalListener"]);
  takeAway(process, ["kill", "exit", "abort", "reallyExit", "stdin", "stdout", "stderr"]);
  takeAway(globalThis, ["process", "Worker", "close"]);

  const operations = [
    "insert",
    "update",
    "delete",
    "snapshot",
    "truncate",
    "tombstone",
    "message",
    "schema",
    "record",
  ];

  /** A copy with nothing in it that no row can hold; throws with the place of what can't be. */
  const valueOf = (value: unknown, place: string): unknown => {
    switch (typeof value) {
      case "undefined":
        return undefined;
      case "string":
      case "boolean":
      case "bigint":
        return value;
      case "number":
        return Number.isFinite(value) ? value : String(value);
    }
    if (value === null || value instanceof Uint8Array) return value;
    if (value instanceof Date) return value.toISOString();
    if (Array.isArray(value)) return value.map((one, i) => valueOf(one, `${place}[${i}]`) ?? null);
    if (typeof value === "object") return rowOf(value, place);
    throw new TypeError(`${place} is a ${typeof value}, which no row can hold`);
  };
  const rowOf = (row: object, place: string) => {
    const out: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(row)) {
      const made = valueOf(value, `${place}.${name}`);
      if (made !== undefined) out[name] = made;
    }
    return out;
  };
  const optionalRow = (value: unknown, place: string) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) throw new TypeError(`${place} is no object`);
    return rowOf(value, place);
  };
  const recordOf = (made: unknown): UserRecord => {
    if (typeof made !== "object" || made === null) throw new TypeError("the function returned no record");
    const { operation, key, before, after, source, headers, unavailable, stream, topic } = made as UserRecord;
    if (!operations.includes(operation)) throw new TypeError("`operation` of what was returned is none");
    if (topic !== undefined && typeof topic !== "string") {
      throw new TypeError("`topic` of what was returned is no text");
    }
    return {
      stream,
      operation,
      topic,
      key: key instanceof Uint8Array ? key : optionalRow(key, "key") as Row,
      before: optionalRow(before, "before") as Row,
      after: valueOf(after, "after") as Value,
      source: optionalRow(source, "source") as Row,
      headers,
      unavailable,
    };
  };
  /** What went wrong and where, without values of rows: messages of the language's own errors may quote them. */
  const errorText = (error: unknown): string => {
    if (!(error instanceof Error)) return "it threw something that is no Error";
    const { name, message, stack } = error;
    const place = /data:application\/javascript;base64,[^:]*:(\d+):(\d+)/.exec(stack ?? "");
    const where = place ? ` (line ${place[1]}, column ${place[2]})` : "";
    return ["SyntaxError", "RangeError", "URIError"].includes(name)
      ? `${name}${where}`
      : `${name}: ${message}${where}`;
  };

  let call: unknown;
  try {
    call = (await load()).default;
  } catch (error) {
    return post({
      kind: "unusable",
      message: `it does not load: ${error instanceof Error ? error.message : error}`,
    });
  }
  if (typeof call !== "function") {
    return post({ kind: "unusable", message: "its default export is no function" });
  }
  const one = async (record: UserRecord): Promise<UserResult> => {
    try {
      const made = await call(record);
      if (made === undefined || made === null) return { records: [] };
      return { records: (Array.isArray(made) ? made : [made]).map(recordOf) };
    } catch (error) {
      return { error: errorText(error) };
    }
  };
  scope.onmessage = async ({ data }: MessageEvent<ToFunction>) => {
    const results: UserResult[] = [];
    for (const record of data.records) results.push(await one(record));
    try {
      post({ kind: "done", id: data.id, results });
    } catch {
      // Headers or names hold what can't be copied.
      post({
        kind: "done",
        id: data.id,
        results: results.map(() => ({ error: "it returned what can't be copied" })),
      });
    }
  };
  post({ kind: "ready" });
}
