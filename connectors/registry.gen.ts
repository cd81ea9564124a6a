// Written by `deno task generate` from the folders here: change those, not this file.
import type { ConnectorDefinition } from "./contract.ts";

/** The definition of every connector of this build, by folder name. */
export const definitions: readonly ConnectorDefinition[] = [];
