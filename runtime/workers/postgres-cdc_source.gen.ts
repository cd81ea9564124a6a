// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.
import { serveWorker } from "../worker_host.ts";
import { implementations as transforms } from "../../transforms/implementations.gen.ts";

serveWorker({
  connectors: { "postgres-cdc": { source: () => import("../../connectors/postgres-cdc/source.ts") } },
  transforms,
});
