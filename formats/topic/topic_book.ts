/**
 * Which stream has which topic, so that two streams that get one by accident are noticed. The routing of sources and
 * the sinks that publish to a broker keep one each.
 */
import { ConnectorError } from "../data/errors.ts";
import { qualifiedName, type Stream } from "../data/stream.ts";
import { type Normalization, withHash } from "./normalization.ts";
import { topicOf } from "./topic_name.ts";

/** Where it is remembered whose a topic is, for `on_collision: hash_suffix`. */
export interface TopicOwners {
  get(): Promise<Readonly<Record<string, string>>>;
  put(owners: Readonly<Record<string, string>>): Promise<void>;
}

export interface TopicBookOptions {
  /** With placeholders; undefined: `{source}.{namespace}.{stream}`. */
  readonly pattern: string | undefined;
  readonly normalization: Normalization;
  /** The source's name in the pipeline file. */
  readonly source: string;
  readonly warn: (message: string) => void;
  readonly owners: TopicOwners;
}

export class TopicBook {
  readonly #options: TopicBookOptions;
  /** Topic → the stream that had it first. */
  #owners: Map<string, string> | undefined;
  #isSaved = true;
  /** A topic that is the same for all is meant to be. */
  readonly #mayCollide: boolean;
  readonly #warned = new Set<string>();

  constructor(options: TopicBookOptions) {
    this.#options = options;
    this.#mayCollide = options.pattern === undefined || options.pattern.includes("{");
  }

  /** The topics of many streams, as `topicOf` gives them; what has to be remembered is put once. */
  async topicsOf(streams: readonly Stream[]): Promise<string[]> {
    const topics: string[] = [];
    for (const stream of streams) topics.push(await this.#topicOf(stream));
    await this.#save();
    return topics;
  }

  /**
   * The topic of a stream; asked for every Stream once is enough.
   *
   * @throws {ConnectorError} `config_topic_collision` when another stream has it and `on_collision` is `fail`
   */
  async topicOf(stream: Stream): Promise<string> {
    const topic = await this.#topicOf(stream);
    await this.#save();
    return topic;
  }

  async #topicOf(stream: Stream): Promise<string> {
    const { pattern, normalization, source } = this.#options;
    const topic = topicOf(pattern, source, stream, normalization);
    if (!this.#mayCollide || stream.topic !== undefined) return topic;
    const name = stream.database === undefined
      ? qualifiedName(stream)
      : `${stream.database}.${qualifiedName(stream)}`;
    const owners = this.#owners ??= new Map(
      this.#remembers ? Object.entries(await this.#options.owners.get()) : [],
    );
    const owner = owners.get(topic);
    if (owner === undefined) {
      owners.set(topic, name);
      this.#isSaved = false;
      return topic;
    }
    return owner === name ? topic : this.#collided(topic, owner, name);
  }

  async #save(): Promise<void> {
    if (this.#isSaved || !this.#remembers) return;
    this.#isSaved = true;
    await this.#options.owners.put(Object.fromEntries(this.#owners!));
  }

  /** A name that was given must stay, whichever stream comes first the next time. */
  get #remembers(): boolean {
    return this.#options.normalization.on_collision === "hash_suffix";
  }

  #collided(topic: string, owner: string, name: string): string {
    const { normalization: { on_collision }, warn } = this.#options;
    const what = `"${owner}" and "${name}" both become topic "${topic}"`;
    if (on_collision === "fail") {
      throw new ConnectorError(`Cannot tell their records apart: ${what}`, {
        code: "config_topic_collision",
        hint: "Put more of their names into the pattern, such as {schema}, or choose another on_collision",
      });
    }
    const own = on_collision === "hash_suffix" ? withHash(topic, name) : topic;
    if (!this.#warned.has(name)) {
      this.#warned.add(name);
      warn(own === topic ? what : `${what}: the latter is published to "${own}"`);
    }
    return own;
  }
}
