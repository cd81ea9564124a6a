/** The one worker entry point: every connector of this build, loaded when it is asked for. */
import { implementations } from "../connectors/implementations.gen.ts";
import { serveWorker } from "./worker_host.ts";

serveWorker(implementations);
