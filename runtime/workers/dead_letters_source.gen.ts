// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.
import { serveWorker } from "../worker_host.ts";
import { implementations as transforms } from "../../transforms/implementations.gen.ts";

serveWorker({
  connectors: { dead_letters: { source: () => import("../dead_letters/dead_letter_source.ts") } },
  transforms,
});
