/**
 * Selectors with what is to be done to each field, applied to rows: which columns of a stream are meant, and a row
 * rewritten in them. Used by every transform that protects columns.
 */
import { hasNames, isRow } from "../_shared/records.ts";
import { parseJson, valueText } from "../../formats/data/json_value.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { NameTest, Selector } from "./selector.ts";

/** A selector, and what happens to what it selects. */
export interface FieldEntry<Action> {
  readonly selector: Selector;
  readonly action: Action;
}

/** Gives the new value of a field. `path`: names from the column inwards; arrays have none. */
export type ChangeField<Action> = (value: Value, action: Action, path: readonly string[]) => Value;

/** What happens to one column: the whole of it, or fields inside. */
export interface ColumnRule<Action> {
  readonly whole?: Action;
  readonly inside: readonly { readonly path: readonly NameTest[]; readonly action: Action }[];
}

/** Rows with the same names, and what happens to which of them. */
interface RowShape<Action> {
  readonly names: readonly string[];
  readonly rules: readonly { readonly path: readonly [string]; readonly rule: ColumnRule<Action> }[];
}

/** Rows of a stream have few shapes: the key's, and that of the row before and after. */
const SHAPES = 4;

const MAX_RULES = 10_000;

/** Types that an object may be found in; a text may hold one as JSON. */
const HOLDS_FIELDS: ReadonlySet<ColumnType["kind"]> = new Set([
  "json",
  "unknown",
  "struct",
  "map",
  "array",
  "string",
]);

/** The entries as they apply to one stream. The first that selects a field counts; a whole column before parts of it. */
export class StreamFields<Action> {
  readonly #paths: readonly { readonly path: readonly NameTest[]; readonly entry: FieldEntry<Action> }[];
  readonly #rules = new Map<string, ColumnRule<Action> | undefined>();
  /** Can no row of the stream have such a field? */
  readonly isEmpty: boolean;
  /** Of the last rows. */
  #shapes: readonly RowShape<Action>[] = [];

  constructor(entries: readonly FieldEntry<Action>[], readonly stream: Stream) {
    this.#paths = entries.flatMap((entry) => entry.selector.pathsIn(stream).map((path) => ({ path, entry })));
    const { columns } = stream;
    this.isEmpty = this.#paths.length === 0 ||
      columns !== undefined && columns.every((column) => this.ruleFor(column) === undefined);
  }

