/**
 * The topic that a source's records are published to, decided in the source's worker before any transform sees them:
 * worker_host.ts wraps the source. What the keys of the file come to is topic_keys.ts's to say.
 */
import type { CheckReport, ConnectorContext, DiscoveredStream, Source } from "../connectors/contract.ts";
import type { Batch, Position } from "../formats/data/batch.ts";
import { ConnectorError, reportError } from "../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../formats/data/stream.ts";
import type { Normalization } from "../formats/topic/normalization.ts";
import { TopicBook } from "../formats/topic/topic_book.ts";
import { topicProblem } from "../formats/topic/topic_name.ts";

/** First of: the pattern for what is a table, the table's topic, the topic for all. Plain data. */
export interface TopicRouting {
  readonly pattern?: string;
  readonly normalization: Normalization;
  readonly tables: readonly RoutedTable[];
  readonly topic?: string;
}

export interface RoutedTable {
  /** Undefined: in every schema. */
  readonly namespace?: string;
  readonly name: string;
  readonly topic: string;
}

type RoutingContext = Pick<ConnectorContext, "name" | "log" | "state"> & { readonly preview: boolean };

/** The same source, whose streams know their topic; itself where nothing is routed. */
export function routed(source: Source, routing: TopicRouting | undefined, context: RoutingContext): Source {
  return routing === undefined ? source : new RoutedSource(source, routing, context);
}

type OptionalMember = { [K in keyof Source]-?: undefined extends Source[K] ? K : never }[keyof Source];

/** What only some sources have; one that is added to the contract and not named here does not compile. */
const OPTIONAL: Readonly<Record<OptionalMember, true>> = {
  discover: true,
  lowest: true,
  release: true,
};

/** The document that holds whose topic is whose. */
const OWNERS = "topics";

class RoutedSource implements Source {
  declare readonly discover?: () => Promise<readonly DiscoveredStream[]>;
  readonly lowest?: (positions: readonly Position[]) => Position;
  declare readonly release?: () => Promise<void>;
  readonly #source: Source;
  readonly #routing: TopicRouting;
  readonly #context: RoutingContext;
  readonly #book: TopicBook;
  readonly #routes = new WeakMap<Stream, Stream>();

  constructor(source: Source, routing: TopicRouting, context: RoutingContext) {
    this.#source = source;
    this.#routing = routing;
    this.#context = context;
    this.#book = this.#openBook((message) => context.log.warn(message));
    for (const name of Object.keys(OPTIONAL) as OptionalMember[]) {
      if (source[name]) Object.assign(this, { [name]: source[name].bind(source) });
    }
    if (source.lowest) this.lowest = (positions) => source.lowest!(positions);
  }

  async *read(from: Position | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    if (!this.#context.preview) await this.#lookAhead();
    for await (const batch of this.#source.read(from, signal)) yield await this.#route(batch);
  }

  acknowledge(position: Position): Promise<void> {
    return this.#source.acknowledge(position);
  }

  async check(report: CheckReport): Promise<void> {
    let failed = false;
    await this.#source.check((finding) => {
      failed ||= finding.status === "failed";
      report(finding);
    });
    if (failed || this.#routing.pattern === undefined || !this.discover) return;
    const collisions: string[] = [];
    const book = this.#openBook((message) => collisions.push(message));
    const name = "topic_routing";
    try {
      const streams = (await this.discover()).map(({ stream }) => stream);
      const topics = new Set(await topicsFor(streams, book));
      for (const message of collisions) {
        report({ name, status: "warning", message, hint: "Put more of their names into the pattern" });
      }
      report({ name, status: "ok", message: `${streams.length} tables become ${topics.size} topics` });
    } catch (error) {
      const { message, hint } = reportError(error);
      report({ name, status: "failed", message, hint, blame: "config" });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }

  /** Tables that can't be told apart are better known at the start than at their first record. */
  async #lookAhead(): Promise<void> {
    if (this.#routing.pattern === undefined || !this.discover) return;
    let found: readonly DiscoveredStream[];
    try {
      found = await this.discover();
    } catch {
      return; // reading meets the same trouble, and knows what to say of it
    }
    await topicsFor(found.map(({ stream }) => stream), this.#book);
  }

  async #route(batch: Batch): Promise<Batch> {
    let changes = false;
    for (const stream of batch.streams) {
      let to = this.#routes.get(stream);
      if (to === undefined) this.#routes.set(stream, to = await this.#routeOf(stream));
      changes ||= to !== stream;
    }
    return changes ? batch.withStreams((stream) => this.#routes.get(stream) ?? stream) : batch;
  }

  async #routeOf(stream: Stream): Promise<Stream> {
    if (stream.topic !== undefined) return stream;
    const { pattern, tables, topic } = this.#routing;
    if (pattern !== undefined && (isTable(stream) || topic === undefined)) {
      const [routed] = await topicsFor([stream], this.#book);
      return { ...stream, topic: routed };
    }
    const chosen = tables.find((table) => isOf(table, stream))?.topic ?? topic;
    return chosen === undefined ? stream : { ...stream, topic: chosen };
  }

  #openBook(warn: (message: string) => void): TopicBook {
    const { state, name } = this.#context;
    const { pattern, normalization } = this.#routing;
    return new TopicBook({
      pattern,
      normalization,
      source: name,
      warn,
      owners: {
        get: async () => (await state.get(OWNERS) ?? {}) as Record<string, string>,
        put: (owners) => state.put(OWNERS, owners),
      },
    });
  }
}

/** @throws {ConnectorError} `config_topic_name` when what comes out for one of them can't be a topic */
async function topicsFor(streams: readonly Stream[], book: TopicBook): Promise<readonly string[]> {
  const topics = await book.topicsOf(streams);
  for (const [i, topic] of topics.entries()) {
    const problem = topicProblem(topic);
    if (problem === undefined) continue;
    throw new ConnectorError(`Table "${qualifiedName(streams[i])}" has no topic: ${problem}`, {
      code: "config_topic_name",
      hint: "Change topic_routing or its normalization",
    });
  }
  return topics;
}

/** Messages and the like have neither. */
function isTable({ columns, namespace }: Stream): boolean {
  return columns !== undefined || namespace !== undefined;
}

function isOf({ namespace, name }: RoutedTable, stream: Stream): boolean {
  return namespace === undefined
    ? name === stream.name || name === qualifiedName(stream)
    : namespace === stream.namespace && name === stream.name;
}
