/** What content_router is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import {
  compileExpression,
  compileRegex,
  ExpressionError,
  expressionProblem,
} from "../_expression/expression.ts";
import { fieldText, fromScript } from "../_expression/spellings.ts";
import { regexProblems, selectionProblems, tables, topicRegex } from "../_shared/selection.ts";
import { upgradeKeys } from "../_shared/spellings.ts";
import { topicProblem, TopicTemplate } from "../_shared/topics.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const text = z.string().min(1);
const value = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const config = z.strictObject({
  routes: z.array(z.strictObject({
    field: text.optional().describe("The field that value, values or pattern are about: a column or a path"),
    value: value.optional().describe("The route is for rows whose field has this value"),
    values: z.array(value).min(1).optional().describe(
      "The route is for rows whose field has one of these values",
    ),
    pattern: text.optional().describe(
      "The route is for rows with a text in the field that this regular expression finds",
    ),
    condition: text.optional().describe(
      "The route is for rows for which this expression holds, as in filter",
    ),
    topic: text.describe(
      "The topic; with a pattern $1 or ${name} stand for its groups, $$ for a dollar sign",
    ),
  })).default([]).describe("The first route that is for a row decides"),
  topic_expression: text.optional().describe(
    "An expression that gives the topic, as in `op() = 'update' ? 'updates' : null`; where it gives null the routes " +
      "and default_topic decide",
  ),
  default_topic: text.optional().describe(
    "The topic of rows that no route is for. Left out: they stay where they are",
  ),
  tombstones: z.enum(["follow", "keep", "drop", "evaluate"]).default("follow").describe(
    "What becomes of tombstones: they go where their delete went; they stay where they are; they are dropped; the " +
      "routes are asked about the key",
  ),
  tables,
  topic_regex: topicRegex,
});

export type ContentRouterConfig = z.output<typeof config>;

const definition: TransformDefinition<ContentRouterConfig> = defineTransform({
  type: "content_router",
  aliases: { content_based_router: {} },
  title: "Route rows to topics by their values",
  summary: "Sets the topic of each row by its values",
  description:
    "Looks at the row after the change, of a delete at the row before it, so that both go to one topic as long as the " +
    "field does not change. A delete without the field stays where it is, or goes to default_topic. Truncations, " +
    "messages and schema changes stay where they are. A topic made of values that is no name of a topic makes the " +
    "record an error.",
  config,
  upgradeConfig(config) {
    const notes: string[] = [];
    let upgraded = config;
    const { field, routes, ...others } = config;
    if (typeof field === "string" && typeof routes === "object" && routes !== null) {
      upgraded = {
        ...others,
        routes: Array.isArray(routes)
          ? routes.map((route) => ({ field, ...route }))
          : Object.entries(routes).map(([value, topic]) => ({ field, value: plainValue(value), topic })),
      };
      notes.push("field and routes are a list of routes with a field each here");
    }
    const expression = upgraded["topic.expression"];
    if (typeof expression === "string") {
      const { "topic.expression": _, language, ...rest } = upgraded;
      upgraded = { ...rest, topic_expression: fromScript(expression) };
      notes.push("topic.expression is called topic_expression here");
      if (language !== undefined) {
        notes.push(`language: ${language} has no effect here: it is read as an expression`);
      }
    }
    const renamed = upgradeKeys(upgraded, {
      default: "default_topic",
      "topic.regex": "topic_regex",
      "null.handling.mode": "tombstones",
      null_handling_mode: "tombstones",
    });
    return { config: renamed.config, notes: [...notes, ...renamed.notes] };
  },
  checkConfig(config) {
    const problems = selectionProblems(config);
    if (config.routes.length === 0 && config.topic_expression === undefined) {
      problems.push({
        key: "routes",
        message: "There are no routes",
        hint: "Give routes or a topic_expression",
      });
    }
    config.routes.forEach((route, i) => problems.push(...routeProblems(route, `routes.${i}`)));
    if (config.topic_expression !== undefined) {
      problems.push(...expressionProblems("topic_expression", config.topic_expression));
    }
    problems.push(...topicProblems("default_topic", config.default_topic));
    return problems;
  },
  example,
});

type Problem = { key: string; message: string; hint?: string };

function routeProblems(route: ContentRouterConfig["routes"][number], key: string): Problem[] {
  const tests = (["value", "values", "pattern", "condition"] as const).filter((name) =>
    route[name] !== undefined
  );
  if (tests.length !== 1) {
    return [{
      key,
      message: "A route has one of value, values, pattern and condition",
      hint: "Make several routes",
    }];
  }
  if ((route.field === undefined) !== (tests[0] === "condition")) {
    return [{ key, message: "value, values and pattern go with a field, condition does not" }];
  }
  const problems: Problem[] = [];
  if (route.field !== undefined) problems.push(...expressionProblems(`${key}.field`, fieldText(route.field)));
  if (route.condition !== undefined) {
    return [
      ...expressionProblems(`${key}.condition`, route.condition),
      ...topicProblems(`${key}.topic`, route.topic),
    ];
  }
  if (route.pattern === undefined) return [...problems, ...topicProblems(`${key}.topic`, route.topic)];
  const wrong = regexProblems(`${key}.pattern`, route.pattern);
  if (wrong.length > 0) return [...problems, ...wrong];
  try {
    new TopicTemplate(route.topic, compileRegex(route.pattern));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    problems.push({ key: `${key}.topic`, message: error.message });
  }
  return problems;
}

function expressionProblems(key: string, text: string): Problem[] {
  try {
    compileExpression(text);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return [expressionProblem(key, error)];
  }
}

function topicProblems(key: string, topic: string | undefined): Problem[] {
  const message = topic === undefined ? undefined : topicProblem(topic);
  return message ? [{ key, message }] : [];
}

/** Names of a map are texts in YAML, also where they are meant as numbers and truth values. */
function plainValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

export default definition;
