// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.
import { serveWorker } from "../worker_host.ts";

serveWorker({
  connectors: { file: { sink: () => import("../../connectors/file/sink.ts") } },
  transforms: {},
});
