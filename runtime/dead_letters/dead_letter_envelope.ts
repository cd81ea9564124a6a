/**
 * A dead letter as a message of a topic. The first six members are those of Rivven's own dead letters, the others may be
 * missing for whoever reads. dead_letter_publisher.ts writes them, `dlq` reads them.
 */
import { rfc3339 } from "../../formats/data/envelope.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { DeadLetter, Stage } from "./dead_letter.ts";
import {
  type KeptLetter,
  readDefinition,
  readHeaders,
  writeDefinition,
  writeHeaders,
} from "./dead_letter_table.ts";

/** What a letter itself does not know. */
export interface LetterContext {
  readonly pipeline: string;
  /** The source or the sink in which it failed. */
  readonly connectorName: string;
  readonly retryCount: number;
  readonly atMicros: bigint;
}

export function writeEnvelope(letter: DeadLetter, context: LetterContext): Row {
  const { stream, origin, key, headers } = letter;
  const members: Record<string, Value | undefined> = {
    original_topic: origin?.topic ?? stream.topic ?? qualifiedName(stream),
    connector_name: context.connectorName,
    payload_b64: letter.payload.toBase64(),
    error: letter.error,
    retry_count: context.retryCount,
    timestamp: rfc3339(context.atMicros),
    pipeline: context.pipeline,
    stage: letter.stage,
    error_class: letter.code,
    transform: letter.transform,
    lane: letter.lane,
    order: letter.order,
    original_partition: origin?.partition,
    original_offset: origin?.offset,
    original_key_b64: key?.toBase64(),
    original_headers: headers && JSON.parse(writeHeaders(headers)),
    stream: stream.name,
    namespace: stream.namespace,
    withheld: letter.withheld ? true : undefined,
    // So that a replay gives typed values again.
    definition: JSON.parse(writeDefinition(letter)),
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Row;
}

/** @returns undefined when it is no dead letter */
export function readEnvelope(json: unknown): Omit<KeptLetter, "id"> | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const members = json as Record<string, unknown>;
  const text = (name: string) => typeof members[name] === "string" ? members[name] as string : undefined;
  const bytes = (name: string) => {
    const base64 = text(name);
    return base64 === undefined ? undefined : Uint8Array.fromBase64(base64);
  };
  const number = (name: string) => {
    const value = members[name];
    return typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : undefined;
  };
  try {
    const payload = bytes("payload_b64");
    const topic = text("original_topic");
    const timestamp = text("timestamp");
    if (payload === undefined || topic === undefined || timestamp === undefined) return undefined;
    const stage = text("stage");
    const partition = number("original_partition");
    const offset = number("original_offset");
    const hasOrigin = partition !== undefined || offset !== undefined;
    return {
      pipeline: text("pipeline") ?? "",
      connectorName: text("connector_name") ?? "",
      retryCount: number("retry_count") ?? 0,
      atMicros: microsOf(timestamp),
      stage: STAGES.find((one) => one === stage) ?? "publish",
      code: text("error_class") ?? "",
      error: text("error") ?? "",
      transform: text("transform"),
      lane: text("lane") ?? "",
      order: text("order"),
      ...definitionOf(members, text("stream") ?? topic, text("namespace")),
      payload,
      withheld: members.withheld === true,
      key: bytes("original_key_b64"),
      headers: Array.isArray(members.original_headers)
        ? readHeaders(JSON.stringify(members.original_headers))
        : undefined,
      origin: hasOrigin
        ? { topic, partition, offset: offset === undefined ? undefined : BigInt(offset) }
        : undefined,
    };
  } catch {
    // Base64, a time or headers that are none.
    return undefined;
  }
}

const STAGES: readonly Stage[] = ["decode", "transform", "sink", "publish"];

function definitionOf(
  members: Record<string, unknown>,
  name: string,
  namespace: string | undefined,
): Pick<DeadLetter, "stream" | "record"> {
  const definition = members.definition as Stream | undefined;
  return definition?.name === name && Array.isArray(definition.key)
    ? readDefinition(definition)
    : { stream: { name, namespace, key: [], payload: "row", version: 0 } };
}

/** @throws {RangeError} when it is no time */
function microsOf(timestamp: string): bigint {
  return Temporal.Instant.from(timestamp).epochNanoseconds / 1000n;
}
