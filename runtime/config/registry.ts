/** Finds connector definitions by what `connector:` says. config.ts and the commands that describe connectors ask. */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { registry } from "../../connectors/registry.gen.ts";
import { find, type Found, load, namesOf } from "./definitions.ts";

export type Role = "source" | "sink";

export type FoundConnector = Found<ConnectorDefinition>;

/** Definitions of these types, or of all. */
export function loadDefinitions(names?: readonly string[]): Promise<readonly ConnectorDefinition[]> {
  return load(registry, names);
}

/** The connector of this type or alias, or undefined. */
export function findConnector(
  definitions: readonly ConnectorDefinition[],
  name: string,
): FoundConnector | undefined {
  return find(definitions, name);
}

/** All types and aliases, or those with this side. */
export function connectorNames(definitions: readonly ConnectorDefinition[], role?: Role): string[] {
  return namesOf(definitions.filter((definition) => role === undefined || definition[role] !== undefined));
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
