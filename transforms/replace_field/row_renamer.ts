/**
 * New names of the top-level fields of rows, for implementation.ts. Rows of a table have the same names again and
 * again, so what becomes of them is worked out once for each sequence of names.
 */
import { RecordError } from "../../formats/data/errors.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { setMember } from "../_shared/paths.ts";

/** The new name of a field, or undefined when it goes. */
export type NameOf = (name: string) => string | undefined;

/** What becomes of rows with certain names. */
interface Shape {
  readonly from: readonly string[];
  readonly to: readonly (string | undefined)[];
  /** Nothing changes. */
  readonly isSame: boolean;
  /** A new name that two fields would have. */
  readonly collision?: string;
}

const MAX_SHAPES = 1000;

/** One for each kind of row (of a stream, before or after): the short way is for rows with the names of the last. */
export class RowRenamer {
  readonly #nameOf: NameOf;
  readonly #overwrite: boolean;
  readonly #shapes = new Map<string, Shape>();
  #last: Shape | undefined;

  constructor(nameOf: NameOf, overwrite: boolean) {
    this.#nameOf = nameOf;
    this.#overwrite = overwrite;
  }

  /**
   * The row with its new names, in its order.
   *
   * @throws {RecordError} when two fields would have one name, and nothing says which wins
   */
  rename(row: Row): Row {
    const last = this.#last;
    const shape = last !== undefined && hasNames(row, last.from) ? last : this.#shapeOf(row);
    if (shape.isSame) return row;
    if (shape.collision !== undefined) {
      throw new RecordError(`Two fields would be called "${shape.collision}" after renaming`, {
        code: "schema_rename_collision",
      });
    }
    const { from, to } = shape;
    const renamed: Record<string, Value> = {};
    for (let i = 0; i < from.length; i++) {
      const name = to[i];
      if (name === undefined) continue;
      if (name === "__proto__") setMember(renamed, name, row[from[i]]);
      else renamed[name] = row[from[i]];
    }
    return renamed;
  }

  #shapeOf(row: Row): Shape {
    const from = Object.keys(row);
    const key = JSON.stringify(from);
    let shape = this.#shapes.get(key);
    if (!shape) {
      if (this.#shapes.size >= MAX_SHAPES) this.#shapes.clear();
      this.#shapes.set(key, shape = makeShape(from, this.#nameOf, this.#overwrite));
    }
    return this.#last = shape;
  }
}

function hasNames(row: Row, names: readonly string[]): boolean {
  let i = 0;
  for (const name in row) if (names[i++] !== name) return false;
  return i === names.length;
}

/** The new names of a row, in its order: what resolveNames() says, and whether it can be done. */
function makeShape(from: readonly string[], nameOf: NameOf, overwrite: boolean): Shape {
  const { to, collision } = resolveNames(from, nameOf, overwrite);
  return { from, to, collision, isSame: !collision && to.every((name, i) => name === from[i]) };
}

/**
 * New names for a list of names; undefined stands for a field that goes. Where two would have one name, `overwrite`
 * lets the renamed one win, the last of several; without it, `collision` names it.
 */
export function resolveNames(
  from: readonly string[],
  nameOf: NameOf,
  overwrite: boolean,
): { to: (string | undefined)[]; collision?: string } {
  const to: (string | undefined)[] = from.map(nameOf);
  const winners = new Map<string, number>();
  let collision: string | undefined;
  for (let i = 0; i < to.length; i++) {
    const name = to[i];
    if (name === undefined) continue;
    const other = winners.get(name);
    if (other === undefined) {
      winners.set(name, i);
      continue;
    }
    if (!overwrite) collision ??= name;
    const loser = name === from[i] ? i : other;
    to[loser] = undefined;
    winners.set(name, loser === i ? other : i);
  }
  return { to, collision };
}
