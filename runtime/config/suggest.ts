/** "Did you mean …?": config.ts asks it about keys, names and choices, the command line about verbs and flags. */
import { closestMatch } from "leven";

/** A longer list is no help. */
const MAX_LISTED = 16;

/**
 * The candidate that was probably meant by `written`, or undefined when none is close. Close is: one typing mistake in
 * three letters, two letters swapped, a name that goes on or ends early (`postgres` for `postgres-cdc`).
 */
export function closest(written: string, candidates: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_ .]/g, "");
  const wanted = plain(written);
  const names = new Map([...candidates].map((name) => [plain(name), name]));
  const maxDistance = Math.max(1, Math.floor(wanted.length / 3));
  const match = names.has(wanted)
    ? wanted
    : closestMatch(wanted, [...names.keys()], { maxDistance }) ?? swapped(wanted, [...names.keys()]);
  if (match !== undefined) return names.get(match);
  if (wanted.length < 3) return undefined;
  const longer = [...names].filter(([name]) => name.startsWith(wanted) || wanted.startsWith(name));
  return longer.length === 1 ? longer[0][1] : undefined;
}

/** A short word with two letters swapped is two mistakes for the Levenshtein distance. */
function swapped(wanted: string, names: readonly string[]): string | undefined {
  const letters = (text: string) => [...text].toSorted().join("");
  const same = names.filter((name) => letters(name) === letters(wanted));
  return closestMatch(wanted, same, { maxDistance: 2 });
}

/** The same as a sentence, or undefined; `otherwise` lists what there is when nothing is close. */
export function didYouMean(
  written: string,
  candidates: Iterable<string>,
  otherwise?: string,
): string | undefined {
  const names = [...candidates];
  const match = closest(written, names);
  if (match !== undefined) return `Did you mean "${match}"?`;
  if (otherwise === undefined || names.length === 0) return undefined;
  return `${otherwise}: ${names.slice(0, MAX_LISTED).join(", ")}${names.length > MAX_LISTED ? ", …" : ""}`;
}
