/**
 * The requests that this client sends, and what answers them. Numbers and fields: `Request` and `Response` of
 * crates/rivven-protocol/src/messages.rs at 0.0.22, where a variant's place in its enum is its number on the wire.
 */
import { Messages } from "./messages.ts";
import { PostcardReader, type PostcardWriter, WireError } from "./wire.ts";

/** Version 2 has correlation ids and handshakes. */
export const PROTOCOL_VERSION = 2;

/** One request: how it is written, which answer is its success, and how that is read. */
export interface Request<Answer> {
  readonly name: string;
  /** About how many bytes it has, so that a buffer fits at once. */
  readonly size?: number;
  readonly answer: number;
  write(writer: PostcardWriter): void;
  read(reader: PostcardReader): Answer;
}

const ANSWER_ERROR = 18;
const ANSWER_THROTTLED = 30;

/** What a response says. */
export type Outcome<Answer> =
  | { readonly kind: "answer"; readonly value: Answer }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "throttled"; readonly waitMs: number; readonly quota: string };

/** Reads a response to `request`. @throws {WireError} when it is no answer to it */
export function readOutcome<Answer>(request: Request<Answer>, payload: Uint8Array): Outcome<Answer> {
  const reader = new PostcardReader(payload);
  const variant = reader.u8();
  if (variant === request.answer) return { kind: "answer", value: request.read(reader) };
  if (variant === ANSWER_ERROR) return { kind: "error", message: reader.string() };
  if (variant === ANSWER_THROTTLED) {
    return { kind: "throttled", waitMs: reader.uint(), quota: reader.string() };
  }
  throw new WireError(
    `answer number ${variant} to ${request.name}, which is answered by number ${request.answer}`,
  );
}

const nothing = () => {};

export interface HandshakeAnswer {
  readonly serverVersion: number;
  readonly compatible: boolean;
  readonly message: string;
}

export function handshake(clientId: string, version = PROTOCOL_VERSION): Request<HandshakeAnswer> {
  return {
    name: "Handshake",
    answer: 35,
    write(writer) {
      writer.u8(33);
      writer.uint(version);
      writer.string(clientId);
    },
    read: (reader) => ({ serverVersion: reader.uint(), compatible: reader.bool(), message: reader.string() }),
  };
}

export function ping(): Request<void> {
  return { name: "Ping", answer: 12, write: (writer) => writer.u8(13), read: nothing };
}

/** Without `partitions`, as many as the broker's default. Fails where the topic exists. */
export function createTopic(
  name: string,
  partitions?: number,
): Request<{ name: string; partitions: number }> {
  return {
    name: "CreateTopic",
    answer: 5,
    write(writer) {
      writer.u8(6);
      writer.string(name);
      writer.optional(partitions, (count) => writer.uint(count));
    },
    read: (reader) => ({ name: reader.string(), partitions: reader.uint() }),
  };
}

export function listTopics(): Request<string[]> {
  return {
    name: "ListTopics",
    answer: 6,
    write: (writer) => writer.u8(7),
    read: (reader) => reader.list(() => reader.string()),
  };
}

/** The broker forgets the topic and keeps its files: the same name brings the records back. */
export function deleteTopic(name: string): Request<void> {
  return {
    name: "DeleteTopic",
    answer: 7,
    write(writer) {
      writer.u8(8);
      writer.string(name);
    },
    read: nothing,
  };
}

export function getMetadata(topic: string): Request<{ name: string; partitions: number }> {
  return {
    name: "GetMetadata",
    answer: 10,
    write(writer) {
      writer.u8(11);
      writer.string(topic);
    },
    read: (reader) => ({ name: reader.string(), partitions: reader.uint() }),
  };
}

export interface ClusterAnswer {
  readonly controllerId: string | undefined;
  readonly brokers: readonly { readonly nodeId: string; readonly host: string; readonly port: number }[];
}

/** Tells who answers. Standalone brokers name no topics here, and a host that need not be reachable. */
export function getClusterMetadata(): Request<ClusterAnswer> {
  return {
    name: "GetClusterMetadata",
    answer: 11,
    write(writer) {
      writer.u8(12);
      writer.uint(0);
    },
    read: (reader) => ({
      controllerId: reader.optional(() => reader.string()),
      brokers: reader.list(() => {
        const broker = { nodeId: reader.string(), host: reader.string(), port: reader.uint() };
        reader.optional(() => reader.string());
        return broker;
      }),
    }),
  };
}

/** A record to publish. An empty value with a key is a tombstone; an absent key is another one than an empty key. */
export interface OutgoingRecord {
  readonly key?: Uint8Array;
  readonly value: Uint8Array;
}

export interface PublishAnswer {
  /** Of the first record. Other writers' records may lie between those of a batch. */
  readonly baseOffset: number;
  readonly partition: number;
  readonly count: number;
}

/** How one record of a batch is written; many of them are sent by `publishEncoded`. */
export function writeRecordTo(writer: PostcardWriter, key: Uint8Array | undefined, value: Uint8Array): void {
  if (key === undefined) writer.u8(0);
  else {
    writer.u8(1);
    writer.blob(key);
  }
  writer.blob(value);
}

