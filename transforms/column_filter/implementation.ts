/** Keeps and drops columns: the work of column_filter. Loaded by workers. */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { isPattern, namesOf, type NameTest, nameTest } from "../_protection/selector.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachRecord, isRow } from "../_shared/records.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { ColumnFilterConfig } from "./definition.ts";

interface TableFilter {
  readonly table: string;
  readonly isTable: NameTest;
  readonly include: readonly ColumnPattern[];
  readonly exclude: readonly ColumnPattern[];
}

interface ColumnPattern {
  readonly text: string;
  readonly test: NameTest;
}

/** Does a column stay? */
type Keep = (column: string) => boolean;

export function openTransform(config: ColumnFilterConfig, context: TransformContext): Transform {
  const filters = filtersOf(config);
  const keeps = new WeakMap<Stream, Keep>();
  const find = (stream: Stream) => filters.find(({ isTable }) => namesOf(stream).some(isTable));
  const keepOf = (stream: Stream): Keep | undefined => {
    const known = keeps.get(stream);
    if (known !== undefined) return known;
    const filter = find(stream);
    const keep = filter && keepBy(filter);
    if (keep) keeps.set(stream, keep);
    return keep;
  };
  return {
    matches(stream) {
      const filter = find(stream);
      if (filter === undefined) return false;
      const keep = keepOf(stream)!;
      noteUnknown(stream, filter, config.strict, (message) => context.log.warn(message));
      // A table of which everything stays has nothing to be parsed for.
      return config.skip_unchanged || (stream.columns?.some(({ name }) => !keep(name)) ?? true);
    },
    stream(stream) {
      const keep = keepOf(stream);
      if (keep === undefined) return stream;
      const lost = stream.key.find((name) => !keep(name));
      if (lost !== undefined && !config.allow_key_protection) throw keyColumn(lost, stream);
      if (stream.columns === undefined) return stream;
      const columns = stream.columns.filter(({ name }) => keep(name));
      if (columns.length === stream.columns.length) return stream;
      const made = { ...stream, columns };
      keeps.set(made, keep);
      return made;
    },
    apply: eachRecord((record) => {
      if (record.operation === "schema" || record.operation === "message") return record;
      const keep = keepOf(record.stream);
      if (keep === undefined) return record;
      const filtered = filterRecord(record, keep);
      if (!config.skip_unchanged || !isUnchanged(filtered)) return filtered;
      context.metrics.add("updates_unchanged_total");
      return undefined;
    }),
  };
}

/** The most exact first; in the order of the file where they are alike. */
function filtersOf({ filters, ignore_case }: ColumnFilterConfig): TableFilter[] {
  const rank = (table: string) => table === "*" ? 2 : isPattern(table) ? 1 : 0;
  const pattern = (text: string) => ({ text, test: nameTest(text, ignore_case) });
  return Object.entries(filters).toSorted(([a], [b]) => rank(a) - rank(b)).map((
    [table, { include, exclude }],
  ) => ({
    table,
    isTable: nameTest(table, ignore_case),
    include: include.map(pattern),
    exclude: exclude.map(pattern),
  }));
}

function keepBy({ include, exclude }: TableFilter): Keep {
  const known = new Map<string, boolean>();
  return (column) => {
    let stays = known.get(column);
    if (stays === undefined) {
      stays = (include.length === 0 || include.some(({ test }) => test(column))) &&
        !exclude.some(({ test }) => test(column));
      known.set(column, stays);
    }
    return stays;
  };
}

function noteUnknown(
  stream: Stream,
  filter: TableFilter,
  strict: boolean,
  warn: (message: string) => void,
): void {
  // Of a filter for several tables, each may lack something.
  if (stream.columns === undefined || isPattern(filter.table)) return;
  const unknown = [...filter.include, ...filter.exclude].filter(({ text, test }) =>
    !isPattern(text) && !stream.columns!.some(({ name }) => test(name))
  );
  for (const { text } of unknown) {
    const message = `"${qualifiedName(stream)}" has no column "${text}", which its column filter names`;
    if (!strict) {
      warn(message);
      continue;
    }
    const columns = stream.columns.map(({ name }) => name).join(", ");
    throw new ConnectorError(message, {
      code: "config_unmatched_column",
      hint: `Its columns are ${columns}. Correct the name, or leave strict out`,
    });
  }
}

function keyColumn(name: string, stream: Stream): ConnectorError {
  return new ConnectorError(
    `"${name}" is a key column of "${qualifiedName(stream)}" and its column filter takes it out`,
    {
      code: "config_key_protection",
      hint:
        `Keep the column, or write allow_key_protection: true, so that it leaves the rows and stays in the key`,
    },
  );
}

function filterRecord(record: DataRecord, keep: Keep): DataRecord {
  const { key, before, after, unavailable } = record;
  const newKey = key === undefined || key instanceof Uint8Array ? key : keptKey(key, keep);
  const newBefore = before && filterRow(before, keep);
  const newAfter = filterPayload(after, keep);
  const stillUnavailable = unavailable?.filter(keep);
  const isSame = newKey === key && newBefore === before && newAfter === after;
  if (isSame && stillUnavailable?.length === unavailable?.length) return record;
  return {
    ...record,
    key: newKey,
    before: newBefore,
    after: newAfter,
    unavailable: stillUnavailable?.length ? stillUnavailable : undefined,
  };
}

/** What stays in the key alone has no column any more that could tell its type. */
function keptKey(key: Row, keep: Keep): Row {
  const names = Object.keys(key);
  return names.every(keep)
    ? key
    : Object.fromEntries(names.map((name) => [name, keep(name) ? key[name] : asJson(key[name])]));
}

function filterPayload(value: Value | undefined, keep: Keep): Value | undefined {
  if (value === undefined || value === null) return value;
  if (isRow(value)) return filterRow(value, keep);
  if (Array.isArray(value)) return value.map((item) => filterPayload(item, keep)!);
  throw new RecordError("The payload is no row, so no column of it can be kept or dropped", {
    code: "serialization_not_a_row",
  });
}

function filterRow(row: Row, keep: Keep): Row {
  let goes = false;
  for (const name in row) {
    if (keep(name)) continue;
    goes = true;
    break;
  }
  return goes ? Object.fromEntries(Object.entries(row).filter(([name]) => keep(name))) : row;
}

/** An update whose rows are the same in all that is known of both. A column that was not sent has not changed. */
function isUnchanged({ operation, before, after }: DataRecord): boolean {
  if (operation !== "update" || before === undefined || !isRow(after)) return false;
  for (const name in after) {
    if (!Object.hasOwn(before, name)) return false;
    const [a, b] = [before[name], after[name]];
    if (a !== b && valueText(a) !== valueText(b)) return false;
  }
  return true;
}
