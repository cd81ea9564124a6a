/**
 * Chains of transforms as plain data: what transform_config.ts makes of the pipeline file, `plan` prints and chain.ts
 * opens in the worker.
 */
import type { Operation } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import type { OnError } from "../dead_letters/dead_letter.ts";

/** One place in a chain: a transform, or a fork into two chains. */
export type PlannedStep = PlannedTransform | PlannedFork;

export interface PlannedTransform {
  readonly kind: "transform";
  /** Its name in the file, or its type and place: `cast #2`. */
  readonly name: string;
  /** The canonical type, an alias already resolved: the folder under transforms/. */
  readonly type: string;
  /** Validated, defaults filled in: plain data, with secrets in clear. */
  readonly config: unknown;
  /** Other records pass untransformed. */
  readonly predicate?: PlannedPredicate;
  /** What becomes of a record that it can't handle; undefined: what the flow says. */
  readonly onError?: OnError | "pass";
  /** It hides something. */
  readonly protects: boolean;
  /** The dead letter of such a record holds no row: this transform, or one behind it, hides something. */
  readonly withoutRow: boolean;
  /** Records may leave it without an envelope. */
  readonly unwraps?: true;
  /** Rows hold their key in clear behind it. */
  readonly namesKey?: true;
  /** It may hide columns of the key. */
  readonly hidesKey?: true;
}

/** Records for which `when` holds go through `then`, the others through `otherwise`. */
export interface PlannedFork {
  readonly kind: "fork";
  readonly name: string;
  readonly predicate?: PlannedPredicate;
  readonly when: PlannedPredicate;
  readonly then: readonly PlannedStep[];
  readonly otherwise: readonly PlannedStep[];
}

/** Which records a transform is for: all of what is said must hold. Patterns are regular expressions, unanchored. */
export interface PlannedPredicate {
  /** Any of them finds the table's bare name; with `=` in front it is the name. */
  readonly tables?: readonly string[];
  readonly schemas?: readonly string[];
  readonly databases?: readonly string[];
  readonly topics?: readonly string[];
  readonly operations?: readonly Operation[];
  readonly isTombstone?: boolean;
  /** A member of `after`, or of `before` where there is no `after`. */
  readonly fieldExists?: string;
  readonly fieldValue?: { readonly field: string; readonly value: Value };
  readonly hasHeader?: string;
  /** An expression, as in `filter`. */
  readonly condition?: string;
  readonly anyOf?: readonly PlannedPredicate[];
  readonly allOf?: readonly PlannedPredicate[];
  /** Turns the whole around. */
  readonly negate?: boolean;
}

/** Every transform of a chain, those inside of forks too, in order. */
export function* transformsOf(steps: readonly PlannedStep[]): Iterable<PlannedTransform> {
  for (const step of steps) {
    if (step.kind === "transform") yield step;
    else {
      yield* transformsOf(step.then);
      yield* transformsOf(step.otherwise);
    }
  }
}

/** A flow's own chain: where a transform says nothing about records that it can't handle, the flow does. */
export function forFlow(steps: readonly PlannedStep[]): readonly PlannedStep[] {
  return hidingRows(steps, false);
}

/** A source's chain: several flows share it, so that without a word of its own a transform stops. */
export function forSource(
  steps: readonly PlannedStep[],
  flows: readonly { readonly transforms: readonly PlannedStep[] }[],
): readonly PlannedStep[] {
  const behind = flows.some(({ transforms }) => protectsAny(transforms));
  return hidingRows(steps, behind, "stop");
}

/** @param behind something behind these steps hides a part of the row, which a dead letter must not hold either */
function hidingRows(
  steps: readonly PlannedStep[],
  behind: boolean,
  onError?: OnError,
): readonly PlannedStep[] {
  return steps.toReversed().map((step): PlannedStep => {
    const hides = behind;
    behind ||= protectsAny([step]);
    if (step.kind === "fork") {
      const then = hidingRows(step.then, hides, onError);
      return { ...step, then, otherwise: hidingRows(step.otherwise, hides, onError) };
    }
    const decided = step.onError ?? onError;
    return { ...step, withoutRow: step.protects || hides, ...(decided ? { onError: decided } : {}) };
  }).toReversed();
}

/** A transform that hides columns of the key behind one that has written the key into rows; the first such two. */
export function keyInClear(
  steps: readonly PlannedStep[],
): { readonly names: PlannedTransform; readonly hides: PlannedTransform } | undefined {
  let found: { names: PlannedTransform; hides: PlannedTransform } | undefined;
  const walk = (steps: readonly PlannedStep[], before: PlannedTransform | undefined) => {
    let names = before;
    for (const step of steps) {
      if (step.kind === "fork") {
        const then = walk(step.then, names), otherwise = walk(step.otherwise, names);
        names = then ?? otherwise;
        continue;
      }
      if (names !== undefined && step.hidesKey) found ??= { names, hides: step };
      if (step.namesKey) names ??= step;
    }
    return names;
  };
  walk(steps, undefined);
  return found;
}

/** Does one of them hide something? */
export function protectsAny(steps: readonly PlannedStep[]): boolean {
  return [...transformsOf(steps)].some(({ protects }) => protects);
}