  /** What happens to a column; undefined: nothing. */
  rule(column: string): ColumnRule<Action> | undefined {
    if (this.#rules.has(column)) return this.#rules.get(column);
    const fitting = this.#paths.filter(({ path }) => path[0](column));
    const whole = fitting.find(({ path }) => path.length === 1)?.entry.action;
    const inside = fitting.filter(({ path }) => path.length > 1)
      .map(({ path, entry }) => ({ path: path.slice(1), action: entry.action }));
    const rule = fitting.length === 0 ? undefined : { whole, inside };
    // Payloads without columns may have names without end.
    if (this.#rules.size >= MAX_RULES) this.#rules.clear();
    this.#rules.set(column, rule);
    return rule;
  }

  /** The same for a column with a type: a number has no fields inside. */
  ruleFor({ name, type }: Column): ColumnRule<Action> | undefined {
    const rule = this.rule(name);
    return rule?.whole === undefined && !HOLDS_FIELDS.has(type.kind) ? undefined : rule;
  }

  /** Whether an entry selects a column of the stream, or something inside one that can hold it. */
  finds({ selector }: FieldEntry<Action>): boolean {
    const paths = selector.pathsIn(this.stream);
    return (this.stream.columns ?? []).some(({ name, type }) =>
      paths.some((path) => path[0](name) && (path.length === 1 || HOLDS_FIELDS.has(type.kind)))
    );
  }

  /** The row with its fields changed; the same object where there are none. */
  changeRow(row: Row, change: ChangeField<Action>): Row {
    let out: Record<string, Value> | undefined;
    for (const { path, rule } of this.#shapeOf(row).rules) {
      const [name] = path;
      const value = row[name];
      if (value === undefined) continue;
      const changed = rule.whole !== undefined
        ? change(value, rule.whole, path)
        : changeInside(value, rule.inside, path, change);
      if (changed === value) continue;
      out ??= { ...row };
      out[name] = changed;
    }
    return out ?? row;
  }

  #shapeOf(row: Row): RowShape<Action> {
    for (const shape of this.#shapes) if (hasNames(row, shape.names)) return shape;
    const names = Object.keys(row);
    const rules = names.flatMap((name) => {
      const rule = this.rule(name);
      return rule === undefined ? [] : [{ path: [name] as const, rule }];
    });
    const shape = { names, rules };
    this.#shapes = [shape, ...this.#shapes.slice(0, SHAPES - 1)];
    return shape;
  }

  /** A payload of any form: a row, or rows in an array; other values have no fields. */
  changePayload(value: Value, change: ChangeField<Action>): Value {
    if (isRow(value)) return this.changeRow(value, change);
    if (Array.isArray(value)) return mapSame(value, (item) => this.changePayload(item, change));
    return typeof value === "string" ? changeText(value, (json) => this.changePayload(json, change)) : value;
  }
}

function changeInside<Action>(
  value: Value,
  fields: ColumnRule<Action>["inside"],
  path: readonly string[],
  change: ChangeField<Action>,
): Value {
  if (Array.isArray(value)) return mapSame(value, (item) => changeInside(item, fields, path, change));
  if (typeof value === "string") return changeText(value, (json) => changeInside(json, fields, path, change));
  if (!isRow(value)) return value;
  let out: Record<string, Value> | undefined;
  for (const name in value) {
    const fitting = fields.filter((field) => field.path[0](name));
    if (fitting.length === 0) continue;
    const whole = fitting.find((field) => field.path.length === 1);
    const inner = [...path, name];
    const changed = whole !== undefined ? change(value[name], whole.action, inner) : changeInside(
      value[name],
      fitting.map(({ path, action }) => ({ path: path.slice(1), action })),
      inner,
      change,
    );
    if (changed === value[name]) continue;
    out ??= { ...value };
    out[name] = changed;
  }
  return out ?? value;
}

/** A text that holds a JSON object or array, as of a text column: the fields inside it are changed too. */
function changeText(text: string, change: (json: Value) => Value): Value {
  if (!/^\s*[[{]/.test(text)) return text;
  let json: Value;
  try {
    json = parseJson(text, true);
  } catch {
    return text;
  }
  const changed = change(json);
  return changed === json ? text : valueText(changed);
}

function mapSame(items: readonly Value[], change: (item: Value) => Value): readonly Value[] {
  let out: Value[] | undefined;
  items.forEach((item, i) => {
    const changed = change(item);
    if (changed !== item) (out ??= [...items])[i] = changed;
  });
  return out ?? items;
}

/** How a column's type changes when fields of it do. */
export function changedType<Action>(
  type: ColumnType,
  fields: ColumnRule<Action>["inside"],
  changeLeaf: (column: Column, action: Action) => Column,
): ColumnType {
  switch (type.kind) {
    case "array":
      return { kind: "array", items: changedType(type.items, fields, changeLeaf) };
    case "struct":
      return { kind: "struct", fields: type.fields.map((field) => changedField(field, fields, changeLeaf)) };
    case "map":
      return { kind: "json" };
    default:
      return type;
  }
}

function changedField<Action>(
  field: Column,
  fields: ColumnRule<Action>["inside"],
  changeLeaf: (column: Column, action: Action) => Column,
): Column {
  const fitting = fields.filter(({ path }) => path[0](field.name));
  if (fitting.length === 0) return field;
  const whole = fitting.find(({ path }) => path.length === 1);
  if (whole !== undefined) return changeLeaf(field, whole.action);
  const inner = fitting.map(({ path, action }) => ({ path: path.slice(1), action }));
  return { ...field, type: changedType(field.type, inner, changeLeaf) };
}
