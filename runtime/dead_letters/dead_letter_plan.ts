/** Where the records that a flow rejects go, as the file says: to the state, or to topics of a broker. For plan.ts. */
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { Config, ConfiguredPipeline, ConfiguredSink, ConfiguredSource } from "../config/config.ts";
import type { OnError } from "./dead_letter.ts";
import { BROKER_CONNECTOR } from "../config/flows.ts";
import type { PlannedConnector } from "../plan.ts";
import type { Path, Report } from "../config/problem.ts";

/** Topics for dead letters; what has none is kept in the state. */
export interface PlannedDeadLetters {
  /** Opened in a worker of its own, which reaches the broker and nothing else. */
  readonly sink: PlannedConnector;
  /** For records that could not be decoded or transformed. */
  readonly sourceTopic?: string;
  /** For records that the sink has refused. */
  readonly sinkTopic?: string;
}

export interface DeadLetterKeys {
  readonly pipeline: ConfiguredPipeline;
  readonly source: ConfiguredSource;
  readonly sink: ConfiguredSink;
  readonly config: Config;
  /** Plans the connection to the broker as a sink. */
  readonly plan: (sink: ConfiguredSink) => PlannedConnector;
  readonly report: Report;
}

/** What is wrong with the keys is reported. A topic for dead letters asks for `dead_letter` where `on_error` is not given. */
export function planDeadLetters(
  keys: DeadLetterKeys,
): { readonly onError: OnError; readonly deadLetters?: PlannedDeadLetters } {
  const { pipeline, source, sink, config: { document }, report } = keys;
  const { on_error: written, dead_letter_topic: ownTopic } = pipeline.settings;
  const settings: Path = ["pipelines", pipeline.name, "settings"];
  const sourceTopic = ownTopic ?? source.dead_letter_topic;
  const sinkTopic = ownTopic ?? sink.dead_letter_topic;
  if (sourceTopic === undefined && sinkTopic === undefined) return { onError: written };
  const onError = document.at([...settings, "on_error"]) === undefined ? "dead_letter" : written;
  if (onError !== "dead_letter") {
    report({
      severity: "warning",
      path: [...settings, "on_error"],
      message:
        `With on_error: ${onError} no record of pipeline "${pipeline.name}" goes to a dead letter topic`,
      hint: "Write on_error: dead_letter, or remove dead_letter_topic",
    });
    return { onError };
  }
  const path: Path = ownTopic !== undefined
    ? [...settings, "dead_letter_topic"]
    : source.dead_letter_topic !== undefined
    ? ["sources", source.name, "dead_letter_topic"]
    : ["sinks", sink.name, "dead_letter_topic"];
  const read = (source.connector === BROKER_CONNECTOR ? source.config : {}) as { topics?: readonly string[] };
  for (const topic of new Set([sourceTopic, sinkTopic])) {
    if (topic === undefined || !read.topics?.some((pattern) => patternTest(pattern)(topic))) continue;
    report({
      path,
      message: `Pipeline "${pipeline.name}" would read the dead letters that it publishes to "${topic}"`,
      hint: "Name a topic that its source does not read",
    });
  }
  const broker = connectionOf(keys);
  if (broker === undefined) {
    report({
      path,
      onKey: true,
      message: "dead_letter_topic needs a broker, and the file has none",
      hint:
        'Describe it, broker: { address: "localhost:9092" }, or remove dead_letter_topic: then rejected records ' +
        "are kept in settings.state_dir",
    });
    return { onError };
  }
  const topics = new Set([sourceTopic, sinkTopic].filter((topic) => topic !== undefined));
  // Where there is but one, it can be looked for before the first letter.
  const config = topics.size === 1 ? { ...broker.config as object, topic: [...topics][0] } : broker.config;
  const planned = { ...keys.plan({ ...broker, config }), name: `dead letters of ${pipeline.name}` };
  return {
    onError,
    deadLetters: {
      sink: planned,
      ...(sourceTopic === undefined ? {} : { sourceTopic }),
      ...(sinkTopic === undefined ? {} : { sinkTopic }),
    },
  };
}

/** The file's broker, else the one that the flow's own sink publishes to or its source reads. */
function connectionOf({ source, sink, config }: DeadLetterKeys): ConfiguredSink | undefined {
  if (config.broker !== undefined) {
    return { ...sink, connector: BROKER_CONNECTOR, config: config.broker, allow: undefined };
  }
  const end = [sink, source].find(({ connector }) => connector === BROKER_CONNECTOR);
  if (end === undefined) return undefined;
  const own = end.config as Record<string, unknown>;
  const kept = Object.fromEntries(
    CONNECTION_KEYS.filter((key) => own[key] !== undefined).map((key) => [key, own[key]]),
  );
  return { ...sink, connector: BROKER_CONNECTOR, config: { ...DEFAULTS, ...kept }, allow: end.allow };
}

/** Keys of a `rivven` config that say where the broker is and how it is talked to. */
const CONNECTION_KEYS = [
  "address",
  "bootstrap_servers",
  "tls",
  "auth",
  "connection_timeout_ms",
  "request_timeout_ms",
  "retry",
] as const;

/** The rest of it, for few messages to one topic. */
const DEFAULTS = { connections: 1, batch_size: 100, topic_config: {} };
