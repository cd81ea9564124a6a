/** Generated orders to an HTTP server in requests of a hundred, beside a bare loop of `fetch` with such bodies. */
import { perSecond, pipeline } from "./datagen.ts";
import { type Bench, program, scratch } from "./measure.ts";

const BATCH = 100;
const CONCURRENCY = 4;

/** Reads what it gets and answers 200. Prints its port. */
const SERVER = `
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, async (request) => {
    await request.arrayBuffer();
    return new Response(null, { status: 200 });
  });
  await server.finished;`;

async function startServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", SERVER],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    url: `http://127.0.0.1:${Number(new TextDecoder().decode(value))}/events`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** The same number of requests with bodies of the same size, as many at a time. */
function bareFetches(url: string, records: number): string {
  const code = `
    const order = { order_id: "ORD-00000000", customer_id: "user_00005763", product: "Widget Pro", quantity: 2,
      unit_price: 85.07, total_amount: 170.14, currency: "USD", status: "pending",
      created_at: "2026-11-19T13:55:53.257804Z", _sequence: 0, _timestamp: "2026-11-24T20:18:44.257804Z" };
    const record = { event_type: "record", stream: "orders", namespace: null, timestamp: order._timestamp, data: order,
      metadata: { position: "0000000000000000", lane: "stream", source: "shop" } };
    let left = Math.ceil(${records} / ${BATCH});
    const send = async () => {
      while (left-- > 0) {
        const body = JSON.stringify(Array(${BATCH}).fill(record));
        const answer = await fetch("${url}", { method: "POST", headers: { "content-type": "application/json" }, body });
        await answer.body?.cancel();
        if (!answer.ok) throw new Error(answer.statusText);
      }
    };
    await Promise.all(Array.from({ length: ${CONCURRENCY} }, send));`;
  return `${Deno.execPath()} eval -q '${code}'`;
}

export const webhook: Bench = {
  name: "webhook",
  async run({ records, runs }, report) {
    using dir = scratch();
    await using server = await startServer();
    const line = (count: number) => {
      const run = crypto.randomUUID();
      const file = `${dir.path}/${run}.yaml`;
      const sink = `{ connector: http-webhook, config: { url: "${server.url}", batch_size: ${BATCH}, ` +
        `max_concurrency: ${CONCURRENCY} } }`;
      Deno.writeTextFileSync(file, pipeline(count, sink, `${dir.path}/${run}`));
      return program(`run -c ${file}`);
    };
    const count = Math.ceil(records / 4);
    const ours = await perSecond(count, runs, line);
    const limit = await perSecond(count, runs, (count) => bareFetches(server.url, count));
    report({
      bench: `datagen → HTTP, ${BATCH} records a request`,
      unit: "requests/s",
      ours: ours.perSecond / BATCH,
      limit: limit.perSecond / BATCH,
      limit_is: `a loop of fetch with such bodies, ${CONCURRENCY} at a time`,
      cpu_us_per_record: ours.cpuUs,
      rss_mb: ours.rssMb,
    });
  },
};
