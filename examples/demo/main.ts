/**
 * `deno task demo`: a real PostgreSQL, a writer that changes it all the time, and rivven-connect copying it into files
 * with examples/postgres-to-files.yaml. Then the files are replayed and compared with the tables, row by row.
 * Exit code 0: they are the same; 1: they are not, or something failed; 130: interrupted.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Client } from "npm:pg@8.23.1";
import { readLines } from "../../tests/oracle/envelope.ts";
import { type Postgres, startPostgres } from "../../tests/servers/postgres.ts";
import { compare, type Comparison } from "./compare.ts";
import { replay } from "./replay.ts";
import { report } from "./report.ts";
import { createShop, TABLES } from "./shop.ts";
import { write, type Written } from "./writer.ts";

const CUSTOMERS = 2_000;

/** How long the program may take to catch up, and to end after SIGTERM, before the demo fails. */
const PATIENCE_MS = 60_000;

const repository = fileURLToPath(new URL("../../", import.meta.url));
const pipelineFile = join("examples", "postgres-to-files.yaml");
const outputName = "demo-output";
const outputDir = join(repository, outputName);

async function demo(
  options: { seconds: number; rowsPerSecond: number },
  interrupt: AbortSignal,
): Promise<number> {
  say("starting a PostgreSQL of its own in a temporary folder (the first time it is fetched: 60 MB)");
  await using pg = await startPostgres();
  say(`PostgreSQL ${pg.version} listens on ${pg.host}:${pg.port}`);

  const client = await pg.connect();
  await createShop(client, CUSTOMERS);
  say(`made customers, orders and order_items with ${CUSTOMERS * 7} rows`);

  await Deno.remove(outputDir, { recursive: true }).catch(() => {});
  await Deno.mkdir(outputDir);
  say(
    `starting a writer, ${options.rowsPerSecond} rows a second, and: rivven-connect run -c ${pipelineFile}`,
  );
  await using program = startProgram(pg);
  const written = await writeFor(options, await pg.connect(), AbortSignal.any([interrupt, program.ended]));
  if (!interrupt.aborted) await caughtUp(client, program);
  // Ctrl-C has reached the program as well, and a second signal would cut its drain short.
  const exitCode = await program.stop(interrupt.aborted ? 3_000 : 0);
  if (interrupt.aborted) {
    say("interrupted: the files are not compared");
    return 130;
  }
  say(
    `the writer made ${written.transactions} transactions (and rolled back ${written.rolledBack}): ` +
      `${written.inserted} rows inserted, ${written.updated} updated, ${written.deleted} deleted`,
  );
  if (exitCode !== 0) {
    say(`rivven-connect ended with exit code ${exitCode} instead of 0`);
    return 1;
  }
  say(
    "rivven-connect has stopped gracefully, exit code 0; replaying its files and comparing them with the tables",
  );

  const comparisons: Comparison[] = [];
  for (const table of TABLES) {
    const lines = readLines(fileOf(table.namespace, table.name));
    comparisons.push(await compare(client, table, await replay(lines, table.key)));
  }
  console.log(report(comparisons));
  console.log(`The files are in ./${outputName}: one line per change, try "tail -n 1 ${outputName}/*.jsonl"`);
  return comparisons.every(({ differences }) => differences.length === 0) ? 0 : 1;
}

function fileOf(namespace: string, table: string): string {
  return join(outputDir, `${namespace}.${table}.jsonl`);
}

async function writeFor(
  { seconds, rowsPerSecond }: { seconds: number; rowsPerSecond: number },
  client: Client,
  stop: AbortSignal,
): Promise<Written> {
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(), seconds * 1000);
  try {
    return await write(client, { rowsPerSecond, seed: 1 }, AbortSignal.any([enough.signal, stop]));
  } finally {
    clearTimeout(timer);
    await client.end();
  }
}

interface Program extends AsyncDisposable {
  /** Aborted when it ends, by itself or because it was told to. */
  readonly ended: AbortSignal;
  /** Sends SIGTERM, if it has not ended by itself within `afterMs`, and gives the exit code. */
  stop(afterMs: number): Promise<number>;
}

/** The program as a user runs it: its progress goes to our terminal, its settings come from the environment. */
function startProgram(pg: Postgres): Program {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "run", "-c", pipelineFile],
    cwd: repository,
    env: {
      PGHOST: pg.host,
      PGPORT: String(pg.port),
      PGDATABASE: pg.database,
      PGUSER: pg.user,
      PGPASSWORD: pg.password,
      OUTPUT_DIR: outputDir,
      STATE_DIR: join(outputDir, "state"),
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const ended = new AbortController();
  const status = child.status.finally(() => ended.abort());
  const end = (signal: Deno.Signal) => {
    if (!ended.signal.aborted) child.kill(signal);
  };
  return {
    ended: ended.signal,
    async stop(afterMs: number): Promise<number> {
      const timers = [
        setTimeout(() => end("SIGTERM"), afterMs),
        setTimeout(() => end("SIGKILL"), afterMs + PATIENCE_MS),
      ];
      const { code } = await status;
      timers.forEach(clearTimeout);
      return code;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      end("SIGKILL");
      await status;
    },
  };
}

/** Inserts a customer nobody else could have, and waits until the file has it: then it has all that came before. */
async function caughtUp(client: Client, program: Program): Promise<void> {
  const marker = crypto.randomUUID();
  await client.query(
    `INSERT INTO customers
     SELECT max(id) + 1, $1::uuid, 'the last one', true, 0, '{}', NULL, '{}', now() FROM customers`,
    [marker],
  );
  const deadline = performance.now() + PATIENCE_MS;
  const path = fileOf("public", "customers");
  for (let offset = 0; !program.ended.aborted && performance.now() < deadline;) {
    const text = await readFrom(path, offset);
    if (text.includes(marker)) return;
    offset += Math.max(0, text.length - marker.length); // what is cut off at the end is read again
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (!program.ended.aborted) say(`the last row has not reached the files within ${PATIENCE_MS / 1000} s`);
}

/** What a file holds behind `offset`, a character per byte; nothing when there is no file yet. */
async function readFrom(path: string, offset: number): Promise<string> {
  try {
    using file = await Deno.open(path);
    await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(await new Response(file.readable).arrayBuffer());
    return new TextDecoder("latin1").decode(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function say(text: string): void {
  console.log(`demo: ${text}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      "seconds": { type: "string", default: "15" },
      "rows-per-second": { type: "string", default: "300" },
    },
  });
  const options = { seconds: Number(values.seconds), rowsPerSecond: Number(values["rows-per-second"]) };
  if (!(options.seconds > 0 && options.rowsPerSecond > 0)) {
    console.error("usage: deno task demo [--seconds 15] [--rows-per-second 300]");
    Deno.exit(2);
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupt.abort());
  }
  Deno.exit(await demo(options, interrupt.signal));
}
