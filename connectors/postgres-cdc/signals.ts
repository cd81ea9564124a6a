/**
 * Requests to a running source: snapshots of tables that are wanted again, or for the first time. Names and forms are
 * Debezium's (documentation, "Sending signals to a Debezium connector"), so its recipes work. Pure: what a signal asks
 * for, and what is wrong with one; incremental_snapshot.ts does it.
 */

import type { SignalConfig } from "./signal_keys.ts";

/** A signal as it came: a row of the signal table, a line of the file, a message in the log. */
export interface RawSignal {
  /** For the log; may be missing. */
  readonly id: string;
  readonly type: string;
  /** JSON text, or what it says. */
  readonly data: unknown;
  readonly channel: SignalChannel;
}

export type SignalChannel = "source" | "file" | "message";

export type Signal =
  | { readonly kind: "execute"; readonly tables: readonly RequestedTables[] }
  /** Undefined: all of them. */
  | { readonly kind: "stop"; readonly tables: readonly string[] | undefined }
  | { readonly kind: "pause" | "resume" }
  | { readonly kind: "log"; readonly message: string };

/** Tables of a request: a pattern, and what holds for all that it matches. */
export type RequestedTables = {
  readonly pattern: string;
  /** SQL; only rows for which it is true. */
  readonly filter?: string;
  /** Column by which the table is read in pieces, instead of its key. */
  readonly surrogateKey?: string;
};

/** What is wrong with a signal; ends "A signal is refused: …". */
export class SignalError extends Error {
  override readonly name = "SignalError";
}

/** A prefix of pg_logical_emit_message() whose messages are signals. */
export const SIGNAL_PREFIX = "rivven.signal";

/** What the window rows of Debezium are called, in case they are shared with it: nothing to do. */
const IGNORED = ["snapshot-window-open", "snapshot-window-close"];

/**
 * Reads a signal; undefined: it is one that asks for nothing.
 *
 * @throws {SignalError}
 */
export function readSignal({ type, data: given }: RawSignal): Signal | undefined {
  if (IGNORED.includes(type)) return undefined;
  const data = typeof given !== "string" ? given ?? {} : given.trim() === "" ? {} : parse(given);
  if (!isObject(data)) throw new SignalError("its data is no object");
  switch (type) {
    case "execute-snapshot":
      requireIncremental(data);
      return { kind: "execute", tables: requestedTables(data) };
    case "stop-snapshot":
      requireIncremental(data);
      return {
        kind: "stop",
        tables: data["data-collections"] === undefined ? undefined : texts(data, "data-collections"),
      };
    case "pause-snapshot":
      requireIncremental(data);
      return { kind: "pause" };
    case "resume-snapshot":
      requireIncremental(data);
      return { kind: "resume" };
    case "log":
      if (typeof data.message !== "string") throw new SignalError('its data has no text "message"');
      return { kind: "log", message: data.message };
    default:
      throw new SignalError(
        `its type "${type}" is none of execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot and log`,
      );
  }
}

/** A line of the signal file or the content of a message: one JSON object. */
export function readEnvelope(text: string, channel: SignalChannel): RawSignal {
  const value = parse(text);
  if (!isObject(value) || typeof value.type !== "string") {
    throw new SignalError('it is no object with a text "type"');
  }
  return { id: typeof value.id === "string" ? value.id : "", type: value.type, data: value.data, channel };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SignalError("it is no JSON");
  }
}

function requireIncremental({ type }: Record<string, unknown>): void {
  if (type === undefined || (typeof type === "string" && type.toLowerCase() === "incremental")) return;
  if (typeof type === "string" && type.toLowerCase() === "blocking") {
    throw new SignalError('snapshots of type "blocking" are not done here: write "incremental"');
  }
  throw new SignalError('the "type" in its data is not "incremental"');
}

function requestedTables(data: Record<string, unknown>): RequestedTables[] {
  const patterns = texts(data, "data-collections");
  const surrogateKey = data["surrogate-key"];
  if (surrogateKey !== undefined && typeof surrogateKey !== "string") {
    throw new SignalError('its "surrogate-key" is no text');
  }
  const filters = new Map<string, string>();
  const conditions = data["additional-conditions"] ?? [];
  if (!Array.isArray(conditions)) throw new SignalError('its "additional-conditions" are no list');
  for (const condition of conditions) {
    if (!isObject(condition)) throw new SignalError('one of its "additional-conditions" is no object');
    const { "data-collection": of, filter } = condition;
    if (typeof of !== "string" || typeof filter !== "string") {
      throw new SignalError('one of its "additional-conditions" lacks "data-collection" or "filter"');
    }
    if (!patterns.includes(of)) {
      throw new SignalError(`its condition for "${of}" belongs to none of its "data-collections"`);
    }
    filters.set(of, filter);
  }
  return patterns.map((pattern) => {
    const filter = filters.get(pattern);
    return {
      pattern,
      ...(filter === undefined ? {} : { filter }),
      ...(surrogateKey === undefined ? {} : { surrogateKey }),
    };
  });
}

function texts(data: Record<string, unknown>, name: string): string[] {
  const value = data[name];
  if (!Array.isArray(value) || value.length === 0 || !value.every((each) => typeof each === "string")) {
    throw new SignalError(`its data has no list of texts "${name}"`);
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Schema and name of the source channel's table; undefined: the channel is off. */
export function signalTable(
  { signal }: SignalConfig,
): { readonly schema: string; readonly name: string } | undefined {
  if (!signal.enabled || !signal.enabled_channels.includes("source")) return undefined;
  const [schema, name] = signal.data_collection.split(".");
  return { schema, name };
}

/** The file channel's file; undefined: the channel is off. */
export function signalFile({ signal }: SignalConfig): string | undefined {
  return signal.enabled && signal.enabled_channels.includes("file") ? signal.file : undefined;
}
