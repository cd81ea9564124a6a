/** Definitions by what a pipeline file calls them: what the registries of connectors and of transforms have in common. */
import type { Json } from "../../formats/data/value.ts";

interface Named {
  readonly type: string;
  readonly aliases?: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

export interface Found<Definition> {
  readonly definition: Definition;
  /** The keys that the alias fixes. */
  readonly fixed: Readonly<Record<string, Json>>;
}

/** By type, each loads when it is called. */
export type Registry<Definition> = Readonly<Record<string, () => Promise<{ readonly default: Definition }>>>;

/**
 * Definitions of this build.
 *
 * @param names types; all definitions are loaded when they are left out, or when one of them is no type but may be an
 * alias or a misspelling
 */
export async function load<Definition>(
  registry: Registry<Definition>,
  names?: readonly string[],
): Promise<readonly Definition[]> {
  const all = Object.keys(registry);
  const wanted = names?.every((name) => Object.hasOwn(registry, name))
    ? all.filter((type) => names.includes(type))
    : all;
  const modules = await Promise.all(wanted.map((type) => registry[type]()));
  return modules.map((module) => module.default);
}

/** The one of this type or alias, or undefined. Types win over aliases. */
export function find<Definition extends Named>(
  definitions: readonly Definition[],
  name: string,
): Found<Definition> | undefined {
  const byType = definitions.find((definition) => definition.type === name);
  if (byType !== undefined) return { definition: byType, fixed: {} };
  for (const definition of definitions) {
    if (Object.hasOwn(definition.aliases ?? {}, name)) {
      return { definition, fixed: definition.aliases![name] };
    }
  }
}

/** All types and aliases. */
export function namesOf(definitions: readonly Named[]): string[] {
  return definitions.flatMap(({ type, aliases }) => [type, ...Object.keys(aliases ?? {})]);
}
