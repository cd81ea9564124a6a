/** What records of a flow go through, in words and as data without secrets: for plan.ts. */
import { valueText } from "../formats/data/json_value.ts";
import { type PlannedPredicate, type PlannedStep, transformsOf } from "../runtime/chain/chain_plan.ts";
import type { PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { findTransform } from "../runtime/config/transform_registry.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import { maskSecrets } from "./fields.ts";

/** Rows of name and text; none for a flow without transforms. */
export function transformRows(source: PlannedSource, flow: PlannedFlow): string[][] {
  const steps = [...source.transforms, ...flow.transforms];
  return steps.map((step, i) => [i === 0 ? "transforms" : "", `${i + 1}. ${stepText(step)}`]);
}

function stepText(step: PlannedStep): string {
  const only = step.predicate ? `, only ${predicateText(step.predicate)}` : "";
  if (step.kind === "fork") {
    const ways = [["then", step.then], ["else", step.otherwise]] as const;
    const texts = ways.filter(([, steps]) => steps.length > 0)
      .map(([word, steps]) => `${word} ${steps.map(stepText).join(", then ")}`);
    return `${step.name}${only}: when ${predicateText(step.when)} ${texts.join("; ")}`;
  }
  const type = step.name.startsWith(step.type) ? "" : ` (${step.type})`;
  const onError = step.onError ? `; on error ${step.onError}` : "";
  return `${step.name}${type}${only}${onError}`;
}

function predicateText(predicate: PlannedPredicate): string {
  const { tables, schemas, databases, topics, operations } = predicate;
  const { isTombstone, fieldExists, fieldValue, hasHeader, condition, anyOf, allOf } = predicate;
  const lists = Object.entries({
    table: tables,
    schema: schemas,
    database: databases,
    topic: topics,
    operation: operations,
  });
  const parts = [
    ...lists.flatMap(([word, list]) => list ? [`${word} ${list.join(" or ")}`] : []),
    ...(isTombstone === undefined ? [] : [isTombstone ? "tombstones" : "no tombstones"]),
    ...(fieldExists === undefined ? [] : [`with field ${fieldExists}`]),
    ...(fieldValue === undefined ? [] : [`where ${fieldValue.field} is ${valueText(fieldValue.value)}`]),
    ...(hasHeader === undefined ? [] : [`with header ${hasHeader}`]),
    ...(condition === undefined ? [] : [`where ${condition}`]),
    ...(anyOf === undefined ? [] : [`any of (${anyOf.map(predicateText).join(" or ")})`]),
    ...(allOf ?? []).map(predicateText),
  ];
  return predicate.negate ? `not (${parts.join(" and ")})` : parts.join(" and ");
}

/** The same steps, with `***` where their configs hold secrets. */
export function maskedSteps(
  steps: readonly PlannedStep[],
  definitions: readonly TransformDefinition[],
): readonly PlannedStep[] {
  return steps.map((step) => {
    if (step.kind === "transform") return { ...step, config: maskedConfig(step, definitions) };
    const { then, otherwise } = step;
    return { ...step, then: maskedSteps(then, definitions), otherwise: maskedSteps(otherwise, definitions) };
  });
}

function maskedConfig(
  { type, config }: { type: string; config: unknown },
  definitions: readonly TransformDefinition[],
): unknown {
  const found = findTransform(definitions, type);
  return found ? maskSecrets(config, found.definition) : config;
}

/** Name and masked config of every transform of a chain. */
export function transformConfigs(
  steps: readonly PlannedStep[],
  definitions: readonly TransformDefinition[],
): { name: string; config: unknown }[] {
  return [...transformsOf(steps)].map((step) => ({
    name: step.name,
    config: maskedConfig(step, definitions),
  }));
}
