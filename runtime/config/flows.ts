/**
 * Flows that no pipeline names: a source with a `topic` is published to the file's broker, a sink with `topics` is fed
 * from it. They become sources, sinks and pipelines like those that the file writes out, so that nothing behind
 * config.ts tells them apart: a flow `sources.<name>` into a sink `broker.<name>`, and a flow `sinks.<name>` out of a
 * source `broker.<name>`.
 */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import type { BrokerKeys, SinkTopics } from "./broker_keys.ts";
import type { Config, ConfiguredPipeline, ConfiguredSink, ConfiguredSource } from "./config.ts";
import { type PipelineFile, pipelineFile, type SinkEntry, type SourceEntry } from "./config_schema.ts";
import type { Path, Report } from "./problem.ts";
import { findConnector, type Role } from "./registry.ts";
import { checkPart } from "./schema_check.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

/** The connector that publishes to the broker and reads it. */
export const BROKER_CONNECTOR = "rivven";

const flowOf = (role: Role, name: string) => `${role}s.${name}`;
const brokerEnd = (name: string) => `broker.${name}`;

/** The names of the enabled sources or sinks that make a flow by themselves. */
export function implicitEnds(document: YamlDocument, role: Role): string[] {
  const named = new Set(
    document.entries("pipelines").map(([, pipeline]) => isMap(pipeline) && pipeline[role]),
  );
  return document.entries(`${role}s`)
    .filter(([name, entry]) => isMap(entry) && entry.enabled !== false && !named.has(name))
    .filter(([, entry]) => topicKeyOf(role, entry as Record<string, unknown>) !== undefined)
    .map(([name]) => name);
}

/** The key that makes it a flow: where a problem with that stands. */
export function topicKeyOf(role: Role, entry: Record<string, unknown>): Path | undefined {
  const isGiven = (value: unknown) => value !== undefined && value !== null;
  if (role === "sink") return isGiven(entry.topics) ? ["topics"] : undefined;
  if (isGiven(entry.topic)) return ["topic"];
  if (isMap(entry.config) && isGiven(entry.config.topic_routing)) return ["config", "topic_routing"];
  const tables = Array.isArray(entry.tables) ? entry.tables : [];
  return tables.some((table) => isMap(table) && isGiven(table.topic)) ? ["tables"] : undefined;
}

/** Is there a broker for the flows that need one, do their names stand for nothing else, are their groups their own? */
export function checkFlows(document: YamlDocument, report: Report): void {
  const broker = document.at(["broker"]);
  const hasBroker = broker !== undefined && broker !== null;
  for (const role of ["source", "sink"] as const) {
    const other = role === "source" ? "sink" : "source";
    for (const name of implicitEnds(document, role)) {
      const entry = [`${role}s`, name];
      const key = topicKeyOf(role, document.at(entry) as Record<string, unknown>)!;
      if (!hasBroker) {
        const does = role === "source" ? "publishes to a topic" : "reads topics";
        report({
          path: [...entry, ...key],
          onKey: true,
          message: `The ${role} "${name}" ${does}, and the file has no broker`,
          hint:
            `Describe it, broker: { address: "localhost:9092" }, or add a pipeline that names the ${role}`,
        });
      }
      const taken: Path[] = [["pipelines", flowOf(role, name)], [`${other}s`, brokerEnd(name)]];
      for (const path of taken.filter((path) => document.at(path) !== undefined)) {
        const message = `The name "${path[1]}" belongs to what ${role} "${name}" makes with the broker`;
        report({ path, onKey: true, message, hint: "Give it another name" });
      }
    }
  }
  checkUnused(document, report);
  checkGroups(document, report);
}

