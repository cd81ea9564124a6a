/**
 * New names of the top-level fields of rows, for implementation.ts. Rows of a table have the same names again and
 * again, so what becomes of them is worked out once for each sequence of names.
 */
import { RecordError } from "../../formats/data/errors.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { hasNames } from "../_shared/records.ts";

/** The new name of a field, or undefined when it goes. */
export type NameOf = (name: string) => string | undefined;

/** What becomes of rows with certain names. */
interface Shape {
  readonly from: readonly string[];
  readonly to: readonly (string | undefined)[];
  /** A row with the new names; copies of it have room for all of them, and are filled in half the time. */
  readonly template: Row;
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
    return (this.#last && renamed(row, this.#last)) ?? renamed(row, this.#shapeOf(row))!;
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

/** The row with the new names of a shape; undefined where its names are others. */
function renamed(row: Row, { from, to, template, isSame, collision }: Shape): Row | undefined {
  if (isSame || collision !== undefined) {
    if (!hasNames(row, from)) return undefined;
    if (collision === undefined) return row;
    throw new RecordError(`Two fields would be called "${collision}" after renaming`, {
      code: "schema_rename_collision",
    });
  }
  const out: Record<string, Value> = { ...template };
  let i = 0;
  for (const name in row) {
    if (name !== from[i]) return undefined;
    const newName = to[i++];
    // The copy has a member of its own of every name, `__proto__` too.
    if (newName !== undefined) out[newName] = row[name];
  }
  return i === from.length ? out : undefined;
}

/** The new names of a row, in its order: what resolveNames() says, and whether it can be done. */
function makeShape(from: readonly string[], nameOf: NameOf, overwrite: boolean): Shape {
  const { to, collision } = resolveNames(from, nameOf, overwrite);
  const members = to.filter((name) => name !== undefined).map((name) => `${JSON.stringify(name)}:null`);
  const template: Row = JSON.parse(`{${members.join(",")}}`);
  return { from, to, template, collision, isSame: !collision && to.every((name, i) => name === from[i]) };
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
