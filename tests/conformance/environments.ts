/**
 * The environments in which our connectors run the suites. A new connector adds its own here: an object a role, as in
 * environment.ts; one that needs a server starts it itself (tests/servers/).
 */
import { join } from "node:path";
import type { Clock } from "../../connectors/contract.ts";
import type { StdoutConfig } from "../../connectors/stdout/connector.ts";
import { Output } from "../../connectors/stdout/output.ts";
import { StdoutSink } from "../../connectors/stdout/sink.ts";
import { systemClock } from "../../runtime/clock.ts";
import { Compressor } from "../../formats/files/compression.ts";
import { fileFormat } from "../../formats/files/formats.ts";
import { fakeBatches } from "../fakes/records.ts";
import { FakeClock } from "../fakes/clock.ts";
import {
  disposable,
  type Environments,
  type SinkEnvironment,
  type SourceEnvironment,
} from "./environment.ts";
import { localObjects, s3Objects } from "./object_storage_environment.ts";
import { rivvenMessages, rivvenTopics } from "./rivven_environment.ts";
import { webhook } from "./webhook_environment.ts";
import { postgresSnapshot, postgresStream } from "./postgres_environment.ts";

/** By connector type. */
export const sourceEnvironments: Readonly<Record<string, Environments<SourceEnvironment>>> = {
  datagen: {
    records: datagen(600, false, { pattern: "orders", max_events: 600, batch_size: 50 }),
    // 41 of the 400 are deletes, each with a tombstone behind it.
    changes: datagen(441, false, {
      pattern: "users",
      max_events: 400,
      batch_size: 30,
      cdc_mode: true,
      initial_rows: 40,
      tombstone: { enabled: true },
    }),
    "without end": datagen(500, true, { pattern: "metrics", batch_size: 50 }),
    "waiting for its rate": datagen(2, true, { events_per_second: 20 }, systemClock),
  },
  file: {
    "two files": fileSource({ path: "in/*.jsonl", key: ["id"] }),
    "a file that is followed": fileSource({ path: "in/*.jsonl", follow: true }),
    "rows of files with columns": columnFiles,
  },
  rivven: { "messages in a topic": rivvenMessages },
  "postgres-cdc": { "changes in a slot": postgresStream, "a snapshot": postgresSnapshot },
};

/** By connector type. */
export const sinkEnvironments: Readonly<Record<string, Environments<SinkEnvironment>>> = {
  file: {
    "one file": files({ path: "out/all.jsonl" }),
    "a file for each table": files({ path: "out/{namespace}/{stream}.jsonl" }),
    "rotated files": files({ path: "{stream}.jsonl", rotation: { max_size_mb: 0.005 } }),
  },
  "http-webhook": {
    "a record a request": webhook({}),
    "arrays of records": webhook({ batch_size: 25 }),
  },
  "object-storage": {
    "a folder": localObjects({}),
    "folders by table and hour, compressed": localObjects({
      prefix: "lake/{stream}",
      partitioning: "hour",
      compression: "gzip",
    }),
    "a bucket of versitygw": s3Objects({ prefix: "lake" }),
  },
  rivven: { "a topic for each table": rivvenTopics },
  stdout: { "JSON lines": stdout },
};

function datagen(
  records: number,
  isEndless: boolean,
  keys: Record<string, unknown>,
  clock?: Clock,
): () => Promise<SourceEnvironment> {
  const config = { seed: 42, deterministic: true, events_per_second: 0, ...keys };
  return () => Promise.resolve(disposable({ config, isEndless, records, clock }, () => Promise.resolve()));
}

/** Two files of changes, one of them in layout `rivven`. */
function fileSource(config: Record<string, unknown>): () => Promise<SourceEnvironment> {
  return async () => {
    const folder = await Deno.makeTempDir();
    await Deno.mkdir(join(folder, "in"));
    const layouts = { a: "standard", b: "rivven" } as const;
    for (const [name, layout] of Object.entries(layouts)) {
      for (const { bytes } of fakeBatches(3, 700, name === "a" ? 0 : 2100, { layout })) {
        await Deno.writeFile(join(folder, "in", `${name}.jsonl`), bytes, { append: true });
      }
    }
    return disposable({
      config: { ...config, path: join(folder, config.path as string) },
      isEndless: config.follow === true,
      records: 4200,
      clock: systemClock,
    }, () => Deno.remove(folder, { recursive: true }));
  };
}

/** Rows in CSV, compressed around it, and in Parquet, compressed inside. */
async function columnFiles(): Promise<SourceEnvironment> {
  const folder = await Deno.makeTempDir();
  for (const format of ["csv", "parquet"] as const) {
    const { begin, extension } = await fileFormat(format, { metadata_columns: format === "csv" });
    const batches = fakeBatches(2, 700);
    const compressor = new Compressor(format === "csv" ? "zstd" : "none");
    const pieces: Uint8Array[] = [];
    const encoder = begin(batches[0], 0, (bytes) => pieces.push(...compressor.push(bytes)));
    for (const batch of batches) encoder.add(batch, 0, batch.length, () => {});
    await encoder.end();
    const path = join(folder, `rows${extension}${format === "csv" ? ".zst" : ""}`);
    for (const piece of [...pieces, ...compressor.end()]) await Deno.writeFile(path, piece, { append: true });
  }
  return disposable({
    config: { path: `${folder}/`, key: ["id"], csv: { types: { id: "int64" } } },
    isEndless: false,
    records: 2800,
    clock: systemClock,
  }, () => Deno.remove(folder, { recursive: true }));
}

/** A temporary folder; reads all files below it, by name. */
function files(config: Record<string, unknown>): () => Promise<SinkEnvironment> {
  return async () => {
    const folder = await Deno.makeTempDir();
    return disposable({
      config: { ...config, path: join(folder, config.path as string) },
      repeated: "twice" as const,
      lines: async () => {
        const lines: string[] = [];
        for (const file of filesBelow(folder)) {
          lines.push(...(await Deno.readTextFile(file)).split("\n").slice(0, -1));
        }
        return lines;
      },
    }, () => Deno.remove(folder, { recursive: true }));
  };
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  ).sort();
}

/** The process's own output can't be read by itself, so the sink writes to memory. */
function stdout(): Promise<SinkEnvironment> {
  let text = "";
  const take = (bytes: Uint8Array) => {
    text += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  const file = { writeSync: take, write: (bytes: Uint8Array) => Promise.resolve(take(bytes)) };
  return Promise.resolve(disposable({
    config: { format: "json" },
    repeated: "twice" as const,
    lines: () => Promise.resolve(text.split("\n").slice(0, -1)),
    open: (config: unknown, context: ConstructorParameters<typeof StdoutSink>[1]) =>
      new StdoutSink(config as StdoutConfig, context, new Output(file, "pipe", new FakeClock(true))),
  }, () => Promise.resolve()));
}
