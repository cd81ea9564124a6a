/** Records into a Rivven broker and out of it, beside bare loops over the same client that do nothing else. */
import { partitionOf } from "../../connectors/rivven/client/partition.ts";
import type { IncomingRecord } from "../../connectors/rivven/client/messages.ts";
import { findProgram, type Rivvend, startRivvend } from "../servers/rivvend.ts";
import { type Bench, measure, median, medianRun, program, repeat, scratch, usageOf } from "./measure.ts";

/** As many bytes as an order of datagen has in its envelope. */
const VALUE = new TextEncoder().encode("x".repeat(430));
const BATCH = 100;

export function missing(): Promise<string | undefined> {
  try {
    findProgram();
    return Promise.resolve(undefined);
  } catch (error) {
    return Promise.resolve((error as Error).message);
  }
}

function intoBroker(
  broker: Rivvend,
  records: number,
  partitions: number,
  topic: string,
  dir: string,
): string {
  return `version: "1.0"
settings: { state_dir: "${dir}/state-${topic}" }
sources:
  shop:
    connector: datagen
    config: { pattern: users, cdc_mode: true, events_per_second: 0, max_events: ${records}, seed: 42 }
sinks:
  broker:
    connector: rivven
    config:
      address: "${broker.address}"
      topic: ${topic}
      connections: ${Math.min(partitions, 64)}
      topic_config: { partitions: ${partitions} }
pipelines:
  all: { source: shop, sink: broker }
`;
}

/** Every partition gets its share in batches, one at a time. Records a second. */
export async function barePublish(
  broker: Rivvend,
  records: number,
  partitions: number,
  topic: string,
): Promise<number> {
  await using client = broker.client(partitions);
  await client.ensureTopic(topic, partitions);
  const batch = Array.from({ length: BATCH }, (_, i) => ({
    key: new TextEncoder().encode(`{"id":${i}}`),
    value: VALUE,
  }));
  const each = Math.max(1, Math.round(records / partitions / BATCH));
  const started = performance.now();
  await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
    for (let i = 0; i < each; i++) await client.publish(topic, partition, batch);
  }));
  return each * BATCH * partitions / ((performance.now() - started) / 1000);
}

/** The same with records where their keys belong, as they come: some partitions get more than others. Records a second. */
async function keyedPublish(
  broker: Rivvend,
  records: number,
  partitions: number,
  topic: string,
): Promise<number> {
  await using client = broker.client(partitions);
  await client.ensureTopic(topic, partitions);
  const utf8 = new TextEncoder();
  const queues: { key: Uint8Array; value: Uint8Array }[][] = Array.from({ length: partitions }, () => []);
  for (let id = 0; id < records; id++) {
    const key = utf8.encode(`{"id":${id}}`);
    queues[partitionOf(key, partitions)].push({ key, value: VALUE });
  }
  const started = performance.now();
  await Promise.all(queues.map(async (queue, partition) => {
    for (let at = 0; at < queue.length; at += BATCH) {
      await client.publish(topic, partition, queue.slice(at, at + BATCH));
    }
  }));
  return records / ((performance.now() - started) / 1000);
}

export const rivvenSink: Bench = {
  name: "rivven_sink",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    for (const [partitions, share] of [[16, 100], [64, 50]]) {
      await using broker = await startRivvend();
      const count = Math.max(partitions * BATCH * 2, Math.round(records / share));
      let run = 0;
      const line = (count: number) => {
        const topic = `t${partitions}.${run++}`;
        const file = `${dir.path}/${topic}.yaml`;
        Deno.writeTextFileSync(file, intoBroker(broker, count, partitions, topic, dir.path));
        return program(`run -c ${file}`);
      };
      const few = Math.min(runs, 3);
      const start = medianRun(await repeat(few, () => measure(line(1))));
      const limits: number[] = [];
      const keyed: number[] = [];
      const ours = medianRun(
        await repeat(few, async () => {
          limits.push(await barePublish(broker, count, partitions, `bare${partitions}.${run++}`));
          keyed.push(await keyedPublish(broker, count, partitions, `keyed${partitions}.${run++}`));
          return await measure(line(count));
        }),
      );
      const rate = count / Math.max(0.001, ours.seconds - start.seconds);
      report({
        bench: `datagen → rivven, ${partitions} partitions, equal work`,
        unit: "records/s",
        ours: rate,
        limit: median(keyed),
        limit_is: "that loop, with each record in the partition that its key belongs to",
        note: "the fullest partition decides when both are done",
      });
      report({
        bench: `datagen → rivven, ${partitions} partitions`,
        unit: "records/s",
        ours: rate,
        limit: median(limits),
        limit_is: `a loop that publishes batches of ${BATCH} over as many connections`,
        goal: "≥ 0.9 of the limit",
        cpu_us_per_record: (ours.cpuSeconds - start.cpuSeconds) / count * 1e6,
        rss_mb: ours.peakRssMb,
        note: `${count} changes of users, keyed; the broker's own waits bound both`,
      });
    }
  },
};

