/** Renames and drops fields: the work of replace_field. Loaded by workers. */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachPart, type RowPart, UntouchedParts } from "../_shared/parts.ts";
import {
  columnAt,
  newName,
  putAt,
  removeAt,
  type Segment,
  setMember,
  updateColumns,
  valueAt,
  withColumn,
} from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import type { ReplaceFieldConfig } from "./definition.ts";
import { type Naming, namingOf } from "./naming.ts";
import { type NameOf, resolveNames, RowRenamer } from "./row_renamer.ts";

/** What a stream's rows need: one function for each part. */
interface Plan {
  readonly change: Readonly<Record<RowPart, (row: Row) => Row>>;
  readonly nameOf: NameOf;
}

export function openTransform(config: ReplaceFieldConfig, context: TransformContext): Transform {
  const naming = namingOf(config);
  const plans = new WeakMap<Stream, Plan>();
  const untouched = new UntouchedParts();
  const isDeep = naming.moves.length > 0 || naming.removed.length > 0 || naming.keptParts !== undefined;
  const nameOf = finalName(config, naming);
  return {
    matches({ columns, key }) {
      if (columns === undefined || isDeep) return true;
      return columns.some(({ name }) => nameOf(name) !== name) || key.some((name) => nameOf(name) !== name);
    },
    stream(stream) {
      const { made, lost } = renameStream(stream, config, naming);
      if (made.columns?.length === 0 && stream.columns!.length > 0) {
        context.log.warn(`${qualifiedName(stream)} has no columns left`);
      }
      const own: NameOf = (name) => lost.has(name) ? undefined : nameOf(name);
      untouched.note(stream, made);
      plans.set(made, {
        nameOf: own,
        change: {
          after: rowChange(config, naming, own),
          before: rowChange(config, naming, own),
          key: keyChange(config, naming, own),
        },
      });
      return made;
    },
    apply: eachPart(
      config.apply_to,
      (row, record, part) => plans.get(record.stream)!.change[part](row),
      config.apply_to.includes("after")
        ? (names, record) => {
          const { nameOf } = plans.get(record.stream)!;
          return names.map((name) => movedName(naming, name) ?? nameOf(name)).filter((name) =>
            name !== undefined
          );
        }
        : undefined,
      untouched,
    ),
  };
}

/** The name of a top-level field in the end. */
function finalName(config: ReplaceFieldConfig, { rename, keeps }: Naming): NameOf {
  return config.filter_names === "old" ? (name) => keeps(name) ? rename(name) : undefined : (name) => {
    const renamed = rename(name);
    return keeps(renamed) ? renamed : undefined;
  };
}

/** Where a whole column that moves into another one goes, as text. */
function movedName({ moves }: Naming, name: string): string | undefined {
  return moves.find(({ from }) => from.plain === name)?.to.text;
}

// ---- rows ---------------------------------------------------------------------------------------------------------

function rowChange(config: ReplaceFieldConfig, naming: Naming, nameOf: NameOf): (row: Row) => Row {
  const { overwrite } = config;
  const { moves, removed, keptParts } = naming;
  if (moves.length === 0 && removed.length === 0 && keptParts === undefined) {
    const renamer = new RowRenamer(nameOf, overwrite);
    return (row) => renamer.rename(row);
  }
  const renamer = new RowRenamer(
    (name) => nameOf(name) === undefined ? undefined : naming.rename(name),
    overwrite,
  );
  const filter = filterChange(naming);
  return config.filter_names === "old"
    ? (row) => moved(filter(row), naming, overwrite, (rest) => renamer.rename(rest))
    : (row) => filter(moved(row, naming, overwrite, (rest) => renamer.rename(rest)));
}

