/** Lists of changed columns: the work of extract_changed_fields. Loaded by workers. */
import { valueText } from "../../formats/data/json_value.ts";
import type { DataRecord, Header } from "../../formats/data/record.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { addedColumn } from "../_shared/column_types.ts";
import { parsePath, setMember, withColumn } from "../_shared/paths.ts";
import { eachRecord, isRow } from "../_shared/records.ts";
import type { ExtractChangedFieldsConfig } from "./definition.ts";

const NAMES: ColumnType = { kind: "array", items: { kind: "string" } };

export function openTransform(config: ExtractChangedFieldsConfig): Transform {
  const { changed_header, unchanged_header, changed_field, unchanged_field, drop_unchanged } = config;
  const ignored = config.ignore.map((text) => parsePath(text));
  const counts = (name: string) =>
    !ignored.some(({ plain, segments: [first] }) => plain === name || first.test?.(name));
  const fields = [changed_field, unchanged_field].filter((name) => name !== undefined);
  return {
    stream(stream) {
      let columns = stream.columns;
      for (const name of fields) columns = columns && withColumn(columns, addedColumn(name, NAMES));
      return columns === stream.columns ? stream : { ...stream, columns };
    },
    apply: eachRecord((record): DataRecord | undefined => {
      const { operation, before, after, unavailable } = record;
      if (operation !== "update" || !before || !isRow(after)) return record;
      const changed: string[] = [], unchanged: string[] = [];
      for (const name of Object.keys(after)) {
        if (!counts(name) || !Object.hasOwn(before, name)) continue;
        (isSame(before[name], after[name]) ? unchanged : changed).push(name);
      }
      for (const name of unavailable ?? []) if (counts(name)) unchanged.push(name);
      const isPartial = Object.keys(after).some((name) => counts(name) && !Object.hasOwn(before, name));
      if (drop_unchanged && changed.length === 0 && !isPartial) return undefined;
      const headers = addedHeaders(record, [[changed_header, changed], [unchanged_header, unchanged]]);
      const row = fields.length === 0
        ? after
        : addedFields(after, [[changed_field, changed], [unchanged_field, unchanged]]);
      return { ...record, after: row, headers };
    }),
  };
}

function isSame(a: Value, b: Value): boolean {
  if (a === b) return true;
  return typeof a === "object" && typeof b === "object" && a !== null && b !== null &&
    valueText(a) === valueText(b);
}

type Lists = readonly (readonly [name: string | undefined, names: readonly string[]])[];

function addedHeaders({ headers }: DataRecord, lists: Lists): readonly Header[] | undefined {
  const named = lists.filter(([name]) => name !== undefined).map((
    [name, names],
  ): Header => [name!, names.join(",")]);
  if (named.length === 0) return headers;
  return [...(headers ?? []).filter(([name]) => !named.some(([other]) => other === name)), ...named];
}

function addedFields(row: Row, lists: Lists): Row {
  const copy: Record<string, Value> = { ...row };
  for (const [name, names] of lists) if (name !== undefined) setMember(copy, name, names);
  return copy;
}
