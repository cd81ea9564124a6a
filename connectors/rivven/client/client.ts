/**
 * A client for Rivven's broker (rivvend 0.0.22): topics, publishing, reading, offsets, each with retries, throttling
 * and a pool of connections. It depends on nothing of the runtime, so it serves as a library by itself:
 *
 * ```ts
 * await using client = new RivvenClient({ servers: [{ host: "localhost", port: 9092 }] });
 * const { partitions } = await client.ensureTopic("orders", 16);
 * await client.publish("orders", partitionOf(key, partitions), [{ key, value }]);
 * ```
 */
import { ConnectorError } from "../../../formats/data/errors.ts";
import type { Address } from "./address.ts";
import type { Connection } from "./connection.ts";
import { TOPIC_EXISTS } from "./errors.ts";
import type { IncomingRecord, Messages } from "./messages.ts";
import { Pool } from "./pool.ts";
import * as requests from "./requests.ts";
import { Scram, ScramError } from "./scram.ts";
import type { TlsOptions } from "./tls.ts";

export interface RetryPolicy {
  /** How often a request is tried again before its error is thrown. */
  readonly maxRetries: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** How much longer each wait is than the one before; 2 when left out. */
  readonly backoffMultiplier?: number;
}

export interface AuthOptions {
  /** `plain` sends the password and needs TLS. */
  readonly mechanism: "scram-sha-256" | "plain";
  readonly username: string;
  readonly password: string;
}

export interface RivvenClientOptions {
  /** Bootstrap servers, tried in turn. */
  readonly servers: readonly Address[];
  /** Only logged by the broker. */
  readonly clientId?: string;
  /** Most connections at once; 8 when left out. */
  readonly connections?: number;
  /** 10 s when left out. */
  readonly connectTimeoutMs?: number;
  /** 30 s when left out. */
  readonly requestTimeoutMs?: number;
  readonly retry?: RetryPolicy;
  readonly tls?: TlsOptions;
  readonly auth?: AuthOptions;
  /** Waits between tries; ends early when the signal is aborted. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** In [0, 1): spreads the tries of many clients. */
  readonly random?: () => number;
  /** Told about every failure after which a request is tried again. */
  readonly onRetry?: (error: ConnectorError, waitMs: number) => void;
}

export interface RequestOptions {
  /** Instead of the client's own. */
  readonly timeoutMs?: number;
  /** Called before the request is sent again after a failure. */
  readonly beforeRetry?: () => Promise<void>;
  /** Waits after a throttling answer; without it for as long as that asks. */
  readonly throttled?: (waitMs: number) => Promise<void>;
}

/** What holds where nothing else is said. */
export const RETRY: RetryPolicy = { maxRetries: 10, initialBackoffMs: 100, maxBackoffMs: 10_000 };
/** The broker answers an over-quota request with a few ms; more than this would be a mistake. */
const MAX_THROTTLE_MS = 5000;
/**
 * The broker writes a record of a batch every few ms; one that is held up for longer than this would be missed. On a busy
 * disk 300 ms were not enough.
 */
const STILL_MS = 1000;
const SETTLE_MS = 50;
const MAX_SETTLE_MS = 10_000;

