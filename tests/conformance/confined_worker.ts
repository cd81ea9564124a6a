/** The worker of confined.ts: a connector with the rights that its definition asks for, and no others. */
import type { Sink, Source } from "../../connectors/contract.ts";
import { implementations } from "../../connectors/implementations.gen.ts";
import { batchFromData, type Position } from "../../formats/data/batch.ts";
import type { Json } from "../../formats/data/value.ts";
import { systemClock } from "../../runtime/clock.ts";
import { seal } from "../../runtime/confinement.ts";
import { fakeSinkContext, fakeSourceContext } from "../fakes/context.ts";
import type { Answer, Request } from "./confined.ts";

const scope = self as unknown as {
  postMessage(message: Answer): void;
  onmessage: (event: MessageEvent<Request>) => void;
};
let sink: Sink;
let source: Source;

/** Each request is answered before the next one is made. */
const acknowledged: (() => void)[] = [];

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case "open_sink": {
      const documents = new Map(request.documents);
      const context = {
        ...fakeSinkContext({ documents, saved: request.saved }),
        clock: systemClock,
        state: {
          get: (key: string) => Promise.resolve(documents.get(key)),
          put: (key: string, value: Json) => {
            documents.set(key, value);
            scope.postMessage({ kind: "put", key, value });
            return new Promise<void>((resolve) => acknowledged.push(resolve));
          },
        },
      };
      seal();
      const { openSink } = await implementations[request.type].sink!();
      sink = await openSink(request.config as never, context);
      return;
    }
    case "open_source": {
      const { type, streams, config } = request;
      seal();
      const { openSource } = await implementations[type].source!();
      source = await openSource(config as never, {
        ...fakeSourceContext({ connector: type, streams }),
        clock: systemClock,
      });
      return;
    }
    case "read": {
      const stop = new AbortController();
      let count = 0;
      let position: Position | undefined;
      for await (const batch of source.read(undefined, stop.signal)) {
        count += batch.length;
        position = batch.position;
        if (count >= request.count) break;
      }
      stop.abort();
      if (position) await source.acknowledge(position);
      return count;
    }
    case "write":
      return await sink.write(batchFromData(request.batch));
    case "flush":
      return await sink.flush();
    case "check": {
      const failed: string[] = [];
      await (sink ?? source).check(({ name, status, message }) => {
        if (status === "failed") failed.push(`${name}: ${message}`);
      });
      return failed;
    }
    case "close":
      return await (sink ?? source)[Symbol.asyncDispose]();
    case "put_done":
      return acknowledged.shift()!();
  }
}

scope.onmessage = async ({ data: request }) => {
  try {
    const value = await answer(request);
    if (request.kind !== "put_done") scope.postMessage({ kind: "done", value });
  } catch (error) {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    scope.postMessage({ kind: "failed", text });
  }
};
scope.postMessage({ kind: "done", value: undefined });
