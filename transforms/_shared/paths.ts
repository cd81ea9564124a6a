/**
 * Fields as people write them: `email`, `address.city`, `"odd.name"`, `items.price`, `*_at`. Finds, changes, puts and
 * removes values of rows by them, and does the same with the columns of a stream. Rows are copied, never changed;
 * a plain name of a top-level field, by far the most frequent, takes a short way.
 */
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import { isRow } from "./records.ts";

/** A field, ready for use. */
export interface FieldPath {
  /** As it was written. */
  readonly text: string;
  readonly segments: readonly Segment[];
  /** Set where the path is the exact name of a top-level field. */
  readonly plain?: string;
}

/** One name of a path. */
export interface Segment {
  readonly name: string;
  /** Undefined: the name itself, exactly. */
  readonly test?: (name: string) => boolean;
}

export interface PathOptions {
  readonly ignoreCase?: boolean;
}

/**
 * Reads a field's path. Dots separate names, quotes (`"` or a backtick) keep them in one; `*` and `?` outside quotes
 * stand for parts of a name. A path goes into every element of an array by itself. Where a row has a field whose
 * name is the whole text, dots included, that one is meant.
 *
 * @throws {SyntaxError} when a name is empty or a quote is not closed; the message is for whoever wrote it
 */
export function parsePath(text: string, { ignoreCase = false }: PathOptions = {}): FieldPath {
  const segments: Segment[] = [];
  let at = 0;
  for (;;) {
    const quote = text[at];
    if (quote === '"' || quote === "`") {
      const end = text.indexOf(quote, at + 1);
      if (end < 0) throw new SyntaxError(`The field "${text}" has a quote that is not closed`);
      segments.push(segmentOf(text.slice(at + 1, end), false, ignoreCase));
      at = end + 1;
    } else {
      const dot = text.indexOf(".", at);
      const end = dot < 0 ? text.length : dot;
      segments.push(segmentOf(text.slice(at, end), true, ignoreCase));
      at = end;
    }
    if (segments.at(-1)!.name === "") throw new SyntaxError(`The field "${text}" has an empty name`);
    if (at >= text.length) break;
    if (text[at] !== ".") throw new SyntaxError(`The field "${text}" has something behind a closing quote`);
    at++;
  }
  const [first] = segments;
  return { text, segments, plain: segments.length === 1 && !first.test ? first.name : undefined };
}

/** The path of a top-level field with exactly this name, whatever is in it. */
export function plainPath(name: string): FieldPath {
  return { text: name, segments: [{ name }], plain: name };
}

function segmentOf(name: string, allowsPattern: boolean, ignoreCase: boolean): Segment {
  if (allowsPattern && /[*?]/.test(name)) {
    const escaped = name.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
    const expression = new RegExp(`^${escaped}$`, ignoreCase ? "sui" : "su");
    return { name, test: remembered((other) => expression.test(other)) };
  }
  if (!ignoreCase) return { name };
  const lower = name.toLowerCase();
  return { name, test: remembered((other) => other.toLowerCase() === lower) };
}

/** Names of fields come again with every row. */
function remembered(test: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    let answer = known.get(name);
    if (answer === undefined) {
      if (known.size >= 10_000) known.clear();
      known.set(name, answer = test(name));
    }
    return answer;
  };
}

/** Whether the path can mean more than one field: it has a pattern. */
export function isPattern({ segments }: FieldPath): boolean {
  return segments.some(({ name, test }) => test !== undefined && /[*?]/.test(name));
}

/** What is wrong with a path as it stands in a file, for `checkConfig`; undefined when nothing is. */
export function pathProblem(text: string): string | undefined {
  try {
    parsePath(text);
  } catch (error) {
    return (error as Error).message;
  }
}

/** The name that a path gives a new top-level field; undefined when it lies deeper or is a pattern. */
export function newName({ segments: [first, ...others] }: FieldPath): string | undefined {
  return others.length === 0 && !/[*?]/.test(first.test ? first.name : "") ? first.name : undefined;
}

// ---- values -------------------------------------------------------------------------------------------------------

/** Sets a member, `__proto__` too, which an assignment would take for the object's prototype. */
export function setMember(row: Record<string, Value>, name: string, value: Value): void {
  if (name === "__proto__") {
    Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
  } else row[name] = value;
}

/** The value at a path: of a pattern's the first, in an array the first element's. Undefined: there is none. */
export function valueAt(row: Row, path: FieldPath): Value | undefined {
  const { plain, segments, text } = path;
  if (plain !== undefined) return Object.hasOwn(row, plain) ? row[plain] : undefined;
  if (segments.length > 1 && Object.hasOwn(row, text)) return row[text];
  return valueBelow(row, segments, 0);
}

