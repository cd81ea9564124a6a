/** Warns of topics that nobody uses: of a source that only feeds sinks which know no topics. config.ts asks. */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { topicKeyOf } from "./flows.ts";
import type { Report } from "./problem.ts";
import { findConnector } from "./registry.ts";
import { routesTables } from "./topic_keys.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

/** A source that no pipeline names publishes to the file's broker, so that its topics are used. */
export function checkUnusedTopics(
  document: YamlDocument,
  definitions: readonly ConnectorDefinition[],
  report: Report,
): void {
  const pipelines = document.entries("pipelines").map(([, pipeline]) => pipeline)
    .filter((pipeline) => isMap(pipeline) && pipeline.enabled !== false) as Record<string, unknown>[];
  for (const [name, source] of document.entries("sources")) {
    if (!isMap(source) || source.enabled === false) continue;
    const key = topicKeyOf("source", source);
    const own = pipelines.filter((pipeline) => pipeline.source === name);
    if (key === undefined || own.length === 0) continue;
    const found = findConnector(definitions, String(source.connector));
    // Elsewhere the key is unknown, which is said already.
    if (key[0] === "config" && !(found && routesTables(found.definition))) continue;
    // Transforms and predicates may look at the topic, wherever they stand.
    const { transforms, config } = source;
    const chain = [transforms, isMap(config) && config.transforms, own, document.at(["transforms"])];
    if (mayUseTopic(chain) || own.some((pipeline) => sinkMayUseTopic(String(pipeline.sink)))) continue;
    const sinks = [...new Set(own.map((pipeline) => `"${pipeline.sink}"`))].join(" and ");
    report({
      severity: "warning",
      path: ["sources", name, ...key],
      onKey: true,
      message: `The topics of source "${name}" are not used: ${sinks}, which it feeds, knows none`,
      hint: "Remove them, or add a pipeline into a sink of connector rivven",
    });
  }

  function sinkMayUseTopic(name: string): boolean {
    const sink = document.at(["sinks", name]);
    if (!isMap(sink) || typeof sink.connector !== "string") return true;
    const found = findConnector(definitions, sink.connector);
    if (found === undefined) return true;
    const { category } = found.definition;
    // Objects lie in folders of their topic where the keys say nothing else.
    return category.startsWith("messaging_") || category === "storage_object" ||
      mayUseTopic([sink.config, sink.transforms]);
  }
}

/** A placeholder, a key, a function of JavaScript: what it is need not be known to keep silent about it. */
function mayUseTopic(written: unknown): boolean {
  return /topic|javascript|typescript/i.test(JSON.stringify(written) ?? "");
}
