/**
 * Dead letters to a topic: through a worker of its own, with a sink of the broker in it, and durable there before the
 * commit that covers them is saved. source_run.ts has one for each flow with such a topic.
 */
import { batchFromRecords } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { DeadLetter, Stage } from "./dead_letter.ts";
import { writeEnvelope } from "./dead_letter_envelope.ts";
import type { PlannedDeadLetters } from "./dead_letter_plan.ts";
import { PortSender } from "../data_port.ts";
import type { OpenSink } from "../protocol.ts";
import type { Remote } from "../remote.ts";

export interface PublisherOptions {
  readonly planned: PlannedDeadLetters;
  readonly flow: string;
  /** The names of the flow's source and sink. */
  readonly source: string;
  readonly sink: string;
  readonly programVersion: string;
  readonly nowMicros: () => bigint;
  /** What every sink is opened with. */
  readonly opening: Pick<
    OpenSink,
    "protocol" | "connector" | "name" | "config" | "documents" | "debug" | "failpoint" | "heartbeatMs"
  >;
  /** Starts the worker; when it fails, so does the whole run. */
  readonly start: (due: () => void) => Remote;
}

/** Few messages, each of which somebody waits for. */
const LIMITS = { cheap: true, maxRecords: 1000, maxBytes: 16 << 20, maxWaitMs: 1000 };

export class DeadLetterPublisher implements AsyncDisposable {
  readonly #options: PublisherOptions;
  #worker: Promise<{ readonly remote: Remote; readonly sender: PortSender }> | undefined;
  #remote: Remote | undefined;
  #seq = 0;
  #isDue = false;
  #wake: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Resolves when all letters with a topic are durable there.
   *
   * @returns those that are still to be kept: without a topic, or refused by the broker
   * @throws {ConnectorError} when they can't be published; then nothing of the commit may be saved
   */
  async publish(letters: readonly DeadLetter[]): Promise<readonly DeadLetter[]> {
    const { planned } = this.#options;
    const published = letters.filter(({ stage }) => deadLetterTopic(planned, stage) !== undefined);
    if (published.length === 0) return letters;
    const refused = await this.#send(published);
    return letters.flatMap((letter) => {
      const why = refused.get(letter);
      if (why !== undefined) {
        return [{ ...letter, error: `${letter.error}; its dead letter could not be published: ${why}` }];
      }
      return published.includes(letter) ? [] : [letter];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = await this.#worker?.catch(() => undefined);
    worker?.sender.close();
    await this.#remote?.close(1000);
  }

  /** @returns those that the broker will never take, and why */
  async #send(letters: readonly DeadLetter[]): Promise<ReadonlyMap<DeadLetter, string>> {
    const { remote, sender } = await (this.#worker ??= this.#open());
    const refused = new Map<DeadLetter, string>();
    for (let at = 0; at < letters.length; at += LIMITS.maxRecords) {
      const some = letters.slice(at, at + LIMITS.maxRecords);
      const seq = ++this.#seq;
      await sender.send(seq, this.#batch(some), false);
      for (;;) {
        this.#isDue = false;
        const flushed = await remote.call("flush", undefined);
        // The order of a refused one is its place in the batch.
        for (const { order, error } of flushed.deadLetters) refused.set(some[Number(order!.slice(2))], error);
        if (flushed.seq >= seq) break;
        // The batch is still on its way: its arrival asks for the next flush.
        while (!this.#isDue) await new Promise<void>((resolve) => this.#wake = resolve);
      }
    }
    return refused;
  }

  #batch(letters: readonly DeadLetter[]) {
    const { planned, flow: pipeline, source, sink, nowMicros, programVersion: version } = this.#options;
    const atMicros = nowMicros();
    const records = letters.map((letter, i): DataRecord => {
      const context = {
        pipeline,
        connectorName: letter.stage === "sink" ? sink : source,
        retryCount: 0,
        atMicros,
      };
      const topic = deadLetterTopic(planned, letter.stage)!;
      return {
        stream: { name: topic, topic, key: [], payload: "json", version: 1 },
        operation: "record",
        after: writeEnvelope(letter, context),
        timeMicros: atMicros,
        order: `0/${String(i).padStart(16, "0")}`,
      };
    });
    const head = { lane: "", position: { v: 1 }, readAtMicros: atMicros, layout: "plain" as const };
    return batchFromRecords(
      { ...head, origin: { connector: "dead_letters", name: pipeline, version } },
      records,
    );
  }

  async #open(): Promise<{ readonly remote: Remote; readonly sender: PortSender }> {
    const { opening, flow, start } = this.#options;
    const remote = this.#remote = start(() => {
      this.#isDue = true;
      this.#wake?.();
    });
    await remote.call("open", {
      ...opening,
      role: "sink",
      flow: `dead letters of ${flow}`,
      layout: "plain",
      saved: undefined,
      limits: LIMITS,
      onError: "dead_letter",
      deadLetterMaxRatio: 1,
    });
    const { port1, port2 } = new MessageChannel();
    const source = { name: flow, connector: "dead_letters" };
    await remote.call("startSink", { port: port2, marks: {}, source }, [port2]);
    return { remote, sender: new PortSender(port1) };
  }
}

/** The topic for what failed there; undefined: the state. */
function deadLetterTopic(planned: PlannedDeadLetters, stage: Stage): string | undefined {
  return stage === "sink" ? planned.sinkTopic : planned.sourceTopic;
}
