/** Computes columns: the work of compute_field. Loaded by workers. */
import { ConnectorError } from "../../formats/data/errors.ts";
import { numberText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import { textOf } from "../_expression/calls.ts";
import { compileExpression, type Expression } from "../_expression/expression.ts";
import { microsText } from "../_expression/instants.ts";
import { fieldText } from "../_expression/spellings.ts";
import { asJson } from "../_shared/json_values.ts";
import { UntouchedParts, withParts } from "../_shared/parts.ts";
import { setMember, withColumn } from "../_shared/paths.ts";
import { eachRecord, isRow, isRowRecord } from "../_shared/records.ts";
import { selected } from "../_shared/selected.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { Computation, ComputeFieldConfig } from "./definition.ts";
import { hashValues, legacyHash, recordUuid } from "./identity.ts";
import { partOf } from "./parts.ts";

/** One computation, ready. */
interface Step {
  readonly target: string;
  /** The value for a record whose stream has the columns as they are at this step. */
  compute(record: DataRecord): Value | undefined;
  typeFor(stream: Stream): ColumnType;
  /** The expressions that it is made of; none for what belongs to the event and not to the row. */
  readonly sources: readonly Expression[];
  readonly isOfEvent: boolean;
}

/** What the steps mean for one stream: the stream that each of them sees, and the type that it gives. */
type Plan = readonly { readonly stream: Stream; readonly type: ColumnType }[];

export function openTransform(config: ComputeFieldConfig, context: TransformContext): Transform {
  const steps = config.computations.map((one) => stepOf(one, context));
  const plans = new WeakMap<Stream, Plan>();
  const targets = new Set(steps.map(({ target }) => target));
  const untouched = new UntouchedParts();
  const toAfter = config.apply_to.includes("after"), toBefore = config.apply_to.includes("before");
  return {
    matches: selected({ tables: config.tables }),
    stream(stream) {
      const plan: { stream: Stream; type: ColumnType }[] = [];
      let made = stream;
      for (const step of steps) {
        checkTarget(stream, step.target);
        const type = columnType(made, step.target, step.typeFor(made));
        plan.push({ stream: made, type });
        if (made.columns) {
          made = { ...made, columns: withColumn(made.columns, { name: step.target, type, nullable: true }) };
        }
      }
      // Of a stream without columns too, so that the plan is found by it.
      if (made === stream) made = { ...stream };
      plans.set(made, plan);
      untouched.note(stream, made);
      return made;
    },
    apply: eachRecord((record) => {
      const plan = plans.get(record.stream);
      if (!plan || !isRowRecord(record)) return record;
      const { before, after } = record;
      const change = (part: "after" | "before", row: Row) => {
        const isWanted = part === "after" ? toAfter : toBefore;
        return untouched.change(isWanted ? computed(steps, plan, record, part, row) : row, record.stream);
      };
      const newAfter = isRow(after) ? change("after", after) : after;
      const newBefore = before && change("before", before);
      const unavailable = record.unavailable?.filter((name) =>
        !targets.has(name) || !isRow(newAfter) || !Object.hasOwn(newAfter, name)
      );
      return withParts(
        record,
        record.key,
        newBefore,
        newAfter,
        unavailable?.length === record.unavailable?.length ? record.unavailable : unavailable,
      );
    }),
  };
}

/** Types whose values are texts. */
const TEXT_KINDS: readonly string[] = [
  "string",
  "uuid",
  "enum",
  "set",
  "decimal",
  "date",
  "interval",
  "time",
  "timetz",
  "timestamp",
  "timestamptz",
];

/**
 * The type of a computed column. Where it takes the place of another one the row before a change may keep that one's
 * value, and one column describes both: then nothing is said of it, unless both are texts.
 */
function columnType({ columns }: Stream, target: string, computed: ColumnType): ColumnType {
  const old = columns?.find(({ name }) => name === target)?.type;
  const isSame = old === undefined || JSON.stringify(old) === JSON.stringify(computed);
  if (isSame || (computed.kind === "string" && TEXT_KINDS.includes(old.kind))) return computed;
  return { kind: "unknown" };
}

function checkTarget(stream: Stream, target: string): void {
  if (!stream.key.includes(target)) return;
  throw new ConnectorError(`Cannot compute "${target}" of ${qualifiedName(stream)}: it belongs to the key`, {
    code: "config_key_column",
    hint: "Give the value to another column, and make that the key with value_to_key",
  });
}

/** The row with its new columns. */
function computed(
  steps: readonly Step[],
  plan: Plan,
  record: DataRecord,
  part: "before" | "after",
  row: Row,
): Row {
  const made: Record<string, Value> = { ...row };
  const isOnlyRow = part === "after" || record.operation === "delete";
  const seen: { -readonly [Name in keyof DataRecord]: DataRecord[Name] } = part === "after"
    ? { ...record, after: made }
    : {
      ...record,
      operation: isOnlyRow ? record.operation : "delete",
      before: made,
      after: undefined,
      unavailable: undefined,
    };
  steps.forEach((step, i) => {
    if (step.isOfEvent ? !isOnlyRow : part === "before" && !isComputable(step, made, isOnlyRow)) return;
    seen.stream = plan[i].stream;
    const value = step.compute(seen);
    // What can't be said of the whole row because a column was not sent is not said.
    if (value === undefined) return;
    setMember(made, step.target, valueFor(value, plan[i].type));
  });
  return made;
}

/** Has the row before the change what it takes? An update's has no row after it that one could ask about. */
function isComputable({ sources }: Step, row: Row, isOnlyRow: boolean): boolean {
  return sources.every((source) =>
    source.isKnown(row) && (isOnlyRow || !source.needs.before && !source.needs.after)
  );
}

/** The value in the form that a column of the type has. */
function valueFor(value: Value, type: ColumnType): Value {
  switch (type.kind) {
    case "int64":
    case "uint64":
      return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    case "float64":
    case "float32":
      return typeof value === "bigint" ? Number(value) : value;
    case "decimal":
      return typeof value === "number"
        ? numberText(value)
        : typeof value === "bigint"
        ? String(value)
        : value;
    case "unknown":
    case "json":
      return asJson(value);
    default:
      return value;
  }
}

// ---- what can be computed -----------------------------------------------------------------------------------------

const TEXT: ColumnType = { kind: "string" };

function stepOf(one: Computation, context: TransformContext): Step {
  const { target } = one;
  const { nowMicros } = context;
  const expression = (text: string): Step => {
    const source = compileExpression(text, { nowMicros });
    return {
      target,
      compute: (record) => source.evaluate(record) ?? null,
      typeFor: (stream) => source.typeFor(stream) ?? { kind: "unknown" },
      sources: [source],
      isOfEvent: false,
    };
  };
  switch (one.type) {
    case "expression":
      return expression(one.expression);
    case "upper":
    case "lower":
      return expression(`${one.type}(${fieldText(one.source)})`);
    case "coalesce":
      return expression(`coalesce(${one.fields.map(fieldText).join(", ")})`);
    case "concat":
      return concatStep(one, context);
    case "hash": {
      const sources = one.fields.map((field) => compileExpression(fieldText(field)));
      const { key, legacy } = one;
      const compute = (record: DataRecord) => {
        const values = sources.map((source) => source.evaluate(record));
        return legacy ? legacyHash(values) : hashValues(values, key);
      };
      return { target, compute, typeFor: () => TEXT, sources, isOfEvent: false };
    }
    case "uuid": {
      const compute = (record: DataRecord) => recordUuid(record, one.version, context.random);
      return { target, compute, typeFor: () => ({ kind: "uuid" }), sources: [], isOfEvent: true };
    }
    case "timestamp": {
      const compute = () => microsText(nowMicros());
      return {
        target,
        compute,
        typeFor: () => ({ kind: "timestamptz", precision: 6 }),
        sources: [],
        isOfEvent: true,
      };
    }
  }
}

function concatStep(one: Extract<Computation, { type: "concat" }>, context: TransformContext): Step {
  const parts = one.parts.map((written) => {
    const { field, literal, maybeColumn } = partOf(written);
    const name = field ?? (maybeColumn ? literal : undefined);
    return {
      literal,
      name,
      source: name === undefined ? undefined : compileExpression(fieldText(name)),
      isField: field !== undefined,
    };
  });
  return {
    target: one.target,
    compute(record) {
      let text = "";
      for (const { literal, source, isField } of parts) {
        const value = source?.evaluate(record);
        text += textOf(value) ?? (isField || value !== undefined ? "" : literal ?? "");
      }
      return text;
    },
    typeFor(stream) {
      for (const { name, isField, source } of parts) {
        const unknown = isField &&
          stream.columns?.every((column) => !source!.columns.includes(column.name) && column.name !== name);
        if (unknown) {
          context.log.warn(
            `${
              qualifiedName(stream)
            } has no column "${name}", so that it counts as empty; a text is written {literal: …}`,
          );
        }
      }
      return TEXT;
    },
    sources: parts.flatMap(({ source, isField }) => isField && source ? [source] : []),
    isOfEvent: false,
  };
}
