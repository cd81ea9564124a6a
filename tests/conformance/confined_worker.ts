/** The worker of confined.ts: one connector, with the rights that its definition asks for and no others. */
import type { Sink, Source } from "../../connectors/contract.ts";
import { implementations } from "../../connectors/implementations.gen.ts";
import type { Position } from "../../formats/data/batch.ts";
import type { Json } from "../../formats/data/value.ts";
import { systemClock } from "../../runtime/clock.ts";
import { seal } from "../../runtime/confinement.ts";
import { fakeSinkContext, fakeSourceContext } from "../fakes/context.ts";
import { fakeBatches } from "../fakes/records.ts";
import type { Answer, Request } from "./confined.ts";

const scope = self as unknown as {
  postMessage(message: Answer): void;
  onmessage: (event: MessageEvent<Request>) => void;
};
let sink: Sink | undefined;
let source: Source | undefined;

/** Documents that the other side has not confirmed; it confirms in order. */
const puts: (() => void)[] = [];

async function answer(request: Request): Promise<Json | void> {
  switch (request.kind) {
    case "open_sink": {
      const { type, config, saved } = request;
      const documents = new Map(request.documents);
      const state = {
        get: (key: string) => Promise.resolve(documents.get(key)),
        put: (key: string, value: Json) => {
          documents.set(key, value);
          scope.postMessage({ kind: "put", key, value });
          return new Promise<void>((resolve) => puts.push(resolve));
        },
      };
      seal();
      const { openSink } = await implementations[type].sink!();
      sink = await openSink(config as never, { ...fakeSinkContext({ saved }), clock: systemClock, state });
      return;
    }
    case "open_source": {
      const { type, config, streams } = request;
      seal();
      const { openSource } = await implementations[type].source!();
      const context = fakeSourceContext({ connector: type, streams });
      source = await openSource(config as never, { ...context, clock: systemClock });
      return;
    }
    case "read":
      return await read(request.count);
    case "write":
      for (const batch of fakeBatches(1, request.count, request.first)) await sink!.write(batch);
      return;
    case "flush":
      return await sink!.flush();
    case "check": {
      const failed: string[] = [];
      await (sink ?? source)!.check(({ name, status, message }) => {
        if (status === "failed") failed.push(`${name}: ${message}`);
      });
      return failed;
    }
    case "close":
      return await (sink ?? source)![Symbol.asyncDispose]();
    case "put_done":
      return puts.shift()!();
  }
}

/** Reads at least this many records, and acknowledges them. */
async function read(atLeast: number): Promise<number> {
  const stop = new AbortController();
  let count = 0;
  let position: Position | undefined;
  for await (const batch of source!.read(undefined, stop.signal)) {
    count += batch.length;
    position = batch.position;
    if (count >= atLeast) break;
  }
  if (position) await source!.acknowledge(position);
  stop.abort();
  return count;
}

scope.onmessage = async ({ data: request }) => {
  try {
    const value = await answer(request);
    if (request.kind !== "put_done") scope.postMessage({ kind: "done", value: value ?? null });
  } catch (error) {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    scope.postMessage({ kind: "failed", text });
  }
};
scope.postMessage({ kind: "done", value: null });
