/**
 * The dead letters of a pipeline file, wherever they are: in the state of this directory, and in topics of its broker.
 * For dlq.ts.
 */
import { join } from "node:path";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Json } from "../formats/data/value.ts";
import { type Checkpoints, openCheckpoints } from "../runtime/state/checkpoint.ts";
import { systemClock } from "../runtime/clock.ts";
import { readEnvelope } from "../runtime/dead_letters/dead_letter_envelope.ts";
import type { PlannedDeadLetters } from "../runtime/dead_letters/dead_letter_plan.ts";
import type { KeptLetter, LetterFilter, LetterSummary } from "../runtime/dead_letters/dead_letter_table.ts";
import type { Plan } from "../runtime/plan.ts";
import { openStateDir, type StateDir } from "../runtime/state/state_dir.ts";
import { UsageError } from "./command.ts";
import type { Log } from "./log_lines.ts";
import { readTopic } from "./topic_messages.ts";
import { requireConfinedWorkers } from "./workers.ts";

/** Where a letter is: its number in the state, or its place in a topic. */
export type Place =
  | { readonly kind: "state"; readonly id: number }
  | { readonly kind: "topic"; readonly topic: string; readonly partition: number; readonly offset: bigint };

export type Summary = Omit<LetterSummary, "id"> & { readonly place: Place };
export type Letter = Omit<KeptLetter, "id"> & { readonly place: Place };

/** `12`, or `refused.orders/0@12`. */
export function idOf(place: Place): string {
  return place.kind === "state" ? String(place.id) : `${place.topic}/${place.partition}@${place.offset}`;
}

export interface LettersOptions {
  readonly plan: Plan;
  /** Only those of the state. */
  readonly isLocal: boolean;
  /** Something will be changed: the state is made where there is none. */
  readonly changes: boolean;
  readonly timeoutMs: number;
  readonly log: Log;
}

/** Holds the state directory, so that no pipeline runs meanwhile, until disposed. */
export class Letters implements Disposable {
  readonly #options: LettersOptions;
  readonly #held = new DisposableStack();
  /** Undefined where nothing has run yet. */
  readonly #checkpoints: Checkpoints | undefined;
  #inTopics: Promise<readonly Letter[]> | undefined;

  /** @throws {ConnectorError} `state_locked` while another process uses the directory */
  constructor(options: LettersOptions) {
    this.#options = options;
    const { stateDir } = options.plan.settings;
    if (!options.changes && !exists(join(stateDir, "state.db"))) return;
    const { database } = this.#held.use(hold(stateDir));
    this.#checkpoints = this.#held.use(openCheckpoints(database, systemClock.nowMicros));
  }

  /** The oldest first, those of the state before those of topics. */
  async list(filter: LetterFilter): Promise<readonly Summary[]> {
    const kept = this.#checkpoints?.deadLetters.list(filter) ?? [];
    const local = kept.map(({ id, ...letter }): Summary => ({ ...letter, place: { kind: "state", id } }));
    if (this.#options.isLocal) return local;
    const { pipeline, stream, sinceMicros = 0n } = filter;
    const published = (await this.#topics()).filter((letter) => {
      const { name, namespace } = letter.stream;
      return (pipeline === undefined || letter.pipeline === pipeline) && letter.atMicros >= sinceMicros &&
        (stream === undefined || stream === name || stream === `${namespace}.${name}`);
    });
    return [...local, ...published];
  }

  /** @throws {UsageError} when there is no such letter */
  async get(id: string): Promise<Letter> {
    const found = /^\d+$/.test(id)
      ? this.#kept(Number(id))
      : this.#options.isLocal
      ? undefined
      : (await this.#topics()).find(({ place }) => idOf(place) === id);
    if (found) return found;
    throw new UsageError(`There is no dead letter "${id}"`, "See them with: rivven-connect dlq list");
  }

  /** Forgets letters. Those of a topic stay in it, and are shown no more. */
  drop(places: readonly Place[]): void {
    this.settle({ flow: "", sink: "", saved: undefined }, places, []);
  }

  /** All or nothing: what a replay has made durable, the letters that it was made of, and those that failed again. */
  settle(
    replayed: { readonly flow: string; readonly sink: string; readonly saved: Json | undefined },
    done: readonly Place[],
    failed: readonly { readonly place: Place; readonly code: string; readonly error: string }[],
  ): void {
    this.#checkpoints?.settle(replayed, (table) => {
      table.drop(done.flatMap((place) => place.kind === "state" ? [place.id] : []));
      for (const place of done) {
        if (place.kind === "topic") table.noteHandled(place.topic, place.partition, place.offset);
      }
      for (const { place, ...error } of failed) if (place.kind === "state") table.noteRetry(place.id, error);
    });
  }

  /** What a sink needs of the state: what its last `flush()` returned, and its documents. */
  get checkpoints(): Checkpoints | undefined {
    return this.#checkpoints;
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }

  #kept(id: number): Letter | undefined {
    const letter = this.#checkpoints?.deadLetters.get(id);
    if (letter === undefined) return undefined;
    const { id: _, ...rest } = letter;
    return { ...rest, place: { kind: "state", id } };
  }

  #topics(): Promise<readonly Letter[]> {
    return this.#inTopics ??= this.#readTopics();
  }

  async #readTopics(): Promise<readonly Letter[]> {
    const { plan, timeoutMs, log } = this.#options;
    const topics = new Map<string, PlannedDeadLetters["sink"]>();
    for (const { deadLetters } of plan.sources.flatMap(({ flows }) => flows)) {
      const { sink, sourceTopic, sinkTopic } = deadLetters ?? {};
      for (const topic of [sourceTopic, sinkTopic]) if (topic !== undefined) topics.set(topic, sink!);
    }
    if (topics.size === 0) return [];
    await requireConfinedWorkers();
    const letters: Letter[] = [];
    for (const [topic, broker] of topics) {
      const isHandled = this.#checkpoints?.deadLetters.handled(topic) ?? (() => false);
      for await (const { partition, offset, value } of readTopic(broker, topic, { timeoutMs, log })) {
        const letter = isHandled(partition, offset) ? undefined : readEnvelope(value);
        if (letter) letters.push({ ...letter, place: { kind: "topic", topic, partition, offset } });
      }
    }
    return letters.toSorted((a, b) => Number(a.atMicros - b.atMicros));
  }
}

function hold(stateDir: string): StateDir {
  try {
    return openStateDir(stateDir);
  } catch (error) {
    if (!(error instanceof ConnectorError) || error.code !== "state_locked") throw error;
    const { message, code, cause } = error;
    throw new ConnectorError(message, {
      code,
      cause,
      hint: "Dead letters can be looked at and replayed while no pipeline runs: stop that process first",
    });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
