/**
 * The keys that say which topic a source's records go to: `config.topic_routing` and `config.normalization` of sources
 * that capture tables, which no connector knows; `topic` and `tables` beside them. config.ts asks.
 */
import { z } from "zod";
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { normalization, placeholders, topicPattern } from "../../formats/topic/keys.ts";
import { NORMALIZATION, type Normalization } from "../../formats/topic/normalization.ts";
import type { SourceEntry } from "./config_schema.ts";
import type { Path, Report } from "./problem.ts";
import { checkPart } from "./schema_check.ts";
import type { RoutedTable, TopicRouting } from "../topic_routing.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

export interface RoutingKeys {
  readonly topic_routing?: string;
  readonly normalization?: Normalization;
}

/** The keys in `config` of sources that capture tables; the others are stripped. */
export const routingKeys: z.ZodType<RoutingKeys> & { readonly shape: Readonly<Record<string, z.ZodType>> } = z
  .object({
    topic_routing: topicPattern.optional().describe(
      `The topic of each table; placeholders stand for its names: ${placeholders}. Without it tables[].topic, topic`,
    ),
    normalization: normalization.optional().describe("How names become parts of topics"),
  });

/** Does the connector capture tables, so that its config may have these keys? */
export function routesTables({ category, source }: ConnectorDefinition): boolean {
  return category === "database_cdc" && source !== undefined;
}

/** A connector's config without them. */
export function withoutRouting(config: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !Object.hasOwn(routingKeys.shape, key)));
}

/** What stands in the config at `entry`; undefined when it is not valid. */
export function checkRouting(document: YamlDocument, entry: Path, report: Report): RoutingKeys | undefined {
  const keys = checkPart(document, {
    schema: routingKeys,
    at: [...entry, "config"],
    report,
    allowUnknownKeys: false,
    prepare: (part) => isMap(part) ? part : {},
  });
  if (keys?.normalization !== undefined && keys.topic_routing === undefined) {
    report({
      severity: "warning",
      path: [...entry, "config", "normalization"],
      onKey: true,
      message: '"normalization" has no effect without topic_routing',
      hint: "Remove it, or add topic_routing",
    });
  }
  const tables = document.at([...entry, "tables"]);
  for (const [i, table] of Array.isArray(tables) ? tables.entries() : []) {
    if (keys?.topic_routing === undefined || !isMap(table) || table.topic === undefined) continue;
    report({
      severity: "warning",
      path: [...entry, "tables", i, "topic"],
      onKey: true,
      message: 'The "topic" of a table has no effect: config.topic_routing names it',
      hint: "Remove one of the two",
    });
  }
  return keys;
}

/** What the keys of a source come to; undefined where none of them says anything. */
export function routingOf({ topic, tables = [] }: SourceEntry, keys: RoutingKeys): TopicRouting | undefined {
  const pattern = keys.topic_routing;
  const routedTables = tables.flatMap(({ schema, table, topic }): RoutedTable[] =>
    topic === undefined
      ? []
      : [{ ...(schema === undefined ? {} : { namespace: schema }), name: table, topic }]
  );
  if (pattern === undefined && topic === undefined && routedTables.length === 0) return undefined;
  return {
    ...(pattern === undefined ? {} : { pattern }),
    normalization: keys.normalization ?? NORMALIZATION,
    tables: routedTables,
    ...(topic === undefined ? {} : { topic }),
  };
}

/** The `streams` of a source, and its `tables`, which are their older form. */
export function selectionOf({ streams, tables = [] }: SourceEntry): SourceEntry["streams"] {
  const named = new Set(streams.map(({ namespace, name }) => namespace ? `${namespace}.${name}` : name));
  const older = tables
    .filter(({ schema, table }) => !named.has(schema ? `${schema}.${table}` : table))
    .map(({ schema, table }) => ({
      name: table,
      ...(schema === undefined ? {} : { namespace: schema }),
      sync_mode: "incremental" as const,
    }));
  return [...streams, ...older];
}