export function publishBatch(
  topic: string,
  partition: number,
  records: readonly OutgoingRecord[],
): Request<PublishAnswer> {
  return batchRequest(topic, partition, 0, (writer) => {
    writer.uint(records.length);
    for (const { key, value } of records) writeRecordTo(writer, key, value);
  });
}

/** Records that `writeRecordTo` has written, one after the other. */
export interface EncodedRecords {
  readonly count: number;
  readonly bytes: Uint8Array;
}

/**
 * A batch that is looked at whenever the request is sent, so what is found to be there already can be left out of a
 * retry. An empty one is answered and changes nothing.
 */
export function publishEncoded(
  topic: string,
  partition: number,
  batch: EncodedRecords,
): Request<PublishAnswer> {
  return batchRequest(topic, partition, batch.bytes.length, (writer) => {
    writer.uint(batch.count);
    writer.raw(batch.bytes);
  });
}

function batchRequest(
  topic: string,
  partition: number,
  size: number,
  writeRecords: (writer: PostcardWriter) => void,
): Request<PublishAnswer> {
  return {
    name: "PublishBatch",
    size: size + topic.length * 3 + 32,
    answer: 40,
    write(writer) {
      writer.u8(38);
      writer.string(topic);
      writer.u8(1);
      writer.uint(partition);
      writeRecords(writer);
      writer.u8(0); // no leader epoch: nothing ever tells a client the current one
    },
    read: (reader) => ({ baseOffset: reader.uint(), partition: reader.uint(), count: reader.uint() }),
  };
}

export interface ConsumeOptions {
  readonly topic: string;
  readonly partition: number;
  /** The first one to read. */
  readonly offset: number;
  /** At most so many; the broker returns no more than 10,000, and stops at about 4 KiB times this. */
  readonly maxRecords: number;
  /** How long the broker may wait for the first record; 0: not at all. At most 30,000. */
  readonly maxWaitMs: number;
}

/** Reads records, uncommitted ones included (the broker's read-committed hides too much and too little). */
export function consume(
  { topic, partition, offset, maxRecords, maxWaitMs }: ConsumeOptions,
): Request<Messages> {
  return {
    name: "Consume",
    answer: 4,
    write(writer) {
      writer.u8(5);
      writer.string(topic);
      writer.uint(partition);
      writer.uint(offset);
      writer.uint(maxRecords);
      writer.u8(0);
      writer.optional(maxWaitMs > 0 ? maxWaitMs : undefined, (ms) => writer.uint(ms));
    },
    read: (reader) => new Messages(reader, offset),
  };
}

/** `latest` is the next offset to be given out. */
export function getOffsetBounds(
  topic: string,
  partition: number,
): Request<{ earliest: number; latest: number }> {
  return {
    name: "GetOffsetBounds",
    answer: 13,
    write: (writer) => writePartition(writer, 14, topic, partition),
    read: (reader) => ({ earliest: reader.uint(), latest: reader.uint() }),
  };
}

/** The first offset at or after a time; undefined where nothing is that late. */
export function getOffsetForTimestamp(
  topic: string,
  partition: number,
  timestampMs: number,
): Request<number | undefined> {
  return {
    name: "GetOffsetForTimestamp",
    answer: 17,
    write(writer) {
      writePartition(writer, 18, topic, partition);
      writer.int(timestampMs);
    },
    read: (reader) => reader.optional(() => reader.uint()),
  };
}

/** `offset` is the next one to read; the broker refuses one behind its log's end. */
export function commitOffset(group: string, topic: string, partition: number, offset: number): Request<void> {
  return {
    name: "CommitOffset",
    answer: 8,
    write(writer) {
      writer.u8(9);
      writer.string(group);
      writer.string(topic);
      writer.uint(partition);
      writer.uint(offset);
    },
    read: nothing,
  };
}

export function getOffset(group: string, topic: string, partition: number): Request<number | undefined> {
  return {
    name: "GetOffset",
    answer: 9,
    write(writer) {
      writer.u8(10);
      writer.string(group);
      writer.string(topic);
      writer.uint(partition);
    },
    read: (reader) => reader.optional(() => reader.uint()),
  };
}

function writePartition(writer: PostcardWriter, variant: number, topic: string, partition: number): void {
  writer.u8(variant);
  writer.string(topic);
  writer.uint(partition);
}

export function scramFirst(message: Uint8Array): Request<Uint8Array> {
  return {
    name: "ScramClientFirst",
    answer: 1,
    write(writer) {
      writer.u8(2);
      writer.blob(message);
    },
    read: (reader) => reader.blob(),
  };
}

/** A refused login is an answer too: its message starts with `e=`. */
export function scramFinal(message: Uint8Array): Request<Uint8Array> {
  return {
    name: "ScramClientFinal",
    answer: 2,
    write(writer) {
      writer.u8(3);
      writer.blob(message);
    },
    read: (reader) => reader.blob(),
  };
}

/** Sends the password; only over TLS. */
export function saslPlain(username: string, password: string): Request<void> {
  const utf8 = new TextEncoder();
  return {
    name: "SaslAuthenticate",
    answer: 0,
    write(writer) {
      writer.u8(1);
      writer.string("PLAIN");
      writer.blob(utf8.encode(`\0${username}\0${password}`));
    },
    read: nothing,
  };
}
