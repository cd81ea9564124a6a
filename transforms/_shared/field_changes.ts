/**
 * Transforms that convert the values of some fields (cast, timestamp_converter …): what each field's conversion is in
 * a stream, what becomes of its column, and `apply`. Which value can't be converted, and what then, is decided here.
 */
import { RecordError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { asJson } from "./json_values.ts";
import { eachPart, mayRetype, PARTS, type RowPart, UntouchedParts } from "./parts.ts";
import {
  columnAt,
  type FieldPath,
  isPattern,
  parsePath,
  plainPath,
  updateAt,
  updateColumns,
} from "./paths.ts";

/** What is done with the values of one field. */
export interface Conversion {
  /** The new value; undefined: it can't be converted. Null is not asked about unless `takesNull`. */
  convert(value: Value): Value | undefined;
  /** The column's type afterwards, when every value was converted. */
  readonly type: ColumnType;
  /** Whether a value that can't be converted would still fit the new type, so that it may stay. */
  readonly keptFits?: boolean;
  readonly takesNull?: boolean;
  /** Values that must not stay although the config says so: the column could not hold them. */
  readonly neverKeeps?: boolean;
}

export interface FieldConversions {
  readonly fields: readonly FieldPath[];
  /**
   * The conversion of the field with this index; `column` is undefined where none describes it. Undefined: this column
   * is left alone.
   */
  conversionOf(index: number, column: Column | undefined): Conversion | undefined;
  readonly onError: "keep" | "null" | "fail";
  readonly parts: readonly RowPart[];
  /** What is tried, for messages: `cast`. */
  readonly verb: string;
  /** Counts what could not be converted and did not fail. */
  readonly counter: string;
}

/** One field of a stream's rows. */
interface Change {
  readonly path: FieldPath;
  readonly plain: string | undefined;
  readonly change: (value: Value) => Value;
}

/** A transform that converts fields, each on its own. */
export function convertFields(conversions: FieldConversions, context: TransformContext): Transform {
  const plans = new WeakMap<Stream, readonly Change[]>();
  const { parts } = conversions;
  const untouched = parts.length < PARTS.length ? new UntouchedParts() : undefined;
  return {
    matches: (stream) => resolved(stream, conversions.fields).length > 0,
    stream(stream) {
      const changes: Change[] = [];
      let columns = stream.columns;
      for (const { path, column, index } of resolved(stream, conversions.fields)) {
        const conversion = conversions.conversionOf(index, column);
        if (!conversion) continue;
        const isCovered = mayRetype(stream, path.segments[0].name, UNLIKE, parts);
        changes.push({
          path,
          plain: path.plain,
          change: changeOf(conversion, path, column, conversions, context, isCovered),
        });
        if (columns && column) {
          columns = updateColumns(
            columns,
            path,
            (one) => convertedColumn(one, conversion, conversions, isCovered),
          );
        }
      }
      const made = columns === stream.columns ? stream : { ...stream, columns };
      plans.set(made, changes);
      untouched?.note(stream, made);
      return made;
    },
    apply: eachPart(
      parts,
      (row, record, part) => {
        const made = changed(row, plans.get(record.stream)!);
        if (part === "key" && made !== row) refuseLostKey(row, made, conversions.verb);
        return made;
      },
      undefined,
      untouched,
    ),
  };
}

interface Resolved {
  readonly path: FieldPath;
  readonly column: Column | undefined;
  readonly index: number;
}

/** The fields that there can be in a stream; a pattern of top-level names is one for each column that it fits. */
function resolved({ columns }: Stream, paths: readonly FieldPath[]): Resolved[] {
  return paths.flatMap((path, index): Resolved[] => {
    if (!columns) return [{ path, column: undefined, index }];
    if (path.segments.length === 1 && path.plain === undefined) {
      const [{ test }] = path.segments;
      return columns.filter(({ name }) => test!(name))
        .map((column) => ({ path: plainPath(column.name), column, index }));
    }
    const column = columnAt(columns, path);
    if (column) return [{ path, column, index }];
    const [{ name, test }] = path.segments;
    // Inside JSON there are fields that no column tells about.
    const isInside = path.segments.length > 1 &&
      columns.some((one) => test ? test(one.name) : one.name === name);
    return isInside ? [{ path, column: undefined, index }] : [];
  });
}

/** Stands for any other type. */
const UNLIKE: ColumnType = { kind: "unknown" };

function convertedColumn(
  column: Column,
  conversion: Conversion,
  { onError }: FieldConversions,
  isCovered: boolean,
): Column {
  const { type, keptFits, neverKeeps } = conversion;
  const { nativeType: _native, default: _default, ...others } = column;
  const isCertain = isCovered && (onError !== "keep" || keptFits || neverKeeps);
  return {
    ...others,
    type: isCertain ? type : { kind: "unknown" },
    nullable: column.nullable || onError === "null",
  };
}

function changeOf(
  conversion: Conversion,
  path: FieldPath,
  column: Column | undefined,
  { onError, verb, counter }: FieldConversions,
  context: TransformContext,
  isCovered: boolean,
): (value: Value) => Value {
  const { convert, takesNull = false, neverKeeps = false, keptFits = false } = conversion;
  const policy = onError === "keep" && neverKeeps ? "fail" : onError;
  const isTyped = column !== undefined && isCovered && (onError !== "keep" || keptFits || neverKeeps);
  return (value) => {
    if (value === null && !takesNull) return null;
    const converted = convert(value);
    if (converted !== undefined) return isTyped ? converted : asJson(converted);
    if (policy === "fail") {
      throw new RecordError(`Cannot ${verb} field "${path.text}": ${whatItIs(value)} can't be converted`, {
        code: "schema_conversion",
      });
    }
    context.metrics.add(counter);
    if (policy === "null") return null;
    // Its column has no type any more that tells bytes and large integers from other values.
    return keptFits && conversion.type.kind !== "json" ? value : asJson(value);
  };
}

/** What a value is, without saying what it says. */
function whatItIs(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "object") {
    return value instanceof Uint8Array ? "bytes" : Array.isArray(value) ? "an array" : "an object";
  }
  return typeof value === "string"
    ? "this text"
    : `this ${typeof value === "bigint" ? "integer" : typeof value}`;
}

