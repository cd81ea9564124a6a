/** The connectors of this build: finding one by name or alias, searching them. For spec.ts, docs.ts and init.ts. */
import { CATEGORIES, type ConnectorDefinition } from "../connectors/contract.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { UsageError } from "./command.ts";

/**
 * The connector of that name or alias; `-` and `_` count as the same.
 *
 * @param transforms names that could have been meant too
 * @throws {UsageError} with the nearest name
 */
export function connectorNamed(
  name: string,
  definitions: readonly ConnectorDefinition[],
  transforms: readonly string[] = [],
): ConnectorDefinition {
  const wanted = plain(name);
  const found = definitions.find(({ type }) => plain(type) === wanted) ??
    definitions.find((definition) => aliasesOf(definition).some((alias) => plain(alias) === wanted));
  if (found) return found;
  const names = definitions.flatMap((definition) => [definition.type, ...aliasesOf(definition)]);
  throw new UsageError(
    `There is no connector${transforms.length > 0 ? " or transform" : ""} "${name}" in this build`,
    didYouMean(name, [...names, ...transforms]) ?? "List them with: rivven-connect spec",
  );
}

export interface Filter {
  readonly category?: string;
  /** All of them. */
  readonly tags?: readonly string[];
  readonly search?: string;
}

/**
 * The connectors that pass the filter: by category and name, or, with a search text, best match first.
 *
 * @throws {UsageError} for a category or a tag that no connector has
 */
export function selectConnectors(
  definitions: readonly ConnectorDefinition[],
  { category, tags = [], search }: Filter,
): ConnectorDefinition[] {
  const order = Object.keys(CATEGORIES);
  if (category !== undefined && !order.includes(category)) {
    throw new UsageError(
      `There is no category "${category}"`,
      didYouMean(category, order) ?? `The categories: ${order.join(", ")}`,
    );
  }
  const allTags = [...new Set(definitions.flatMap((definition) => definition.tags))].sort();
  for (const tag of tags) {
    if (!allTags.includes(tag)) {
      throw new UsageError(
        `No connector has the tag "${tag}"`,
        didYouMean(tag, allTags) ?? `The tags: ${allTags.join(", ")}`,
      );
    }
  }
  const passing = definitions
    .filter((definition) => category === undefined || definition.category === category)
    .filter((definition) => tags.every((tag) => definition.tags.includes(tag)))
    .toSorted((a, b) => order.indexOf(a.category) - order.indexOf(b.category) || (a.type < b.type ? -1 : 1));
  if (search === undefined) return passing;
  return passing
    .map((definition) => ({ definition, rank: rankOf(definition, search) }))
    .filter(({ rank }) => rank < Infinity)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ definition }) => definition);
}

/**
 * How well a connector matches: 0 its name, 1 an alias, 2 a name or alias begins with it, 3 a tag, 4 it occurs
 * somewhere in the texts. Infinity: not at all. Of several words, each must match and the worst counts.
 */
export function rankOf(definition: ConnectorDefinition, search: string): number {
  const whole = plain(search.trim());
  const rank = rankOfWord(definition, whole);
  const words = whole.split(/\s+/).filter((word) => word);
  if (words.length < 2) return words.length === 0 ? Infinity : rank;
  return Math.min(rank, Math.max(...words.map((word) => rankOfWord(definition, word))));
}

function rankOfWord(definition: ConnectorDefinition, word: string): number {
  const { type, title, summary, description, category } = definition;
  const aliases = aliasesOf(definition).map(plain);
  const tags = definition.tags.map(plain);
  if (plain(type) === word) return 0;
  if (aliases.includes(word)) return 1;
  if ([plain(type), ...aliases].some((name) => name.startsWith(word))) return 2;
  if (tags.includes(word)) return 3;
  const texts = [type, title, summary, description, category, CATEGORIES[category], ...aliases, ...tags];
  return texts.some((text) => plain(text).includes(word)) ? 4 : Infinity;
}

/** Its other names. */
export function aliasesOf(definition: ConnectorDefinition): string[] {
  return Object.keys(definition.aliases ?? {});
}

/** `source`, `sink`, or both. */
export function rolesOf(definition: ConnectorDefinition): ("source" | "sink")[] {
  return [...(definition.source ? ["source" as const] : []), ...(definition.sink ? ["sink" as const] : [])];
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll("_", "-");
}
