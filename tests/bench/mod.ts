/**
 * `deno task bench [name …] [--seconds N]`: every benchmark, one line of JSON per figure. With `--seconds` the amounts
 * are cut so that each takes about that long: to see that it runs, not to quote.
 */
import { parseArgs } from "node:util";
import { datagenToFile, datagenToStdout } from "./datagen.ts";
import { fileToFile } from "./file_source.ts";
import { files } from "./files.ts";
import { type Bench, print } from "./measure.ts";
import { objectStorageLocal, objectStorageS3 } from "./object_storage.ts";
import { parquet } from "./parquet.ts";
import { postgresLive } from "./postgres_live.ts";
import { postgresRivven } from "./postgres_rivven.ts";
import { postgresSnapshot } from "./postgres_snapshot.ts";
import { postgresStream } from "./postgres_stream.ts";
import { postgresTransaction } from "./postgres_transaction.ts";
import { rivvenSink, rivvenSource } from "./rivven.ts";
import { rivvenAway } from "./rivven_away.ts";
import { memory, start } from "./start.ts";
import { transforms } from "./transforms.ts";
import { webhook } from "./webhook.ts";

const BENCHES: readonly Bench[] = [
  datagenToStdout,
  datagenToFile,
  fileToFile,
  objectStorageLocal,
  objectStorageS3,
  webhook,
  postgresStream,
  postgresSnapshot,
  postgresLive,
  postgresTransaction,
  rivvenSink,
  rivvenSource,
  rivvenAway,
  postgresRivven,
  transforms,
  files,
  parquet,
  start,
  memory,
];

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    records: { type: "string" },
    runs: { type: "string" },
    gigabytes: { type: "string" },
  },
});
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
const options = {
  records: Number(values.records ?? (seconds === undefined ? 2_000_000 : 20_000 * seconds)),
  ...(values.gigabytes === undefined ? {} : { gigabytes: Number(values.gigabytes) }),
  runs: Number(values.runs ?? (seconds === undefined ? 5 : 1)),
};
const wanted = BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) {
  console.error(`There is: ${BENCHES.map(({ name }) => name).join(", ")}`);
  Deno.exit(2);
}
for (const { name, missing, run } of wanted) {
  const why = await missing?.();
  if (why === undefined) await run(options, print);
  else console.error(`${name}: not run, because ${why}`);
}
