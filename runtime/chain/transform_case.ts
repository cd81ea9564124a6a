/**
 * A case of a transform: some records, the transforms they go through, and what is expected of them, in the notation
 * of transforms/README.md. The examples of transforms are such cases; commands that try transforms build on it.
 */
import { parse } from "yaml";
import type { Source } from "../../connectors/contract.ts";
import { type Batch, batchFromData, batchFromRecords, type Origin } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { differences, type Outcome } from "../../transforms/_testing/compare.ts";
import { Notation, type Written, type WrittenColumns } from "../../transforms/_testing/notation.ts";
import type { TransformDefinition } from "../../transforms/contract.ts";
import { implementations } from "../../transforms/implementations.gen.ts";
import { openChain } from "./chain.ts";
import { forFlow, type PlannedStep } from "./chain_plan.ts";
import { systemClock } from "../clock.ts";
import { conditionTest } from "./condition.ts";
import { inOrder, type Path, type Problem, type Report, reporter } from "../config/problem.ts";
import { routed, type TopicRouting } from "../topic_routing.ts";
import { TransformReader } from "../config/transform_config.ts";
import type { VariableSources } from "../config/variables.ts";
import { isMap, YamlDocument } from "../config/yaml_document.ts";

export interface TransformCase {
  readonly steps: readonly PlannedStep[];
  readonly given: readonly DataRecord[];
  readonly expect: readonly Written[];
  readonly rejected: readonly Written[];
}

export interface ReadCaseOptions extends VariableSources {
  readonly file: string;
  readonly definitions: readonly TransformDefinition[];
}

/** Keys of a case. */
const KEYS: readonly string[] = ["transforms", "predicates", "columns", "given", "expect", "rejected"];

/** Reads a case from YAML; without one where there are problems. */
export function readCase(
  text: string,
  options: ReadCaseOptions,
): { readonly case?: TransformCase; readonly problems: readonly Problem[] } {
  const document = new YamlDocument(options.file, text, options);
  const problems: Problem[] = [...document.problems];
  const report = reporter(problems, (path, onKey) => document.place(path, onKey));
  const result = (made?: TransformCase) => ({
    case: problems.some(({ severity }) => severity === "error") ? undefined : made,
    problems: inOrder(problems),
  });
  if (!isMap(document.value)) {
    if (problems.length === 0) {
      report({ path: [], message: "A case is a map of transforms, given and expect" });
    }
    return result();
  }
  for (const key of Object.keys(document.value)) {
    if (KEYS.includes(key)) continue;
    report({
      path: [key],
      onKey: true,
      message: `Unknown key "${key}"`,
      hint: `A case has ${KEYS.join(", ")}`,
    });
  }
  const steps = new TransformReader(document, {
    definitions: options.definitions,
    allowUnknownKeys: false,
    env: options.env,
    readFile: options.readFile,
    secrets: new Set(),
    report,
  }).list(["transforms"]);
  // Once more, since records are data, in which nothing is filled in and integers keep all digits.
  const records = readRecords(parse(text, { intAsBigInt: true }), [], report);
  return result(steps && records && { steps: forFlow(steps), ...records });
}

/** The records of a case: `columns`, `given`, `expect` and `rejected` of a map that stands at `path`. */
export function readRecords(
  { columns, given, expect, rejected }: Record<string, unknown>,
  path: Path,
  report: Report,
): Omit<TransformCase, "steps"> | undefined {
  const list = (key: string, value: unknown) => {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value as Written[];
    report({ path: [...path, key], message: `"${key}" must be a list` });
    return [];
  };
  let notation: Notation;
  try {
    notation = new Notation(columns as WrittenColumns | undefined ?? {});
  } catch (error) {
    report({ path: [...path, "columns"], message: messageOf(error) });
    return undefined;
  }
  const records = list("given", given).flatMap((written, i) => {
    try {
      return [notation.record(written)];
    } catch (error) {
      report({ path: [...path, "given", i], message: messageOf(error) });
      return [];
    }
  });
  return { given: records, expect: list("expect", expect), rejected: list("rejected", rejected) };
}

/** Who has written the records of a case. */
const ORIGIN: Origin = { connector: "test", name: "test", version: "0.0.0" };

/**
 * Runs records through a chain as one batch, from bytes, as in a worker.
 *
 * @param routing what decides on their topics before
 * @throws {ConnectorError} what stops a chain
 */
export async function runThrough(
  steps: readonly PlannedStep[],
  records: readonly DataRecord[],
  origin: Origin = ORIGIN,
  routing?: TopicRouting,
): Promise<Outcome & { readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  await using chain = await openChain(steps, {
    implementations,
    compileCondition: (text) => conditionTest(text, systemClock.nowMicros),
    context: {
      origin,
      log: { warn: (message) => void warnings.push(message) },
      metrics: { add: () => {} },
      nowMicros: systemClock.nowMicros,
      random: Math.random,
    },
  });
  const head = { lane: "stream", position: { v: 1 }, layout: "standard", readAtMicros: 0n, origin } as const;
  const batch = batchFromData(batchFromRecords(head, records).encoded());
  const { batch: made, rejected } = await chain.run(await routedBatch(batch, routing));
  return {
    records: made.records,
    rejected: rejected.map(({ letter: { order, code } }) => ({ order, code })),
    warnings,
  };
}

/** The batch with the topics that a pipeline's source would give it. */
async function routedBatch(batch: Batch, routing: TopicRouting | undefined): Promise<Batch> {
  const source: Source = {
    read: () => ReadableStream.from([batch]),
    acknowledge: () => Promise.resolve(),
    check: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const state = { get: () => Promise.resolve(undefined), put: () => Promise.resolve() };
  const batches = routed(source, routing, { name: "test", log, state, preview: true });
  for await (const one of batches.read(undefined, new AbortController().signal)) return one;
  return batch;
}

/**
 * Runs a case.
 *
 * @returns what differs, a line for each
 * @throws {SyntaxError} when what it expects can't be understood
 */
export async function runCase({ steps, given, expect, rejected }: TransformCase): Promise<string[]> {
  const outcome = await runThrough(steps, given);
  return differences(outcome, { records: expect, rejected, given });
}

function messageOf(error: unknown): string {
  if (error instanceof SyntaxError || error instanceof TypeError) return error.message;
  throw error;
}
