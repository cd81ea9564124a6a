/** Sets topics by the values of rows: the work of content_router. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import { compileExpression, compileRegex } from "../_expression/expression.ts";
import { fieldText } from "../_expression/spellings.ts";
import { jsonEquality } from "../_expression/equality.ts";
import { routeRecords } from "../_shared/routing.ts";
import { selected } from "../_shared/selected.ts";
import { routedTopicOfRow, TopicTemplate } from "../_shared/topics.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { ContentRouterConfig } from "./definition.ts";

/** The topic for a record; undefined: the next one is asked. */
type Route = (record: DataRecord) => string | undefined;

export function openTransform(config: ContentRouterConfig, context: TransformContext): Transform {
  const { default_topic, tombstones } = config;
  const routes = config.routes.map((route) => routeOf(route, context));
  if (config.topic_expression !== undefined) {
    routes.unshift(expressionRoute(config.topic_expression, context));
  }
  const topicOf: Route = (record) => {
    for (const route of routes) {
      const topic = route(record);
      if (topic !== undefined) return routedTopicOfRow(topic);
    }
    return default_topic;
  };
  return { matches: selected(config), apply: routerFor(tombstones, topicOf) };
}

function routerFor(
  tombstones: ContentRouterConfig["tombstones"],
  topicOf: Route,
): NonNullable<Transform["apply"]> {
  switch (tombstones) {
    case "follow":
      return routeRecords(topicOf);
    case "keep":
      return routeRecords(rowsOnly(topicOf), { tombstonesFollow: false });
    case "evaluate":
      return routeRecords(topicOf, { tombstonesFollow: false });
    case "drop": {
      const route = routeRecords(topicOf);
      return (records, reject) => route(records.filter(({ operation }) => operation !== "tombstone"), reject);
    }
  }
}

function rowsOnly(topicOf: Route): Route {
  return (record) => record.operation === "tombstone" ? undefined : topicOf(record);
}

function routeOf(route: ContentRouterConfig["routes"][number], context: TransformContext): Route {
  const { topic } = route;
  if (route.condition !== undefined) {
    const condition = compileExpression(route.condition, { nowMicros: context.nowMicros });
    return (record) => condition.test(record) === true ? topic : undefined;
  }
  const field = compileExpression(fieldText(route.field!));
  if (route.pattern === undefined) {
    const isOne = jsonEquality(field, route.values ?? [route.value ?? null]);
    return (record) => isOne(record) ? topic : undefined;
  }
  const pattern = compileRegex(route.pattern);
  const template = new TopicTemplate(topic, pattern);
  return (record) => {
    const value = field.evaluate(record);
    const match = typeof value === "string" ? pattern.exec(value) : null;
    return match ? template.expand(match) : undefined;
  };
}

function expressionRoute(text: string, context: TransformContext): Route {
  const expression = compileExpression(text, { nowMicros: context.nowMicros });
  return (record) => {
    const topic = expression.evaluate(record);
    return typeof topic === "string" ? topic : undefined;
  };
}
