/**
 * What the broker and the network say, as errors for whoever runs the pipeline. The broker has no error numbers: its
 * texts start with a word in capitals (crates/rivvend/src/handler), and that word decides.
 */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";

interface Meaning {
  readonly code: ErrorDetails["code"];
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
}

/** Says that a topic with this name is there already; no failure. */
export const TOPIC_EXISTS = /already exists/;

/** Start of the broker's text → what it means here; the first that fits. */
const MEANINGS: readonly (readonly [start: RegExp, meaning: Meaning])[] = [
  [/^I\/O error/, {
    code: "fatal_broker_disk",
    hint:
      "The broker could not write, most likely because its disk is full. The partition may be damaged: what is published " +
      "to it now may never be readable. Make room, check the topic, and start the pipeline again",
  }],
  [/^(Topic not found|UNKNOWN_TOPIC(?!_OR_PARTITION))/, {
    code: "not_found_topic",
    hint: "Create the topic, or let the sink do it with topic_config.auto_create: true",
  }],
  [/^(UNKNOWN_TOPIC_OR_PARTITION|FENCED_LEADER_EPOCH|NOT_LEADER_FOR_PARTITION)/, {
    code: "transient_leader",
    hint:
      "The broker is part of a cluster, and another node has this partition. Clusters are not supported: use a standalone broker",
  }],
  [/^(INVALID_PARTITION|UNKNOWN_PARTITION|Partition )/, {
    code: "not_found_partition",
    hint: "The topic has fewer partitions than it had. Start the pipeline again",
  }],
  [/^INVALID_TOPIC/, {
    code: "config_topic_name",
    hint: "Names have 1 to 255 letters, digits, dots, - and _, and start with a letter or digit",
  }],
  [/^INVALID_(CONSUMER_)?GROUP/, {
    code: "config_group_name",
    hint: "Names have 1 to 255 letters, digits, dots, - and _, and start with a letter or digit",
  }],
  [/^OFFSET_OUT_OF_RANGE/, { code: "state_offset_out_of_range" }],
  [/^BUFFER_FULL/, {
    code: "rate_limited_buffer",
    hint: "The broker has too much unwritten data; it is tried again",
  }],
  [/^RATE_LIMIT_EXCEEDED/, {
    code: "rate_limited_requests",
    hint: "Too many requests from this host: start the broker with a higher --rate-limit-per-ip",
    retryAfterMs: 1000,
  }],
  [/^WAL_ERROR/, { code: "transient_wal", hint: "The broker could not write its log; it is tried again" }],
  [/^MESSAGE_TOO_LARGE/, { code: "serialization_too_large", hint: "Raise the broker's --max-request-size" }],
  [/^(SESSION_EXPIRED|INVALID_SESSION)/, {
    code: "transient_session",
    hint: "The login has expired; the next connection logs in again",
  }],
  [/^AUTHENTICATION_REQUIRED/, {
    code: "auth_required",
    hint: "The broker wants a login: set auth.username and auth.password",
  }],
  [/^(AUTHENTICATION_FAILED|SCRAM_FAILED|UNSUPPORTED_MECHANISM)/, {
    code: "auth_rejected",
    hint: "Check auth.username, auth.password and auth.mechanism",
  }],
  [/^(PLAINTEXT_AUTH_REQUIRES_TLS|SASL\/PLAIN requires)/, {
    code: "auth_requires_tls",
    hint: "Use auth.mechanism: scram-sha-256, or TLS",
  }],
  [/^AUTHORIZATION_FAILED/, {
    code: "permission_denied",
    hint: "Give the user the right to this topic or group",
  }],
  [/^INVALID_REQUEST/, {
    code: "internal_request",
    hint: "The broker can't read what this client sends: it needs rivvend 0.0.22",
  }],
  [/^INTERNAL_ERROR: response send failed/, { code: "serialization_response_too_large" }],
];

/** The error of a request that the broker refused with `text`. */
export function brokerError(tried: string, text: string): ConnectorError {
  const meaning = MEANINGS.find(([start]) => start.test(text))?.[1] ?? { code: "transient_broker" as const };
  return new ConnectorError(`Cannot ${tried}: the broker says "${text}"`, meaning);
}

/** The broker asked us to wait. */
export function throttledError(tried: string, quota: string, waitMs: number): ConnectorError {
  return new ConnectorError(`Cannot ${tried}: the broker's quota "${quota}" is used up`, {
    code: "rate_limited_quota",
    retryAfterMs: waitMs,
  });
}

/** The connection failed, was closed, or carried something else than this protocol. */
export function connectionError(tried: string, cause: unknown, hint?: string): ConnectorError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new ConnectorError(`Cannot ${tried}: ${text}`, { code: "connection_failed", hint, cause });
}

export function timeoutError(tried: string, ms: number): ConnectorError {
  return new ConnectorError(`Cannot ${tried}: no answer within ${ms} ms`, {
    code: "timeout_broker",
    hint: "Check that the broker is up and not overloaded, or raise request_timeout_ms",
  });
}

export function protocolError(tried: string, cause: unknown): ConnectorError {
  return new ConnectorError(`Cannot ${tried}: ${cause instanceof Error ? cause.message : cause}`, {
    code: "connection_protocol",
    hint: "Check that this is the client port of a Rivven broker (9092), version 0.0.22",
    cause,
  });
}