/** Disposing of it closes its connections; what is on its way fails. */
export class RivvenClient implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #requestTimeoutMs: number;
  readonly #retry: RetryPolicy;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly #random: () => number;
  readonly #onRetry: (error: ConnectorError, waitMs: number) => void;
  readonly #closing = new AbortController();
  /** Resolves when the broker gives records again; undefined: it does. */
  #quota: Promise<void> | undefined;

  constructor(options: RivvenClientOptions) {
    const { servers, connections = 8, connectTimeoutMs = 10_000, requestTimeoutMs = 30_000, tls, auth } =
      options;
    const clientId = options.clientId ?? "rivven-connect";
    this.#pool = new Pool({
      servers,
      connections,
      connectTimeoutMs,
      requestTimeoutMs,
      tls,
      greet: (connection) => greet(connection, clientId, auth, tls !== undefined),
    });
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#retry = options.retry ?? RETRY;
    this.#sleep = options.sleep ?? sleep;
    this.#random = options.random ?? Math.random;
    this.#onRetry = options.onRetry ?? (() => {});
  }

  /**
   * Sends a request until it is answered: again after a lost connection, an error that may pass, a throttling answer.
   * So a publish whose answer was lost may be there twice.
   *
   * @param tried what it is for: "publish to topic "orders""
   * @throws {ConnectorError} what the broker refuses for good, or the last error when all tries failed
   */
  async request<Answer>(
    request: requests.Request<Answer>,
    tried: string,
    { timeoutMs, beforeRetry, throttled }: RequestOptions = {},
  ): Promise<Answer> {
    let retries = 0;
    for (;;) {
      try {
        return await this.#pool.with((connection) => connection.send(request, tried, timeoutMs));
      } catch (error) {
        if (!(error instanceof ConnectorError) || !error.retryable || this.#closing.signal.aborted) {
          throw error;
        }
        const isThrottled = error.code === "rate_limited_quota";
        // Throttling is an answer: whoever obeys it is served in the end.
        if (!isThrottled && retries++ >= this.#retry.maxRetries) throw error;
        const waitMs = isThrottled
          ? Math.min(error.retryAfterMs ?? 1, MAX_THROTTLE_MS)
          : Math.max(error.retryAfterMs ?? 0, this.#backoff(retries - 1));
        if (!isThrottled) this.#onRetry(error, waitMs);
        if (isThrottled && throttled) await throttled(waitMs);
        else await this.#sleep(waitMs, this.#closing.signal);
        if (!isThrottled) await beforeRetry?.();
      }
    }
  }

  /** Names of all topics. */
  async topics(): Promise<string[]> {
    return await this.request(requests.listTopics(), "list topics");
  }

  /** How many partitions a topic has; undefined where there is no such topic. */
  async partitions(topic: string): Promise<number | undefined> {
    try {
      return (await this.request(requests.getMetadata(topic), `ask about topic "${topic}"`)).partitions;
    } catch (error) {
      if (error instanceof ConnectorError && error.code === "not_found_topic") return undefined;
      throw error;
    }
  }

  /** Makes a topic where there is none. `partitions` counts only then; without it the broker's default does. */
  async ensureTopic(topic: string, partitions?: number): Promise<{ partitions: number; isNew: boolean }> {
    const found = await this.partitions(topic);
    if (found !== undefined) return { partitions: found, isNew: false };
    try {
      const made = await this.request(requests.createTopic(topic, partitions), `create topic "${topic}"`);
      return { partitions: made.partitions, isNew: true };
    } catch (error) {
      // Somebody else was faster, or our own request's answer was lost.
      if (!(error instanceof ConnectorError && TOPIC_EXISTS.test(error.message))) throw error;
      return { partitions: await this.partitions(topic) ?? 1, isNew: false };
    }
  }

  /** Publishes records in order. They are on the broker's disk when this resolves; twice where an answer was lost. */
  async publish(
    topic: string,
    partition: number,
    records: readonly requests.OutgoingRecord[],
  ): Promise<requests.PublishAnswer> {
    return await this.request(
      requests.publishBatch(topic, partition, records),
      `publish to topic "${topic}"`,
    );
  }

  /**
   * Reads records, those at `offset` first. Fewer than asked for do not mean that there are no more. Keys and values
   * are views into what was received.
   */
  async consume(options: requests.ConsumeOptions): Promise<IncomingRecord[]> {
    return [...await this.fetch(options)];
  }

  /** The same for many records: no object is made of one before it is asked for. */
  async fetch(options: requests.ConsumeOptions): Promise<Messages> {
    let { maxRecords } = options;
    for (;;) {
      await this.#quota;
      try {
        const tried = `read partition ${options.partition} of topic "${options.topic}"`;
        const request = requests.consume({ ...options, maxRecords });
        return await this.request(request, tried, {
          timeoutMs: options.maxWaitMs + this.#requestTimeoutMs,
          throttled: (waitMs) =>
            this.#quota ??= this.#quotaOpens(options, waitMs).finally(() => this.#quota = undefined),
        });
      } catch (error) {
        const isTooLarge = error instanceof ConnectorError &&
          error.code === "serialization_response_too_large";
        if (!isTooLarge || maxRecords <= 1) throw error;
        maxRecords >>= 1;
      }
    }
  }

  /**
   * Resolves when the broker's second of 100 MiB is over. What it refuses counts as read, so while all requests try
   * again nothing is left of the next second either: one of them asks for a single record, and the others wait for it.
   */
  async #quotaOpens({ topic, partition, offset }: requests.ConsumeOptions, askedMs: number): Promise<void> {
    const request = requests.consume({ topic, partition, offset, maxRecords: 1, maxWaitMs: 0 });
    for (let waitMs = askedMs; !this.#closing.signal.aborted;) {
      await this.#sleep(waitMs, this.#closing.signal);
      try {
        await this.#pool.with((connection) => connection.send(request, `read from topic "${topic}"`));
        return;
      } catch (error) {
        // Whatever else it is, those that wait will find it, too.
        if (!(error instanceof ConnectorError) || error.code !== "rate_limited_quota") return;
        waitMs = Math.min(error.retryAfterMs ?? 1, MAX_THROTTLE_MS);
      }
    }
  }

  /** The first offset that a partition has, and the next one that it gives out. */
  async offsets(topic: string, partition: number): Promise<{ earliest: number; latest: number }> {
    const request = requests.getOffsetBounds(topic, partition);
    return await this.request(request, `ask for the offsets of topic "${topic}"`);
  }

  /**
   * Resolves to a partition's end when that has not moved for a second, at the latest after ten: a publish whose
   * answer was lost may still be at work there, and what is sent behind it must not get in between.
   */
  async settled(topic: string, partition: number): Promise<number> {
    let { latest } = await this.offsets(topic, partition);
    let stillMs = 0;
    for (let ms = 0; stillMs < STILL_MS && ms < MAX_SETTLE_MS; ms += SETTLE_MS) {
      await this.#sleep(SETTLE_MS, this.#closing.signal);
      const next = (await this.offsets(topic, partition)).latest;
      stillMs = next === latest ? stillMs + SETTLE_MS : 0;
      latest = next;
    }
    return latest;
  }

  /** The first offset at or after a time; undefined where nothing is that late. */
  async offsetAt(topic: string, partition: number, timestampMs: number): Promise<number | undefined> {
    const request = requests.getOffsetForTimestamp(topic, partition, timestampMs);
    return await this.request(request, `look up a time in topic "${topic}"`);
  }

  /** Notes the next offset that a group will read. The broker keeps the last 49 of these in memory only. */
  async commit(group: string, topic: string, partition: number, offset: number): Promise<void> {
    const request = requests.commitOffset(group, topic, partition, offset);
    await this.request(request, `commit offsets of group "${group}"`);
  }

  /** The next offset that a group wants to read; undefined where it never said. */
  async committed(group: string, topic: string, partition: number): Promise<number | undefined> {
    const request = requests.getOffset(group, topic, partition);
    return await this.request(request, `ask for offsets of group "${group}"`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#pool[Symbol.asyncDispose]();
  }

  #backoff(retries: number): number {
    const { initialBackoffMs, maxBackoffMs, backoffMultiplier = 2 } = this.#retry;
    const ms = Math.min(initialBackoffMs * backoffMultiplier ** retries, maxBackoffMs);
    return ms * (0.5 + this.#random() / 2);
  }
}

/** Handshake and login over a fresh connection. */
async function greet(
  connection: Connection,
  clientId: string,
  auth: AuthOptions | undefined,
  isEncrypted: boolean,
): Promise<void> {
  try {
    const { compatible, serverVersion } = await connection.send(requests.handshake(clientId), "say hello");
    if (!compatible) {
      throw new ConnectorError(
        `Broker ${connection.address} speaks protocol version ${serverVersion}, and this client ${requests.PROTOCOL_VERSION}`,
        { code: "config_broker_version", hint: "Use rivvend 0.0.22" },
      );
    }
  } catch (error) {
    // A broker with authentication refuses the handshake, before the login and after it; that says nothing.
    if (!connection.isOpen || !(error instanceof ConnectorError) || error.code === "config_broker_version") {
      throw error;
    }
    if (error.code === "rate_limited_requests") throw error;
    if (error.code === "auth_required" && auth === undefined) throw error;
  }
  if (auth === undefined) return;
  if (auth.mechanism === "plain") {
    if (!isEncrypted) {
      throw new ConnectorError(
        `Cannot log in at ${connection.address}: auth.mechanism plain would send the password unencrypted`,
        {
          code: "auth_requires_tls",
          hint: "Use auth.mechanism: scram-sha-256, or TLS",
        },
      );
    }
    return await connection.send(requests.saslPlain(auth.username, auth.password), "log in");
  }
  await scram(connection, auth);
}

async function scram(connection: Connection, { username, password }: AuthOptions): Promise<void> {
  const utf8 = new TextEncoder();
  const text = new TextDecoder();
  const login = new Scram(username, password, crypto.getRandomValues(new Uint8Array(24)).toBase64());
  try {
    const challenge = await connection.send(requests.scramFirst(utf8.encode(login.first())), "log in");
    const final = utf8.encode(login.final(text.decode(challenge)));
    login.verify(text.decode(await connection.send(requests.scramFinal(final), "log in")));
  } catch (error) {
    if (!(error instanceof ScramError)) throw error;
    throw new ConnectorError(`Cannot log in at ${connection.address} as "${username}": ${error.message}`, {
      code: "auth_rejected",
      hint: "Check auth.username and auth.password",
      cause: error,
    });
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    if (signal?.aborted) wake();
    else signal?.addEventListener("abort", wake, { once: true });
  });
}