const PARTITIONS = 16;
const BATCHES_AT_ONCE = 12;

/** Reads a topic to its end, all partitions at once, and hands on what comes. Records a second. */
async function bareConsume(
  broker: Rivvend,
  topic: string,
  take: (records: readonly IncomingRecord[], partition: number) => void = () => {},
  end: () => void = () => {},
): Promise<number> {
  await using client = broker.client(PARTITIONS);
  const started = performance.now();
  let count = 0;
  await Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => {
    const { latest } = await client.offsets(topic, partition);
    for (let offset = 0; offset < latest;) {
      const records = await client.consume({ topic, partition, offset, maxRecords: 1000, maxWaitMs: 0 });
      take(records, partition);
      count += records.length;
      offset = records.at(-1)!.offset + 1;
    }
  }));
  end();
  return count / ((performance.now() - started) / 1000);
}

/** The same, and what the program does besides: each change read, and written with its place in the topic. */
async function consumeIntoFile(broker: Rivvend, topic: string, path: string): Promise<number> {
  const fromUtf8 = new TextDecoder();
  const utf8 = new TextEncoder();
  using file = Deno.createSync(path);
  const write = (records: readonly IncomingRecord[], partition: number) => {
    let lines = "";
    for (const { key, value, offset } of records) {
      JSON.parse(fromUtf8.decode(key));
      const change = JSON.parse(fromUtf8.decode(value));
      const { version, connector, name, lane, order, ...source } = change.source;
      change.source = {
        ...source,
        ...{ version: "0.1.0", connector: "rivven", name: "topics" },
        origin: { version, connector, name, lane, order },
        ...{ lane: `${topic}/${partition}`, order: `0/${String(offset).padStart(16, "0")}` },
      };
      lines += JSON.stringify(change) + "\n";
    }
    const bytes = utf8.encode(lines);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  return await bareConsume(broker, topic, write, () => file.syncDataSync());
}

/** Reads the topic into a file with the program: seconds from the first byte to the last, and CPU in all. */
async function intoFile(broker: Rivvend, topic: string, dir: string, run: number) {
  const out = `${dir}/out${run}`;
  const config = `${dir}/read${run}.yaml`;
  Deno.writeTextFileSync(
    config,
    `version: "1.0"
settings: { state_dir: "${out}/state" }
sources:
  topics: { connector: rivven, config: { address: "${broker.address}", topics: [${topic}] } }
sinks:
  files: { connector: file, config: { path: "${out}/all.jsonl" } }
pipelines:
  all: { source: topics, sink: files }
`,
  );
  const child = new Deno.Command("sh", {
    args: ["-c", `exec ${program(`run -c ${config}`)}`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const size = () => {
    try {
      return Deno.statSync(`${out}/all.jsonl`).size;
    } catch {
      return 0;
    }
  };
  let bytes = 0, first = 0, last = 0, cpuAtFirst = 0;
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  while (bytes === 0 || performance.now() - last < 1000) {
    const now = size();
    if (now > bytes) {
      last = performance.now();
      if (bytes === 0) [first, cpuAtFirst] = [last, usageOf(child.pid)?.cpuSeconds ?? 0];
      bytes = now;
    }
    if (ended !== undefined) throw new Error(`The program has ended with ${ended}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const usage = usageOf(child.pid)!;
  child.kill("SIGTERM");
  await child.status;
  return {
    seconds: (last - first) / 1000,
    cpuSeconds: usage.cpuSeconds - cpuAtFirst,
    rssMb: usage.peakRssMb,
  };
}

export const rivvenSource: Bench = {
  name: "rivven_source",
  missing,
  async run({ records, runs }, report) {
    using dir = scratch();
    await using broker = await startRivvend({ flags: ["--max-connections-per-ip", "256"] });
    const few = Math.min(runs, 3);
    const work = "changes in the standard envelope, unwrapped and written again";
    const run = async (topic: string, count: number) => {
      await fill(broker, topic, count);
      const limits: number[] = [];
      const equal: number[] = [];
      const all = await repeat(few, async (run) => {
        limits.push(await bareConsume(broker, topic));
        await nextSecond();
        equal.push(await consumeIntoFile(broker, topic, `${dir.path}/equal.jsonl`));
        await nextSecond();
        const ours = await intoFile(broker, topic, dir.path, run);
        await nextSecond();
        return ours;
      });
      const { seconds, cpuSeconds, rssMb } = all.toSorted((a, b) => a.seconds - b.seconds)[all.length >> 1];
      return {
        figure: {
          unit: "records/s",
          ours: count / Math.max(0.001, seconds),
          cpu_us_per_record: cpuSeconds / count * 1e6,
          rss_mb: rssMb,
        },
        limit: median(limits),
        equal: median(equal),
      };
    };
    const count = Math.max(16_000, Math.round(records / 20));
    const { figure, limit, equal } = await run("users", count);
    const bare = "a loop that reads and decodes all partitions and does nothing with them";
    report({
      bench: `rivven → file, ${PARTITIONS} partitions`,
      ...figure,
      limit,
      limit_is: bare,
      goal: "≥ 0.9 of the limit",
      note: `${count} ${work}`,
    });
    report({
      bench: `rivven → file, ${PARTITIONS} partitions, equal work`,
      ...figure,
      limit: equal,
      limit_is:
        "that loop, which parses each message, writes it with its place in the topic, and syncs the file",
      note: `${count} ${work}`,
    });
    const many = count * 3;
    const backlog = await run("backlog", many);
    report({
      bench: `rivven → file, ${PARTITIONS} partitions, a long backlog`,
      ...backlog.figure,
      limit: backlog.limit,
      limit_is: bare,
      note: `${many} ${work}; the broker gives all its readers 100 MiB a second together`,
    });
  },
};

/** The broker counts what it gives out by the second: what the run before had is no burden for the next one. */
async function nextSecond(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1100));
}

/** A topic of changes as the sink would have published them. */
async function fill(broker: Rivvend, topic: string, count: number): Promise<void> {
  await using client = broker.client(PARTITIONS * BATCHES_AT_ONCE);
  await client.ensureTopic(topic, PARTITIONS);
  const utf8 = new TextEncoder();
  const queues: { key: Uint8Array; value: Uint8Array }[][] = Array.from({ length: PARTITIONS }, () => []);
  for (let id = 0; id < count; id++) {
    const key = utf8.encode(`{"id":${id}}`);
    const order = String(id).padStart(16, "0");
    queues[partitionOf(key, PARTITIONS)].push({
      key,
      value: utf8.encode(
        `{"before":null,"after":{"id":${id},"name":"Alice Smith","email":"alice.smith@mail.example","country":"DE"},` +
          `"source":{"version":"0.1.0","connector":"postgres-cdc","name":"shop","ts_ms":1767225600123,"ts_us":1767225600123456,` +
          `"ts_ns":1767225600123456000,"snapshot":"false","db":"shop","schema":"public","table":"users","txId":571,` +
          `"lsn":"0/16E9118","lsn_num":24023320,"lane":"stream","order":"00000000016E9118/${order}"},"op":"c",` +
          `"ts_ms":1767225600200,"ts_us":1767225600200311,"ts_ns":1767225600200311000}`,
      ),
    });
  }
  // Several batches of a partition at once: their order does not matter here, and it is as many times as fast.
  await Promise.all(
    queues.flatMap((records, partition) =>
      Array.from({ length: BATCHES_AT_ONCE }, async (_, k) => {
        for (let at = k * BATCH; at < records.length; at += BATCHES_AT_ONCE * BATCH) {
          await client.publish(topic, partition, records.slice(at, at + BATCH));
        }
      })
    ),
  );
}
