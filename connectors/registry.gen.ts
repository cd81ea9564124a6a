// Written by `deno task generate` from the folders here: change those, not this file.
import type { ConnectorDefinition } from "./contract.ts";
import datagen from "./datagen/connector.ts";
import file from "./file/connector.ts";
import postgresCdc from "./postgres-cdc/connector.ts";
import stdout from "./stdout/connector.ts";

/** The definition of every connector of this build, by folder name. */
export const definitions: readonly ConnectorDefinition[] = [datagen, file, postgresCdc, stdout];
