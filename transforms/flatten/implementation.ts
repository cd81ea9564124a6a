/** Members of objects as fields of the row: the work of flatten. Loaded by workers. */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { valueText } from "../../formats/data/json_value.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform } from "../contract.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachPart, UntouchedParts } from "../_shared/parts.ts";
import { type FieldPath, parsePath, setMember } from "../_shared/paths.ts";
import { isRow } from "../_shared/records.ts";
import type { FlattenConfig } from "./definition.ts";

export function openTransform(config: FlattenConfig): Transform {
  const flattener = new Flattener(config);
  const untouched = new UntouchedParts();
  /** By stream, the columns that came out of each. */
  const parts = new WeakMap<Stream, ReadonlyMap<string, readonly string[]>>();
  return {
    matches: ({ columns }) =>
      columns === undefined || columns.some((column) => flattener.opensColumn(column)),
    stream(stream) {
      const { made, opened } = flattener.stream(stream);
      parts.set(made, opened);
      untouched.note(stream, made);
      return made;
    },
    apply: eachPart(
      config.apply_to,
      (row, { stream }) => {
        const flat = flattener.row(row);
        return stream.columns ? flat : asJson(flat) as Row;
      },
      (names, { stream }) => {
        const opened = parts.get(stream)!;
        return names.some((name) => opened.has(name))
          ? names.flatMap((name) => opened.get(name) ?? [name])
          : names;
      },
      untouched,
    ),
  };
}

/** Objects that mean something only as a whole: encrypted values, references to contents kept elsewhere. */
function isOpaque(value: Row): boolean {
  return value.__encrypted === true || value.__externalized === true;
}

class Flattener {
  readonly #config: FlattenConfig;
  readonly #only: readonly FieldPath[];
  readonly #except: readonly FieldPath[];
  readonly #depth: number;

  constructor(config: FlattenConfig) {
    this.#config = config;
    this.#only = config.fields.map((text) => parsePath(text));
    this.#except = config.exclude.map((text) => parsePath(text));
    this.#depth = config.max_depth === 0 ? Infinity : config.max_depth;
  }

  row(row: Row): Row {
    const names = Object.keys(row);
    if (!names.some((name) => this.#isOpen(row[name]) && this.#takes(name))) return row;
    const flat: Record<string, Value> = {};
    for (const name of names) {
      if (this.#isOpen(row[name]) && this.#takes(name)) this.#open(flat, name, row[name], 0);
      else this.#put(flat, name, row[name]);
    }
    return flat;
  }

  /** Fields of the members of `value`, which is to be opened. */
  #open(flat: Record<string, Value>, name: string, value: Value, depth: number): void {
    if (Array.isArray(value) && this.#config.arrays === "json_string") {
      this.#put(flat, this.#prefixed(name, depth), valueText(value));
      return;
    }
    const members = Object.entries(value as Row | Value[]);
    if (members.length === 0) {
      if (!this.#config.drop_empty) this.#put(flat, this.#prefixed(name, depth), value);
      return;
    }
    for (const [member, inner] of members) {
      const path = `${name}${this.#config.delimiter}${member}`;
      if (depth + 1 < this.#depth && this.#isOpen(inner)) this.#open(flat, path, inner, depth + 1);
      else this.#put(flat, this.#config.prefix + path, inner);
    }
  }

  /** What lies deeper has come out of an object; an empty one at the top has not. */
  #prefixed(name: string, depth: number): string {
    return depth === 0 ? name : this.#config.prefix + name;
  }

  #put(flat: Record<string, Value>, name: string, value: Value): void {
    if (!Object.hasOwn(flat, name)) return setMember(flat, name, value);
    switch (this.#config.on_collision) {
      case "overwrite":
        return setMember(flat, name, value);
      case "suffix":
        return setMember(flat, freeName(name, (other) => Object.hasOwn(flat, other)), value);
      default:
        throw new RecordError(`Flattening gives two fields the name "${name}"`, {
          code: "schema_flatten_collision",
        });
    }
  }

  #isOpen(value: Value): boolean {
    if (Array.isArray(value)) return this.#config.arrays !== "keep";
    return isRow(value) && !isOpaque(value);
  }

  #takes(name: string): boolean {
    return (this.#only.length === 0 || this.#only.some((path) => isNamed(path, name))) &&
      !this.#except.some((path) => isNamed(path, name));
  }

  // ---- columns ----------------------------------------------------------------------------------------------------

  /** Whether values of the column can be opened at all. */
  opensColumn({ name, type }: Column): boolean {
    return this.#takes(name) && this.#opensType(type);
  }

  #opensType({ kind }: ColumnType): boolean {
    return kind === "struct" || kind === "map" || kind === "json" || kind === "unknown" ||
      kind === "array" && this.#config.arrays !== "keep";
  }

  /** The stream with a column for each field; without columns where only the values show which fields there are. */
  stream(stream: Stream): { made: Stream; opened: ReadonlyMap<string, readonly string[]> } {
    const opened = new Map<string, string[]>();
    if (!stream.columns?.some((column) => this.opensColumn(column))) return { made: stream, opened };
    const columns: Column[] = [];
    let isCertain = true;
    for (const column of stream.columns) {
      if (!this.opensColumn(column)) {
        this.#putColumn(columns, column, stream);
        continue;
      }
      const from = columns.length;
      isCertain &&= this.#openColumn(column, column.name, 0, (one) => this.#putColumn(columns, one, stream));
      opened.set(column.name, columns.slice(from).map(({ name }) => name));
    }
    if (!isCertain) return { made: { ...stream, columns: undefined }, opened: new Map() };
    return { made: { ...stream, columns }, opened };
  }

  #putColumn(columns: Column[], column: Column, stream: Stream): void {
    const at = columns.findIndex(({ name }) => name === column.name);
    if (at < 0) return void columns.push(column);
    switch (this.#config.on_collision) {
      case "overwrite":
        columns[at] = column;
        return;
      case "suffix": {
        const isTaken = (name: string) => columns.some((one) => one.name === name);
        columns.push({ ...column, name: freeName(column.name, isTaken) });
        return;
      }
      default:
        throw new ConnectorError(
          `Flattening ${qualifiedName(stream)} gives two columns the name "${column.name}"`,
          {
            code: "config_flatten_collision",
            hint: "Choose another delimiter or a prefix, exclude one of them, or say on_collision",
          },
        );
    }
  }

  /** Puts the columns that come out of one. @returns false when only the values show which they are */
  #openColumn({ type }: Column, name: string, depth: number, put: (column: Column) => void): boolean {
    if (type.kind === "array" && this.#config.arrays === "json_string") {
      put({ name: this.#prefixed(name, depth), type: { kind: "string" }, nullable: true });
      return true;
    }
    if (type.kind !== "struct" || type.fields.length === 0) return false;
    return type.fields.map((field) => {
      const path = `${name}${this.#config.delimiter}${field.name}`;
      if (depth + 1 < this.#depth && this.#opensType(field.type)) {
        return this.#openColumn(field, path, depth + 1, put);
      }
      put({ ...field, nullable: true, name: this.#config.prefix + path });
      return true;
    }).every((isCertain) => isCertain);
  }
}

function isNamed({ plain, segments: [first], text }: FieldPath, name: string): boolean {
  return plain === name || text === name || (first.test?.(name) ?? false);
}

function freeName(name: string, isTaken: (name: string) => boolean): string {
  let n = 2;
  while (isTaken(`${name}_${n}`)) n++;
  return `${name}_${n}`;
}
