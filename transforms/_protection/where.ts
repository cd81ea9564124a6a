/** Is an encrypted value where it was encrypted? Compared are the parts that both sides know. */
import { parseJson, valueText } from "../../formats/data/json_value.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { placeNames } from "./sealed.ts";

/** How messages end: moved on purpose, or by somebody who should not. */
const MOVED = "moved or renamed since; if that was meant, open it without this check";

/**
 * Why the value of `place` does not belong here; undefined where it does.
 *
 * @param table database, schema and table, undefined where they aren't known
 * @param path names from the column inwards
 */
export function placeProblem(
  place: string,
  table: readonly (string | undefined)[],
  path: readonly string[],
): string | undefined {
  const [database, schema, name, ...columns] = placeNames(place);
  const differs = [database, schema, name].some((bound, i) =>
    bound !== "" && table[i] !== undefined && table[i] !== bound
  );
  const isColumn = columns.length === 1 && columns[0] === "" ||
    columns.length === path.length && columns.every((column, i) => column === path[i]);
  if (!differs && isColumn) return undefined;
  const here = [...table.filter((part) => part !== undefined), ...path].join(".");
  return `An encrypted value of "${place}" stands at "${here}": it was ${MOVED}`;
}

/** Why a value that was encrypted in the row with the key `bound` does not belong into `row`. */
export function rowProblem(bound: string | undefined, row: Row): string | undefined {
  if (bound === undefined) return undefined;
  let key: Value;
  try {
    key = parseJson(bound, true);
  } catch {
    return "An encrypted value names no row";
  }
  for (const [name, value] of Object.entries((key ?? {}) as Row)) {
    // A key column that was removed or renamed says nothing; one that was cast is still the same text.
    if (!Object.hasOwn(row, name) || isSame(row[name], value)) continue;
    return `An encrypted value of another row stands here (its "${name}" differs): it was ${MOVED}`;
  }
  return undefined;
}

function isSame(found: Value, bound: Value): boolean {
  // A large integer that a plain JSON.parse has rounded.
  if (typeof found === "number" && typeof bound === "bigint") return found === Number(bound);
  return text(found) === text(bound);
}

function text(value: Value): string {
  return typeof value === "string"
    ? value
    : value instanceof Uint8Array
    ? value.toBase64()
    : valueText(value);
}
