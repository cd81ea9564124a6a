// Written by `deno task generate` from the folders here: change those, not this file.
import type { SinkModule, SourceModule } from "./contract.ts";

interface Implementation {
  readonly source?: () => Promise<SourceModule>;
  readonly sink?: () => Promise<SinkModule>;
}

/** The code of every connector of this build, by type; each loads when it is called. For workers. */
export const implementations: Readonly<Record<string, Implementation>> = {
  datagen: {
    source: () => import("./datagen/source.ts"),
  },
  file: {
    source: () => import("./file/source.ts"),
    sink: () => import("./file/sink.ts"),
  },
  "http-webhook": {
    sink: () => import("./http-webhook/sink.ts"),
  },
  "object-storage": {
    sink: () => import("./object-storage/sink.ts"),
  },
  "postgres-cdc": {
    source: () => import("./postgres-cdc/source.ts"),
  },
  rivven: {
    source: () => import("./rivven/source.ts"),
    sink: () => import("./rivven/sink.ts"),
  },
  stdout: {
    sink: () => import("./stdout/sink.ts"),
  },
};