/** Two readers with one group would move each other's offsets, and each miss what the other has read. */
function checkGroups(document: YamlDocument, report: Report): void {
  const readers: { title: string; path: Path; group: string }[] = [];
  for (const [name, entry] of document.entries("sources")) {
    if (!isMap(entry) || entry.enabled === false || entry.connector !== BROKER_CONNECTOR) continue;
    const path = ["sources", name, "config", "consumer_group"];
    const group = document.at(path);
    if (typeof group === "string") readers.push({ title: `source "${name}"`, path, group });
  }
  for (const name of implicitEnds(document, "sink")) {
    const path = ["sinks", name, "consumer_group"];
    const group = document.at(path);
    readers.push({ title: `sink "${name}"`, path, group: typeof group === "string" ? group : groupOf(name) });
  }
  for (const [i, { title, path, group }] of readers.entries()) {
    const other = readers.slice(0, i).find((reader) => reader.group === group);
    if (other === undefined || document.isUnset(path)) continue;
    report({
      path,
      message: `The ${title} has the consumer group of ${other.title}: they would move each other's offsets`,
      hint: "Give each its own group",
    });
  }
}

/** The keys of a sink that are about the topics that feed it. */
const READER_KEYS = ["topics", "consumer_group", "start_offset", "on_out_of_range", "offset_commit_interval"];

/** Keys of a reader where nothing is read. */
function checkUnused(document: YamlDocument, report: Report): void {
  const implicit = new Set(implicitEnds(document, "sink"));
  for (const [name, entry] of document.entries("sinks")) {
    if (!isMap(entry) || entry.enabled === false || implicit.has(name)) continue;
    for (const key of READER_KEYS) {
      if (entry[key] === undefined || entry[key] === null) continue;
      const message = entry.topics === undefined
        ? `"${key}" has no effect without topics`
        : `"${key}" has no effect: a pipeline feeds sink "${name}"`;
      report({ severity: "warning", path: ["sinks", name, key], onKey: true, message, hint: "Remove it" });
    }
  }
}

/** The group of a sink that names none. */
function groupOf(sink: string): string {
  return `connect-${sink.replace(/[^A-Za-z0-9._-]/g, "_")}`;
}

export interface FlowOptions {
  readonly definitions: readonly ConnectorDefinition[];
  readonly report: Report;
}

/**
 * The file's flows through its broker, ready to be planned beside those that it writes out.
 *
 * @returns undefined when they can't be made; the problems tell why
 */
export function implicitFlows(
  file: PipelineFile,
  document: YamlDocument,
  { definitions, report }: FlowOptions,
): Pick<Config, "sources" | "sinks" | "pipelines"> | undefined {
  const ends = { source: implicitEnds(document, "source"), sink: implicitEnds(document, "sink") };
  const sources: ConfiguredSource[] = [];
  const sinks: ConfiguredSink[] = [];
  const pipelines: ConfiguredPipeline[] = [];
  if (ends.source.length + ends.sink.length === 0) return { sources, sinks, pipelines };
  const definition = findConnector(definitions, BROKER_CONNECTOR)?.definition;
  if (file.broker === undefined || file.broker === null || definition === undefined) return undefined;
  const broker = connectionOf(file.broker);
  let isGood = true;
  for (const name of ends.source) {
    const config = check(definition, publishing(file.sources![name], broker), ["sources", name], {
      topic: ["topic"],
    });
    isGood &&= config !== undefined;
    const entries = entriesOf({ sinks: { [brokerEnd(name)]: { connector: BROKER_CONNECTOR } } });
    sinks.push({
      ...entries.sinks![brokerEnd(name)],
      name: brokerEnd(name),
      connector: BROKER_CONNECTOR,
      config,
    });
    pipelines.push(pipelineOf("source", name));
  }
  // What this file publishes may be on its way before a first look at the topics.
  const from = ends.source.length > 0 ? "earliest" : "latest";
  for (const name of ends.sink) {
    const sink = file.sinks![name];
    const keys = Object.fromEntries(READER_KEYS.map((key) => [key, [key]]));
    const config = check(definition, reading(name, sink, from, file.broker, broker), ["sinks", name], keys);
    isGood &&= config !== undefined;
    const entries = entriesOf({ sources: { [brokerEnd(name)]: { connector: BROKER_CONNECTOR } } });
    sources.push({
      ...entries.sources![brokerEnd(name)],
      name: brokerEnd(name),
      connector: BROKER_CONNECTOR,
      config,
    });
    pipelines.push(pipelineOf("sink", name));
  }
  return isGood ? { sources, sinks, pipelines } : undefined;

  /** The config as the connector's schema gives it; problems stand where the file has the key. */
  function check(
    definition: ConnectorDefinition,
    config: Record<string, unknown>,
    entry: Path,
    keys: Readonly<Record<string, Path>>,
  ): unknown {
    // What a variable without a value would have said can't be judged.
    const isUnset = document.faults.some(({ path }) =>
      path[0] === "broker" || (path[0] === entry[0] && path[1] === entry[1] && String(path[2]) in keys)
    );
    if (isUnset) return undefined;
    const placed: Report = ({ path, ...problem }) => {
      const [, key, ...rest] = path;
      const own = keys[String(key)];
      report({ ...problem, path: own === undefined ? path : [...entry, ...own, ...rest] });
    };
    return checkPart(document, {
      schema: definition.config,
      at: ["broker"],
      report: placed,
      allowUnknownKeys: false,
      prepare: () => config,
    });
  }
}

