/**
 * Chains of transforms as plain data: what transform_config.ts makes of the pipeline file, `plan` prints and chain.ts
 * opens in the worker.
 */
import type { Operation } from "../formats/data/record.ts";
import type { Value } from "../formats/data/value.ts";
import type { OnError } from "./dead_letter.ts";

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
  /** The dead letter of such a record holds no row: this transform, or one behind it, hides something. */
  readonly withoutRow: boolean;
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
