/** The worker entry point of fault tests: the program's worker with connectors that misbehave. */
import { serveWorker } from "../../runtime/worker_host.ts";
import { implementations as transforms } from "../../transforms/implementations.gen.ts";

serveWorker({
  connectors: {
    numbers: { source: () => import("./numbers_source.ts") },
    dead_letters: { source: () => import("../../runtime/dead_letters/dead_letter_source.ts") },
    ledger: { sink: () => import("./ledger_sink.ts") },
    vault: { sink: () => import("./vault_sink.ts") },
  },
  transforms,
});
