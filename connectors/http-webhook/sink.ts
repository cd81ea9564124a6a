/**
 * The `http-webhook` sink. Records are dealt out to as many queues as requests may be under way; those with one key go
 * into one queue, which sends one request at a time, so their order is kept.
 */
import type { Batch, CheckReport, Sink, SinkContext } from "../contract.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { Chunk } from "./chunk.ts";
import { check } from "./check.ts";
import type { WebhookConfig } from "./connector.ts";
import { Requests } from "./requests.ts";
import { shown, UrlTemplate } from "./url_template.ts";

/** So many requests may wait behind those under way before `write` waits, too. */
const WAITING_PER_QUEUE = 2;

/** @throws {ConnectorError} code `config…` when a file of `tls` can't be used */
export function openSink(config: WebhookConfig, context: SinkContext): Sink {
  return new WebhookSink(config, context);
}

interface Queue {
  /** Not yet full. */
  open: Chunk | undefined;
  /** Resolves when everything handed over so far is done. */
  tail: Promise<void>;
}

class WebhookSink implements Sink {
  readonly #config: WebhookConfig;
  readonly #context: SinkContext;
  readonly #closing = new AbortController();
  readonly #requests: Requests;
  readonly #urls: UrlTemplate;
  readonly #queues: Queue[];
  #waiting = 0;
  #oneDone: PromiseWithResolvers<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #turn = 0;

  constructor(config: WebhookConfig, context: SinkContext) {
    this.#config = config;
    this.#context = context;
    this.#requests = new Requests(config, context, this.#closing.signal);
    this.#urls = new UrlTemplate(config.url);
    this.#queues = Array.from({ length: config.max_concurrency }, () => ({
      open: undefined,
      tail: Promise.resolve(),
    }));
  }

  async write(batch: Batch): Promise<void> {
    const { batch_size, max_body_mb } = this.#config;
    const maxBytes = max_body_mb * 2 ** 20;
    batch.retain();
    for (let i = 0; i < batch.length; i++) {
      const text = batch.span(i, "text")!;
      // A tombstone, or what the layout has nothing to say of: there is no body to send.
      if (text.length <= 1) continue;
      const url = this.#urls.urlOf(batch.stream(i), batch.operation(i));
      let queue = this.#queueOf(batch, i);
      if (queue.open && (queue.open.url !== url || queue.open.size + text.length > maxBytes)) {
        this.#send(queue);
        queue = this.#queueOf(batch, i);
      }
      queue.open ??= new Chunk(url);
      queue.open.add(batch, i, text.length);
      if (queue.open.length >= batch_size) this.#send(queue);
      while (this.#waiting >= this.#queues.length * (1 + WAITING_PER_QUEUE)) {
        await (this.#oneDone ??= Promise.withResolvers()).promise;
      }
      this.#throwFailure();
    }
  }

  async flush(): Promise<void> {
    for (const queue of this.#queues) if (queue.open) this.#send(queue);
    await Promise.all(this.#queues.map(({ tail }) => tail));
    this.#throwFailure();
  }

  async check(report: CheckReport): Promise<void> {
    await check(this.#config, this.#requests, report);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#queues.map(({ tail }) => tail));
    this.#requests.close();
  }

  /**
   * By the key; changes without one by their table, so that they stay in order; of other records so many as make a
   * request go to one queue after the other.
   */
  #queueOf(batch: Batch, i: number): Queue {
    const { length } = this.#queues;
    if (length === 1) return this.#queues[0];
    const key = batch.span(i, "key");
    if (key) return this.#queues[hash(key) % length];
    if (batch.operation(i) === "record") return this.#queues[this.#turn % length];
    return this.#queues[batch.stream(i).name.length % length];
  }

  /** Hands the open chunk of a queue over; it is sent when those before it are done. */
  #send(queue: Queue): void {
    const chunk = queue.open!;
    queue.open = undefined;
    this.#turn++;
    this.#waiting++;
    queue.tail = queue.tail.then(async () => {
      try {
        // After a failure nothing is certain: what waits comes again.
        if (!this.#failure) await this.#sendChunk(chunk);
      } catch (error) {
        this.#failure ??= { error };
      } finally {
        this.#waiting--;
        this.#oneDone?.resolve();
        this.#oneDone = undefined;
      }
    });
  }

  /** Records that the server refuses in company are sent in halves, until those are alone that it does refuse. */
  async #sendChunk(chunk: Chunk): Promise<void> {
    const { batch_size, method } = this.#config;
    const { flow, metrics, reject } = this.#context;
    const body = chunk.body(batch_size > 1);
    const idempotencyKey = chunk.idempotencyKey(flow);
    const answer = await this.#requests.send({ url: chunk.url, body, idempotencyKey });
    // Left to the collector of garbage, thousands a second make it come more often.
    body.buffer.transfer(0);
    metrics.add("http_webhook_requests_total");
    if (answer.kind === "accepted") return;
    if (chunk.length > 1) {
      for (const half of chunk.halves()) await this.#sendChunk(half);
      return;
    }
    const { batch, i } = chunk.first;
    const message = `${method} ${shown(chunk.url)} was answered with ${answer.status}`;
    reject(batch, i, new RecordError(message, { code: `serialization_http_${answer.status}` }));
  }

  #throwFailure(): void {
    if (!this.#failure) return;
    const { error } = this.#failure;
    throw error instanceof ConnectorError ? error : new ConnectorError("A request failed", {
      code: "internal",
      cause: error,
    });
  }
}

/** FNV-1a: spreads keys over queues. */
function hash(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
