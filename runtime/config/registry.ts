/** Finds connector definitions by what `connector:` says. config.ts and the commands that describe connectors ask. */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { registry } from "../../connectors/registry.gen.ts";
import type { Json } from "../../formats/data/value.ts";

export type Role = "source" | "sink";

export interface FoundConnector {
  readonly definition: ConnectorDefinition;
  /** The keys that the alias fixes. */
  readonly fixed: Readonly<Record<string, Json>>;
}

/**
 * Definitions of this build.
 *
 * @param names types; all definitions are loaded when they are left out, or when one of them is no type but may be an
 * alias or a misspelling
 */
export async function loadDefinitions(names?: readonly string[]): Promise<readonly ConnectorDefinition[]> {
  const all = Object.keys(registry);
  const wanted = names?.every((name) => Object.hasOwn(registry, name))
    ? all.filter((type) => names.includes(type))
    : all;
  const modules = await Promise.all(wanted.map((type) => registry[type]()));
  return modules.map((module) => module.default);
}

/** The connector of this type or alias, or undefined. Types win over aliases. */
export function findConnector(
  definitions: readonly ConnectorDefinition[],
  name: string,
): FoundConnector | undefined {
  const byType = definitions.find((definition) => definition.type === name);
  if (byType !== undefined) return { definition: byType, fixed: {} };
  for (const definition of definitions) {
    if (Object.hasOwn(definition.aliases ?? {}, name)) {
      return { definition, fixed: definition.aliases![name] };
    }
  }
}

/** All types and aliases, or those with this side. */
export function connectorNames(definitions: readonly ConnectorDefinition[], role?: Role): string[] {
  return definitions
    .filter((definition) => role === undefined || definition[role] !== undefined)
    .flatMap((definition) => [definition.type, ...Object.keys(definition.aliases ?? {})]);
}

/** Connectors that pipeline files may name and that a build need not have. */
export const CONNECTORS_ELSEWHERE: readonly string[] = [
  "datagen",
  "postgres-cdc",
  "mysql-cdc",
  "sqlserver-cdc",
  "external-queue",
  "mqtt",
  "sqs",
  "pubsub",
  "stdout",
  "http-webhook",
  "object-storage",
  "s3",
  "gcs",
  "azure-blob",
  "iceberg",
  "snowflake",
  "bigquery",
  "redshift",
  "rivven",
];