function changed(row: Row, changes: readonly Change[]): Row {
  let copy: Record<string, Value> | undefined;
  for (let i = 0; i < changes.length; i++) {
    const { plain, path, change } = changes[i];
    const current: Row = copy ?? row;
    if (plain === undefined) {
      const next = updateAt(current, path, change);
      if (next !== current) copy = { ...next };
      continue;
    }
    if (!Object.hasOwn(row, plain)) continue;
    const value = current[plain];
    const next = change(value);
    // An own member is written, whatever its name.
    if (next !== value) (copy ??= { ...row })[plain] = next;
  }
  return copy ?? row;
}

/** With null for what can't be converted, rows of different keys would become one. */
function refuseLostKey(before: Row, after: Row, verb: string): void {
  for (const name of Object.keys(before)) {
    if (before[name] === null || after[name] !== null) continue;
    throw new RecordError(`Cannot ${verb} field "${name}" of the key: it would become null`, {
      code: "schema_conversion",
    });
  }
}

/** What is wrong with a list of fields, for `checkConfig`. */
export function fieldProblems(
  key: string,
  fields: readonly string[],
): { key: string; message: string; hint?: string }[] {
  const problems: { key: string; message: string; hint?: string }[] = [];
  const seen = new Set<string>();
  fields.forEach((text, i) => {
    try {
      const path = parsePath(text);
      if (seen.has(text) && !isPattern(path)) {
        problems.push({ key: `${key}.${i}`, message: `"${text}" stands here twice` });
      }
      seen.add(text);
    } catch (error) {
      problems.push({ key: `${key}.${i}`, message: (error as Error).message });
    }
  });
  return problems;
}
