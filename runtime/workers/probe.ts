/**
 * The worker entry point of the self-test. It answers remote.ts like worker_host.ts does, but loads nothing of what
 * connectors need, so that a start does not wait for it.
 */
import { reportError } from "../../formats/data/errors.ts";
import { probe } from "../confinement.ts";
import type { FromWorker, ToWorker } from "../protocol.ts";

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

scope.onmessage = async ({ data: message }) => {
  if (message.kind !== "call") return;
  try {
    scope.postMessage({ kind: "result", id: message.id, value: await probe() });
  } catch (error) {
    scope.postMessage({ kind: "error", id: message.id, error: reportError(error) });
  }
};
scope.postMessage({ kind: "ready" });
