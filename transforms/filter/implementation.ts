/** Keeps and drops records by a condition: the work of filter. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row } from "../../formats/data/value.ts";
import { compileExpression, type Expression } from "../_expression/expression.ts";
import { LastDelete } from "../_shared/deletes.ts";
import { eachRecord, isRow } from "../_shared/records.ts";
import { selected } from "../_shared/selected.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { FilterConfig } from "./definition.ts";

export function openTransform(config: FilterConfig, context: TransformContext): Transform {
  const judge = new Judge(config, context);
  let dropped = 0;
  const apply = eachRecord((record) => {
    const kept = judge.decide(record);
    if (kept === undefined) dropped++;
    return kept;
  });
  return {
    matches: selected(config),
    apply(records, reject) {
      dropped = 0;
      const kept = apply(records, reject);
      if (dropped > 0) context.metrics.add("records_filtered_total", dropped);
      return kept;
    },
  };
}

class Judge {
  readonly #config: FilterConfig;
  readonly #context: TransformContext;
  readonly #condition: Expression | undefined;
  readonly #lastDelete = new LastDelete<boolean>();

  constructor(config: FilterConfig, context: TransformContext) {
    this.#config = config;
    this.#context = context;
    this.#condition = config.condition === undefined ? undefined : compileExpression(config.condition, {
      nowMicros: context.nowMicros,
      onMissing: config.on_missing_field,
    });
  }

  /** What is left of a record; undefined: nothing. */
  decide(record: DataRecord): DataRecord | undefined {
    switch (record.operation) {
      case "insert":
      case "snapshot":
      case "record":
        return this.#stays(record) ? record : undefined;
      case "update":
        return this.#config.row_transition === "synthesize"
          ? this.#update(record)
          : this.#stays(record)
          ? record
          : undefined;
      case "delete": {
        const stays = this.#deleteStays(record);
        this.#lastDelete.remember(record, stays);
        return stays ? record : undefined;
      }
      case "tombstone":
        return this.#tombstoneStays(record) ? record : undefined;
      default: {
        const { non_row_events: policy } = this.#config;
        return policy === "pass" || policy === "evaluate" && this.#stays(record) ? record : undefined;
      }
    }
  }

  #stays(record: DataRecord): boolean {
    const holds = this.#condition === undefined || this.#condition.test(record) === true;
    return holds !== this.#config.drop;
  }

  #deleteStays(record: DataRecord): boolean {
    const { before } = record;
    if (this.#condition === undefined || before && this.#condition.isKnown(before)) {
      return this.#stays(record);
    }
    if (before === undefined && this.#condition.columns.length === 0) return this.#stays(record);
    const { delete_policy: policy } = this.#config;
    if (policy === "evaluate") return this.#stays(record);
    this.#context.metrics.add("deletes_unjudged_total");
    return policy === "pass";
  }

  #tombstoneStays(record: DataRecord): boolean {
    switch (this.#config.tombstones) {
      case "follow":
        return this.#lastDelete.of(record) ?? true;
      case "evaluate":
        return this.#stays(record);
      default:
        return this.#config.tombstones === "keep";
    }
  }

  /** An update with which a row leaves or enters what stays is a delete or an insert for those behind. */
  #update(record: DataRecord): DataRecord | undefined {
    const { before, after } = record;
    const stays = this.#stays(record);
    if (!before || !isRow(after) || !this.#condition?.isKnown(before)) return stays ? record : undefined;
    const stayed = this.#stays({ ...record, operation: "delete", after: undefined });
    if (stayed === stays) return stays ? record : undefined;
    if (stayed) return { ...record, operation: "delete", after: undefined, unavailable: undefined };
    return { ...record, operation: "insert", before: undefined, ...completed(record, before, after) };
  }
}

/** A new row has no old one to take unchanged columns from: they are filled in as far as the old row has them. */
function completed(
  { unavailable }: DataRecord,
  before: Row,
  after: Row,
): Pick<DataRecord, "after" | "unavailable"> {
  const known = unavailable?.filter((name) => Object.hasOwn(before, name)) ?? [];
  if (known.length === 0) return { after, unavailable };
  const rest = unavailable!.filter((name) => !known.includes(name));
  const filled = { ...after };
  for (const name of known) {
    Object.defineProperty(filled, name, {
      value: before[name],
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return { after: filled, unavailable: rest.length > 0 ? rest : undefined };
}
