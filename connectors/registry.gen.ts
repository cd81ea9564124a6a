// Written by `deno task generate` from the folders here: change those, not this file.
import type { ConnectorDefinition } from "./contract.ts";

interface Module {
  readonly default: ConnectorDefinition;
}

/** The definition of every connector of this build, by type; each loads when it is called. */
export const registry: Readonly<Record<string, () => Promise<Module>>> = {
  datagen: () => import("./datagen/connector.ts"),
  file: () => import("./file/connector.ts"),
  "http-webhook": () => import("./http-webhook/connector.ts"),
  "object-storage": () => import("./object-storage/connector.ts"),
  "postgres-cdc": () => import("./postgres-cdc/connector.ts"),
  rivven: () => import("./rivven/connector.ts"),
  stdout: () => import("./stdout/connector.ts"),
};
