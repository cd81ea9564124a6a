/** Headers made of fields, texts and facts: the work of value_to_header. Loaded by workers. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord, Header } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { headerText } from "../_shared/event_fields.ts";
import { parsePath, removeAt, updateColumns, valueAt } from "../_shared/paths.ts";
import { eachRecord, isRow, isRowRecord } from "../_shared/records.ts";
import { template } from "../_shared/templates.ts";
import type { ValueToHeaderConfig } from "./definition.ts";

export function openTransform(config: ValueToHeaderConfig, { origin }: TransformContext): Transform {
  const { overwrite, operation } = config;
  const isMove = operation === "move";
  const fields = Object.entries(config.fields).map(([path, header]) => ({ path: parsePath(path), header }));
  const texts = [
    ...Object.entries(config.static_headers).map(([header, text]) => ({ header, write: () => text })),
    ...Object.entries(config.templates).map(([header, text]) => ({ header, write: template(text, origin) })),
  ];
  return {
    stream(stream) {
      if (!isMove) return stream;
      const ofKey = stream.key.find((name) => fields.some(({ path }) => path.plain === name));
      if (ofKey !== undefined) {
        throw new ConnectorError(
          `Cannot move column "${ofKey}" of ${qualifiedName(stream)} into a header: it belongs to the key`,
          { code: "config_key_column", hint: "Say operation: copy, or name it in a transform of its own" },
        );
      }
      let { columns } = stream;
      for (const { path } of fields) columns = columns && updateColumns(columns, path, () => undefined);
      return columns === stream.columns ? stream : { ...stream, columns };
    },
    apply: eachRecord((record) => {
      const added: Header[] = [];
      const row = isRow(record.after) ? record.after : record.before;
      if (row && isRowRecord(record)) {
        for (const { path, header } of fields) {
          const value = headerText(valueAt(row, path));
          if (value !== undefined) added.push([header, value]);
        }
      }
      for (const { header, write } of texts) added.push([header, write(record)]);
      const made = added.length > 0 ? { ...record, headers: joined(record.headers, added) } : record;
      return isMove ? withoutFields(made) : made;
    }),
  };

  function joined(given: readonly Header[] | undefined, added: readonly Header[]): readonly Header[] {
    if (!given) return added;
    const names = new Set(added.map(([name]) => name));
    return [...(overwrite ? given.filter(([name]) => !names.has(name)) : given), ...added];
  }

  function withoutFields(record: DataRecord): DataRecord {
    let { before, after } = record;
    const hasRow = isRowRecord(record);
    for (const { path } of fields) {
      before = before && removeAt(before, path);
      if (hasRow && isRow(after)) after = removeAt(after, path);
    }
    const moved = new Set(fields.map(({ path }) => path.plain));
    const unavailable = record.unavailable?.filter((name) => !moved.has(name));
    return { ...record, before, after, unavailable };
  }
}
