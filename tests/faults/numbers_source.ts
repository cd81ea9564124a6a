/**
 * A source for fault tests: the numbers 1, 2, 3 … in one lane. It forgets what was acknowledged, as a replication
 * slot does, and refuses to resume before it: a position that moved too early becomes an error instead of a gap.
 */
import type { Source, SourceContext } from "../../connectors/contract.ts";
import { batchFromData, type Position } from "../../formats/data/batch.ts";
import { writerColumns } from "../../formats/data/batch_writer.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";

export interface NumbersConfig {
  /** The last number; then the source ends. */
  readonly count: number;
  readonly batchSize: number;
  /** Of every batch, how long it waits after it. */
  readonly pauseMs?: number;
  /** At this number: `throw` a retryable error, `fatal` one that is not, `hang` in a busy loop, `close` the worker. */
  readonly failAt?: number;
  readonly failure?: "throw" | "fatal" | "hang" | "close" | "timer";
  /** Fails on the first attempt only. */
  readonly once?: boolean;
  /** Two streams take turns: odd and even. */
  readonly twoStreams?: boolean;
  /** Bytes of padding in every record. */
  readonly padding?: number;
  /** It forgets nothing, and can tell which of several positions is the lowest. */
  readonly keepsAll?: boolean;
  /** What a hostile connector tries before it reads; the outcome becomes the error. */
  readonly attempt?: string;
}

function stream(name: string): Stream {
  return {
    name,
    namespace: "test",
    columns: [
      { name: "n", type: { kind: "int64" }, nullable: false },
      { name: "pad", type: { kind: "string" }, nullable: false },
    ],
    key: ["n"],
    payload: "row",
    version: 1,
  };
}

export async function openSource(config: NumbersConfig, context: SourceContext): Promise<Source> {
  const streams = config.twoStreams ? [stream("even"), stream("odd")] : [stream("numbers")];
  const columns = streams.map(writerColumns);
  const pad = "x".repeat(config.padding ?? 0);
  let acknowledged = (await context.state.get("acknowledged") as number | undefined) ?? 0;
  const attempts = (await context.state.get("attempts") as number | undefined) ?? 0;
  await context.state.put("attempts", attempts + 1);

  return {
    async *read(from, signal) {
      if (config.attempt) await attempt(config.attempt);
      let n = (from?.n as number | undefined) ?? 0;
      if (n < acknowledged && !config.keepsAll) {
        throw new ConnectorError(`Asked to resume after ${n}, but ${acknowledged} was acknowledged`, {
          code: "state_position_gone",
        });
      }
      const writer = context.batchWriter();
      const fails = !config.once || attempts === 0;
      while (n < config.count && !signal.aborted) {
        writer.lane = "stream";
        for (let k = 0; k < config.batchSize && n < config.count; k++) {
          n++;
          if (fails && n === config.failAt) await fail(config.failure ?? "throw");
          const which = n % streams.length;
          writer.begin(streams[which], "insert", BigInt(n) * 1_000_000n, "g", n);
          writer.beginRow("after");
          writer.column(columns[which][0]);
          writer.value(n);
          writer.column(columns[which][1]);
          writer.string(pad);
          writer.endRow();
          writer.end();
        }
        yield batchFromData(writer.finish({ v: 1, n }));
        if (config.pauseMs) await context.clock.sleep(config.pauseMs, signal);
      }
    },
    async acknowledge(position: Position) {
      acknowledged = position.n as number;
      await context.state.put("acknowledged", acknowledged);
    },
    ...(config.keepsAll ? { lowest: lowestOf } : {}),
    check: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function lowestOf(positions: readonly Position[]): Position {
  return positions.toSorted((a, b) => (a.n as number) - (b.n as number))[0];
}

async function fail(how: NonNullable<NumbersConfig["failure"]>): Promise<void> {
  if (how === "throw") throw new ConnectorError("The test's database went away", { code: "connection_lost" });
  if (how === "fatal") throw new ConnectorError("The test's password is wrong", { code: "auth_failed" });
  if (how === "hang") { for (;;); }
  if (how === "close") (self as unknown as { close(): void }).close();
  if (how === "timer") {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    });
  }
  await new Promise<never>(() => {});
}

/** What connectors must not be able to do; succeeds only where confinement fails. */
async function attempt(what: string): Promise<void> {
  const [kind, target] = what.split(" ");
  switch (kind) {
    case "connect": {
      const [hostname, port] = target.split(":");
      (await Deno.connect({ hostname, port: Number(port) })).close();
      break;
    }
    case "fetch":
      await (await fetch(target)).body?.cancel();
      break;
    case "read":
      Deno.readTextFileSync(target);
      break;
    case "write":
      Deno.writeTextFileSync(target, "");
      break;
    case "env":
      if (Deno.env.get(target) === undefined) throw new Error("the variable reads as unset");
      break;
    case "run":
      new Deno.Command(target).outputSync();
      break;
    case "ffi":
      Deno.dlopen(target, {}).close();
      break;
    case "import":
      await import(target);
      break;
    case "sys":
      Deno.hostname();
      break;
    case "kill":
      Deno.kill(Deno.pid, "SIGKILL");
      break;
    case "exit":
      Deno.exit(0);
      break;
    case "nested": {
      const source = "self.postMessage(Deno.readTextFileSync('/etc/hostname'))";
      const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
      await new Promise((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
      });
      break;
    }
    default:
      throw new Error(`unknown attempt ${kind}`);
  }
  throw new ConnectorError(`NOT CONFINED: ${what} succeeded`, { code: "fatal_not_confined" });
}
