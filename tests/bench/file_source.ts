/** A file of changes into a file, beside one thread that copies its bytes, and one that reads and writes each line. */
import { join } from "node:path";
import { fakeBatch, fakeRecord } from "../fakes/records.ts";
import { perSecond } from "./datagen.ts";
import type { Bench } from "./measure.ts";
import { program, scratch } from "./measure.ts";

/** Lines that are written one after the other until there are enough. */
const LINES = 1000;

/** Transactions of twenty rows. */
const CHANGES = Array.from({ length: LINES }, (_, i) => {
  const transaction = Math.floor(i / 20);
  return fakeRecord(i, {
    timeMicros: 1767225600123456n + BigInt(transaction),
    source: { txId: 571 + transaction, lsn: `0/${(24023320 + transaction).toString(16)}` },
  });
});

export const fileToFile: Bench = {
  name: "file_file",
  async run({ records, runs }, report) {
    using dir = scratch();
    for (
      const [label, layout, envelope] of [["changes", "standard", "auto"], ["rows", "plain", "auto"]] as const
    ) {
      const { bytes } = fakeBatch(CHANGES, { layout });
      const input = (count: number) => {
        const path = join(dir.path, `${label}-${count}.jsonl`);
        if (exists(path)) return path;
        using file = Deno.openSync(path, { write: true, createNew: true });
        for (let left = count; left > 0; left -= LINES) {
          file.writeSync(left >= LINES ? bytes : bytes.subarray(0, bytes.indexOf(10) + 1));
        }
        return path;
      };
      const ours = await perSecond(records, runs, (count) => {
        const out = join(dir.path, `out-${crypto.randomUUID()}`);
        const file = `${out}.yaml`;
        Deno.writeTextFileSync(file, pipeline(input(count), envelope, out));
        return program(`run -c ${file}`);
      });
      const target = join(dir.path, "bare.jsonl");
      for (const [limitIs, body] of Object.entries(LOOPS)) {
        const limit = await perSecond(
          records,
          runs,
          (count) =>
            `${Deno.execPath()} eval -q '${loop(input(count), target, body).replaceAll("'", `'\\''`)}'`,
        );
        report({
          bench: `file → file, synced: ${label}`,
          unit: "records/s",
          ours: ours.perSecond,
          limit: limit.perSecond,
          limit_is: limitIs,
          cpu_us_per_record: ours.cpuUs,
          rss_mb: ours.rssMb,
        });
      }
    }
  },
};

function pipeline(path: string, envelope: string, out: string): string {
  return `version: "1.0"
settings: { state_dir: "${out}/state" }
sources:
  old: { connector: file, config: { path: "${path}", envelope: ${envelope} } }
sinks:
  new: { connector: file, config: { path: "${out}/all.jsonl" } }
pipelines:
  all: { source: old, sink: new }
`;
}

/** What is done with each piece of 1 MiB, by what it is called. */
const LOOPS: Readonly<Record<string, string>> = {
  "one thread that copies the bytes": "write(piece);",
  "one thread, JSON.parse and JSON.stringify of each line": `
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\\n");
    rest = lines.pop();
    write(encoder.encode(lines.map((line) => JSON.stringify(JSON.parse(line)) + "\\n").join("")));`,
};

function loop(input: string, target: string, body: string): string {
  return `
    const from = Deno.openSync("${input}");
    const to = Deno.openSync("${target}", { write: true, create: true, truncate: true });
    const decoder = new TextDecoder(), encoder = new TextEncoder(), buffer = new Uint8Array(1 << 20);
    const write = (bytes) => { for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at)); };
    let rest = "";
    for (let count; (count = from.readSync(buffer)) !== null;) { const piece = buffer.subarray(0, count); ${body} }
    to.syncDataSync();`;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
