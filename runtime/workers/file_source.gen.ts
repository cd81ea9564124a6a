// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.
import { serveWorker } from "../worker_host.ts";
import { implementations as transforms } from "../../transforms/implementations.gen.ts";

serveWorker({
  connectors: { file: { source: () => import("../../connectors/file/source.ts") } },
  transforms,
});