/**
 * The file's broker as the config of a connector that publishes to it; undefined where the file describes none, or
 * problems tell why not.
 */
export function brokerConfig(
  { broker }: PipelineFile,
  document: YamlDocument,
  { definitions, report }: FlowOptions,
): unknown {
  const definition = findConnector(definitions, BROKER_CONNECTOR)?.definition;
  if (broker === undefined || broker === null || definition === undefined) return undefined;
  return checkPart(document, {
    schema: definition.config,
    at: ["broker"],
    report,
    allowUnknownKeys: false,
    prepare: () => connectionOf(broker),
  });
}

/** The keys of the connector that say where the broker is. */
function connectionOf(
  { address, bootstrap_servers, metadata_refresh_ms: _, ...rest }: BrokerKeys,
): Record<string, unknown> {
  const servers = typeof bootstrap_servers === "string"
    ? bootstrap_servers.split(",").map((server) => server.trim())
    : bootstrap_servers;
  return given({ ...rest, address, bootstrap_servers: servers });
}

function publishing({ topic }: SourceEntry, broker: Record<string, unknown>): Record<string, unknown> {
  return given({ ...broker, topic });
}

function reading(
  name: string,
  { topics, consumer_group, start_offset, on_out_of_range, offset_commit_interval }: SinkEntry,
  from: "earliest" | "latest",
  { metadata_refresh_ms }: BrokerKeys,
  broker: Record<string, unknown>,
): Record<string, unknown> {
  return given({
    ...broker,
    topics: patternsOf(topics!),
    consumer_group: consumer_group ?? groupOf(name),
    start_offset: start_offset ?? from,
    on_out_of_range,
    offset_commit_interval,
    metadata_refresh_ms,
  });
}

/** All forms of `topics` as the patterns that the connector knows. */
function patternsOf(topics: SinkTopics): string[] {
  const list = Array.isArray(topics) ? topics : [topics];
  return list.flatMap((one) =>
    typeof one !== "string"
      ? [`/${one.pattern}/`]
      : Array.isArray(topics)
      ? [one]
      : one.split(",").map((text) => text.trim())
  );
}

function pipelineOf(role: Role, name: string): ConfiguredPipeline {
  const flow = flowOf(role, name);
  const ends = role === "source"
    ? { source: name, sink: brokerEnd(name) }
    : { source: brokerEnd(name), sink: name };
  return { ...entriesOf({ pipelines: { [flow]: ends } }).pipelines![flow], name: flow };
}

/** Entries with every default that the file format has. */
function entriesOf(sections: Record<string, unknown>): PipelineFile {
  return pipelineFile.parse(sections);
}

function given(keys: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}