/** Takes out what moves, renames the rest, and puts it in at its new place. */
function moved(row: Row, { moves }: Naming, overwrite: boolean, rename: (row: Row) => Row): Row {
  let rest = row;
  const taken: [Naming["moves"][number]["to"], Value][] = [];
  for (const { from, to } of moves) {
    // A field with this name, dots and all, is a matter of renaming.
    if (from.segments.length > 1 && Object.hasOwn(row, from.text)) continue;
    const value = valueAt(row, from);
    if (value === undefined) continue;
    taken.push([to, value]);
    rest = removeAt(rest, from);
  }
  let out = rename(rest);
  for (const [to, value] of taken) {
    if (!overwrite && valueAt(out, to) !== undefined) throw collision(to.text);
    const put = putAt(out, to, newName(to) === undefined ? asJson(value) : value);
    if (put === undefined) {
      throw new RecordError(`Cannot put a field at "${to.text}": something that is no object is in the way`, {
        code: "schema_no_object",
      });
    }
    out = put;
  }
  return out;
}

function collision(name: string): RecordError {
  return new RecordError(`Two fields would be called "${name}" after renaming`, {
    code: "schema_rename_collision",
  });
}

/** Include and exclude with what lies deeper. */
function filterChange({ keeps, removed, keptParts }: Naming): (row: Row) => Row {
  const filter = new RowRenamer((name) => keeps(name) ? name : undefined, false);
  return (row) => {
    let out = filter.rename(row);
    for (const path of removed) out = removeAt(out, path);
    if (!keptParts) return out;
    const copy: Record<string, Value> = {};
    for (const name of Object.keys(out)) {
      const parts = keptParts(name);
      setMember(copy, name, parts ? onlyParts(out[name], parts) : out[name]);
    }
    return copy;
  };
}

/** Of an object what the paths name, of an array that of its elements; anything else as it is. */
function onlyParts(value: Value, paths: readonly (readonly Segment[])[]): Value {
  if (Array.isArray(value)) return value.map((item) => onlyParts(item, paths));
  if (!isRow(value)) return value;
  const kept: Record<string, Value> = {};
  for (const name of Object.keys(value)) {
    const below = paths.filter(([first]) => first.test ? first.test(name) : first.name === name)
      .map((path) => path.slice(1));
    if (below.length === 0) continue;
    setMember(
      kept,
      name,
      below.some((path) => path.length === 0) ? value[name] : onlyParts(value[name], below),
    );
  }
  return kept;
}

/** The type of what onlyParts() leaves of values; fields that only some of them have left are in it too. */
function typeOfParts(type: ColumnType, paths: readonly (readonly Segment[])[]): ColumnType {
  switch (type.kind) {
    case "array":
      return { ...type, items: typeOfParts(type.items, paths) };
    case "map": {
      const below = paths.map((path) => path.slice(1));
      return below.some((path) => path.length === 0)
        ? type
        : { ...type, values: typeOfParts(type.values, below) };
    }
    case "struct":
      return {
        ...type,
        fields: type.fields.flatMap((field) => {
          const below = paths.filter(([first]) =>
            first.test ? first.test(field.name) : first.name === field.name
          )
            .map((path) => path.slice(1));
          if (below.length === 0) return [];
          const isWhole = below.some((path) => path.length === 0);
          return [isWhole ? field : { ...field, type: typeOfParts(field.type, below) }];
        }),
      };
    default:
      return type;
  }
}

function keyChange(config: ReplaceFieldConfig, naming: Naming, nameOf: NameOf): (row: Row) => Row {
  const renamer = new RowRenamer(
    config.on_key_column === "remove" ? nameOf : naming.rename,
    config.overwrite,
  );
  if (config.on_key_column !== "keep") return (row) => renamer.rename(row);
  // What stays in the key alone has no column any more that could tell its type.
  const kept = new Set<string>();
  return (row) => {
    for (const name of Object.keys(row)) if (nameOf(name) === undefined) kept.add(naming.rename(name));
    const key: Record<string, Value> = { ...renamer.rename(row) };
    for (const name of kept) if (Object.hasOwn(key, name)) key[name] = asJson(key[name]);
    return key;
  };
}

