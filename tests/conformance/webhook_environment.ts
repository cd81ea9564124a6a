/** The other side of the `http-webhook` sink: a server of this process that keeps what it accepts. */
import { fakeBatch, fakeRecord } from "../fakes/records.ts";
import { disposable, type SinkEnvironment } from "./environment.ts";

/** Refuses records whose row says so, with 422. */
export function webhook(keys: Record<string, unknown>): () => Promise<SinkEnvironment> {
  return () => {
    const lines: string[] = [];
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
      if (request.method === "HEAD") return new Response(null, { status: 405 });
      const body = await request.text();
      if (body.includes(REFUSED)) return new Response(null, { status: 422 });
      lines.push(...textsOf(body));
      return new Response();
    });
    const config = { url: `http://127.0.0.1:${server.addr.port}/hook`, max_concurrency: 1, ...keys };
    return Promise.resolve(disposable({
      config,
      repeated: "twice" as const,
      refused: {
        batch: fakeBatch(
          [1, 2, 3, 4].map((id) =>
            fakeRecord(id, { after: { id: BigInt(id), note: id === 3 ? REFUSED : "fine" } })
          ),
        ),
        i: 2,
      },
      lines: () => Promise.resolve([...lines]),
    }, () => server.shutdown()));
  };
}

const REFUSED = "the server refuses this";

/** The records of a body, each as it was written: an array's elements stand between its brackets. */
function textsOf(body: string): string[] {
  if (!body.startsWith("[")) return [body];
  const texts: string[] = [];
  let depth = 0;
  let start = 1;
  for (let at = 1; at < body.length; at++) {
    const char = body[at];
    if (char === '"') at = endOfText(body, at);
    else if (char === "{" || char === "[") depth++;
    else if ((char === "," || char === "]") && depth === 0) {
      texts.push(body.slice(start, at));
      start = at + 1;
    } else if (char === "}" || char === "]") depth--;
  }
  return texts;
}

function endOfText(body: string, from: number): number {
  let at = from + 1;
  while (body[at] !== '"') at += body[at] === "\\" ? 2 : 1;
  return at;
}
