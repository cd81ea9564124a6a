/** The one worker entry point: every connector and transform of this build, loaded when it is asked for. */
import { implementations as connectors } from "../connectors/implementations.gen.ts";
import { implementations as transforms } from "../transforms/implementations.gen.ts";
import { serveWorker } from "./worker_host.ts";

serveWorker({
  connectors: {
    ...connectors,
    dead_letters: { source: () => import("./dead_letters/dead_letter_source.ts") },
  },
  transforms,
});