// ---- streams ------------------------------------------------------------------------------------------------------

/** The stream with its new columns and key; `lost` are columns in whose place others came. */
function renameStream(
  stream: Stream,
  config: ReplaceFieldConfig,
  naming: Naming,
): { made: Stream; lost: ReadonlySet<string> } {
  const { columns } = stream;
  const nameOf = finalName(config, naming);
  const lost = new Set<string>();
  let made: readonly Column[] | undefined;
  if (columns) {
    const names = columns.map(({ name }) => name);
    const { to, collision } = resolveNames(names, nameOf, config.overwrite);
    if (collision !== undefined) {
      throw new ConnectorError(
        `Cannot rename columns of ${qualifiedName(stream)}: two of them would be called "${collision}"`,
        {
          code: "config_rename_collision",
          hint: "Rename or exclude the other one too, or set overwrite: true",
        },
      );
    }
    names.forEach((name, i) => {
      if (to[i] === undefined && nameOf(name) !== undefined) lost.add(name);
    });
    made = config.apply_to.includes("after") || config.apply_to.includes("before")
      ? renamedColumns(columns, to, config, naming)
      : columns;
  }
  return { made: { ...stream, columns: made, key: renamedKey(stream, config, naming, nameOf) }, lost };
}

function renamedColumns(
  columns: readonly Column[],
  to: readonly (string | undefined)[],
  { filter_names }: ReplaceFieldConfig,
  { moves, removed, keptParts, keeps }: Naming,
): readonly Column[] {
  const filter = (columns: readonly Column[]) => {
    let out = columns.filter(({ name }) => keeps(name));
    for (const path of removed) out = [...updateColumns(out, path, () => undefined)];
    if (!keptParts) return out;
    return out.map((column): Column => {
      const parts = keptParts(column.name);
      return parts ? { ...column, type: typeOfParts(column.type, parts) } : column;
    });
  };
  const isMoved = (name: string) => moves.some(({ from }) => from.plain === name);
  const isOld = filter_names === "old" && (removed.length > 0 || keptParts !== undefined);
  let out: readonly Column[] = (isOld ? filter(columns) : columns).flatMap((column) => {
    const name = to[columns.findIndex(({ name }) => name === column.name)];
    return name === undefined || isMoved(column.name) ? [] : [{ ...column, name }];
  });
  for (const move of moves) {
    const column = columnAt(columns, move.from);
    const name = newName(move.to);
    if (move.from.segments.length > 1) out = updateColumns(out, move.from, () => undefined);
    if (name !== undefined) {
      // Under a whole column's name it was renamed already.
      if (column?.name === move.from.text) continue;
      const type = column?.type ?? { kind: "unknown" as const };
      out = withColumn(out, { ...column, type, name, nullable: true });
    } else {
      const [{ name }] = move.to.segments;
      out = withColumn(out, { name, type: { kind: "json" }, nullable: true });
    }
  }
  return filter_names === "new" && (moves.length > 0 || removed.length > 0 || keptParts) ? filter(out) : out;
}

function renamedKey(
  stream: Stream,
  config: ReplaceFieldConfig,
  naming: Naming,
  nameOf: NameOf,
): readonly string[] {
  if (!config.apply_to.includes("key")) return stream.key;
  return stream.key.flatMap((name) => {
    const moved = movedName(naming, name);
    const renamed = moved === undefined ? nameOf(name) : undefined;
    if (renamed !== undefined) return [renamed];
    if (moved === undefined && config.on_key_column === "keep") return [naming.rename(name)];
    if (moved === undefined && config.on_key_column === "remove") return [];
    throw new ConnectorError(
      `Cannot take column "${name}" out of the rows of ${qualifiedName(stream)}: it belongs to the key`,
      {
        code: "config_key_column",
        hint: moved === undefined
          ? "Keep the column, or say on_key_column: keep (it stays in the key) or remove (the key loses it)"
          : "A column of the key can be renamed, but not moved into another one",
      },
    );
  });
}