function valueBelow(value: Value, segments: readonly Segment[], depth: number): Value | undefined {
  if (depth === segments.length) return value;
  const { name, test } = segments[depth];
  if (Array.isArray(value)) {
    if (isIndex(name) && Number(name) < value.length) {
      return valueBelow(value[Number(name)], segments, depth + 1);
    }
    for (const item of value) {
      const found = valueBelow(item, segments, depth);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isRow(value)) return undefined;
  if (!test) return Object.hasOwn(value, name) ? valueBelow(value[name], segments, depth + 1) : undefined;
  for (const member of Object.keys(value)) {
    if (!test(member)) continue;
    const found = valueBelow(value[member], segments, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isIndex(name: string): boolean {
  return /^\d{1,9}$/.test(name);
}

/** What becomes of a value; undefined removes it. */
export type Change = (value: Value) => Value | undefined;

/** The row with every value at `path` changed; the same row when nothing is there or nothing changes. */
export function updateAt(row: Row, path: FieldPath, change: Change): Row {
  const { plain, segments, text } = path;
  const whole = plain ?? (segments.length > 1 && Object.hasOwn(row, text) ? text : undefined);
  if (whole === undefined) return updateBelow(row, segments, 0, change) as Row;
  if (!Object.hasOwn(row, whole)) return row;
  const value = row[whole];
  const changed = change(value);
  if (changed === value) return row;
  const copy: Record<string, Value> = { ...row };
  if (changed === undefined) delete copy[whole];
  // An own member is meant, `__proto__` too.
  else copy[whole] = changed;
  return copy;
}

function updateBelow(
  value: Value,
  segments: readonly Segment[],
  depth: number,
  change: Change,
): Value | undefined {
  if (depth === segments.length) return change(value);
  const { name, test } = segments[depth];
  if (Array.isArray(value)) {
    const index = isIndex(name) ? Number(name) : -1;
    let copy: Value[] | undefined;
    for (let i = 0; i < value.length; i++) {
      if (index >= 0 && index !== i) continue;
      // Taken out of an array, an element would move the others: it becomes null.
      const changed = updateBelow(value[i], segments, index < 0 ? depth : depth + 1, change) ?? null;
      if (changed !== value[i]) (copy ??= [...value])[i] = changed;
    }
    return copy ?? value;
  }
  if (!isRow(value)) return value;
  let copy: Record<string, Value> | undefined;
  for (const member of test ? Object.keys(value).filter(test) : [name]) {
    if (!Object.hasOwn(value, member)) continue;
    const changed = updateBelow(value[member], segments, depth + 1, change);
    if (changed === value[member]) continue;
    copy ??= { ...value };
    if (changed === undefined) delete copy[member];
    else copy[member] = changed;
  }
  return copy ?? value;
}

/** The row without what is at `path`. */
export function removeAt(row: Row, path: FieldPath): Row {
  return updateAt(row, path, () => undefined);
}

/**
 * The row with a value at `path`; objects on the way that are not there are made. Undefined when something that is no
 * object is in the way. The path has no pattern.
 */
export function putAt(row: Row, path: FieldPath, value: Value): Row | undefined {
  return putBelow(row, path.segments, 0, value);
}

function putBelow(row: Value, segments: readonly Segment[], depth: number, value: Value): Row | undefined {
  if (!isRow(row)) return undefined;
  const { name, test } = segments[depth];
  const member = test ? Object.keys(row).find(test) ?? name : name;
  const copy: Record<string, Value> = { ...row };
  if (depth === segments.length - 1) {
    setMember(copy, member, value);
    return copy;
  }
  const below = putBelow(Object.hasOwn(row, member) ? row[member] ?? {} : {}, segments, depth + 1, value);
  if (below === undefined) return undefined;
  setMember(copy, member, below);
  return copy;
}

// ---- columns ------------------------------------------------------------------------------------------------------

/** What becomes of a column, or of a field of a struct; undefined removes it. */
export type ColumnChange = (column: Column) => Column | undefined;

/** The columns with every one at `path` changed. What lies inside JSON has no column and stays. */
export function updateColumns(
  columns: readonly Column[],
  path: FieldPath,
  change: ColumnChange,
): readonly Column[] {
  const { segments, text } = path;
  const isWhole = segments.length > 1 && columns.some(({ name }) => name === text);
  return columnsBelow(columns, isWhole ? [{ name: text }] : segments, 0, change);
}

function columnsBelow(
  columns: readonly Column[],
  segments: readonly Segment[],
  depth: number,
  change: ColumnChange,
): readonly Column[] {
  const { name, test } = segments[depth];
  return columns.flatMap((column) => {
    if (test ? !test(column.name) : column.name !== name) return [column];
    if (depth < segments.length - 1) {
      return [{ ...column, type: typeBelow(column.type, segments, depth + 1, change) }];
    }
    const changed = change(column);
    return changed ? [changed] : [];
  });
}

function typeBelow(
  type: ColumnType,
  segments: readonly Segment[],
  depth: number,
  change: ColumnChange,
): ColumnType {
  switch (type.kind) {
    case "struct":
      return { ...type, fields: columnsBelow(type.fields, segments, depth, change) };
    case "array": {
      if (!isIndex(segments[depth].name)) {
        return { ...type, items: typeBelow(type.items, segments, depth, change) };
      }
      // One element would have another type than its neighbours.
      return { kind: "json" };
    }
    case "map":
      return depth < segments.length - 1
        ? { ...type, values: typeBelow(type.values, segments, depth + 1, change) }
        : { kind: "json" };
    default:
      return type;
  }
}

/** The column at a path, found through structs; undefined where there is none, or not one for certain. */
export function columnAt(columns: readonly Column[] | undefined, path: FieldPath): Column | undefined {
  let found: Column | undefined;
  if (columns) {
    updateColumns(columns, path, (column) => {
      found ??= column;
      return column;
    });
  }
  return found;
}

/** The columns with this one: in the place of one that has its name, otherwise behind the others. */
export function withColumn(columns: readonly Column[], column: Column): readonly Column[] {
  return columns.some(({ name }) => name === column.name)
    ? columns.map((other) => other.name === column.name ? column : other)
    : [...columns, column];
}
