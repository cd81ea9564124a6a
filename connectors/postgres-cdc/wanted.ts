/**
 * Which changes of the stream become records: what `skipped_operations` and `logical_messages` say, as the decoder
 * asks it. What is left out is numbered all the same, so that a changed configuration shifts nothing.
 */
import { type BatchWriter, type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { patternTest } from "../../formats/data/stream_pattern.ts";

/** What can be skipped, by the server's statement: an update that changes the key is one, although it makes two records. */
export const SKIPPABLE = ["insert", "update", "delete", "truncate", "message"] as const;
export type Skippable = (typeof SKIPPABLE)[number];

/** Debezium's letters for them. */
export const SKIPPABLE_LETTERS: Readonly<Record<string, Skippable>> = {
  c: "insert",
  u: "update",
  d: "delete",
  t: "truncate",
  m: "message",
};

/** Prefix of the logical messages that are our own heartbeats: nobody else sees them. */
export const HEARTBEAT_PREFIX = "rivven.heartbeat";

export interface WantedChanges {
  readonly skips: ReadonlySet<Skippable>;
  /** Whether logical messages with this prefix are wanted; undefined: none are. */
  readonly messages: ((prefix: string) => boolean) | undefined;
  /** For the stream of the logical messages. */
  readonly database: string;
}

/** No truncates and no messages, as without any configuration. */
export const PLAIN_CHANGES: WantedChanges = {
  skips: new Set<Skippable>(["truncate"]),
  messages: undefined,
  database: "",
};

/** The keys of the configuration that decide it. */
export interface ChangeKeys {
  readonly database: string;
  /** Words or letters; `none` stands alone. */
  readonly skipped_operations: readonly string[];
  readonly logical_messages: {
    readonly enabled: boolean;
    readonly prefix_include: readonly string[];
    readonly prefix_exclude: readonly string[];
  };
}

export function wantedChanges({ database, skipped_operations, logical_messages }: ChangeKeys): WantedChanges {
  const { enabled, prefix_include, prefix_exclude } = logical_messages;
  const included = prefix_include.map(patternTest);
  const excluded = prefix_exclude.map(patternTest);
  return {
    database,
    skips: new Set(
      skipped_operations.filter((word) => word !== "none")
        .map((word) => SKIPPABLE_LETTERS[word] ?? word as Skippable),
    ),
    messages: enabled
      ? (prefix) =>
        (included.length === 0 || included.some((test) => test(prefix))) &&
        !excluded.some((test) => test(prefix)) && prefix !== HEARTBEAT_PREFIX
      : undefined,
  };
}

/** The stream of all logical messages: `message`, with the prefix as key. */
export function messageStream(database: string): Stream {
  return { ...MESSAGES, database };
}

const MESSAGES: Stream = {
  name: "message",
  columns: [
    { name: "prefix", type: { kind: "string" }, nullable: false },
    // Base64. Messages are documents in a batch, whose values are what JSON has.
    { name: "content", type: { kind: "string" }, nullable: false },
  ],
  key: ["prefix"],
  payload: "row",
  version: 1,
};

const MESSAGE_COLUMNS: readonly WriterColumn[] = writerColumns(MESSAGES);

/** Writes the record of a logical message. */
export function writeMessage(
  writer: BatchWriter,
  stream: Stream,
  prefix: string,
  content: Uint8Array,
  { timeMicros, group, index }: {
    readonly timeMicros: bigint;
    readonly group: string;
    readonly index: number;
  },
  own: Uint8Array,
): void {
  writer.begin(stream, "message", timeMicros, group, index);
  writer.beginRow("after");
  writer.column(MESSAGE_COLUMNS[0]);
  writer.string(prefix);
  writer.column(MESSAGE_COLUMNS[1]);
  writer.base64(content);
  writer.endRow();
  writer.end(own);
}
