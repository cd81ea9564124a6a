/**
 * From where on a flow's partitions hold records that its checkpoint knows nothing of: the ends that the last commit
 * has saved, and for topics that were never in one, the ends from before the first record. sink.ts keeps them, since
 * without a bound a whole topic would have to be read to find them.
 */
import type { Json } from "../../formats/data/value.ts";
import type { SinkContext } from "../contract.ts";

type Saved = { readonly v: 1; readonly ends: { readonly [topic: string]: readonly number[] } };

export class Ends {
  readonly #context: SinkContext;
  #saved: Saved;

  constructor(context: SinkContext) {
    this.#context = context;
    this.#saved = (context.saved as Saved | undefined) ?? { v: 1, ends: {} };
  }

  /** The ends that are certain, by partition; undefined where this flow has never published to the topic. */
  async of(topic: string): Promise<readonly number[] | undefined> {
    return this.#saved.ends[topic] ?? await this.#context.state.get(this.#key(topic)) as number[] | undefined;
  }

  /** Notes the ends before the first record to a topic goes out. */
  async begin(topic: string, ends: readonly number[]): Promise<void> {
    await this.#context.state.put(this.#key(topic), ends as Json);
  }

  /** What a commit saves: the ends of these topics, and of all earlier ones. */
  with(ends: Readonly<Record<string, readonly number[]>>): Saved {
    return this.#saved = { v: 1, ends: { ...this.#saved.ends, ...ends } };
  }

  #key(topic: string): string {
    return `ends of ${this.#context.flow} in ${topic}`;
  }
}
