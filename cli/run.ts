/** `run`: all enabled pipelines, until they end or a signal asks for the drain. */
import { openCheckpoints } from "../runtime/state/checkpoint.ts";
import { systemClock } from "../runtime/clock.ts";
import { armFailpoint, parseFailpoint } from "../runtime/failpoint.ts";
import { openStateDir } from "../runtime/state/state_dir.ts";
import { type Outcome, selfTest, supervise } from "../runtime/supervisor.ts";
import type { Plan } from "../runtime/plan.ts";
import { HEARTBEAT, workerUrl } from "../runtime/remote.ts";
import { type Arguments, EXIT } from "./command.ts";
import { type Log, logTo } from "./log_lines.ts";
import { deadLetterLines } from "./dead_letter_lines.ts";
import { exitCodeOf } from "./exit_code.ts";
import type { PipelineText } from "./load.ts";
import type { Output } from "./output.ts";
import { count, Progress } from "./progress.ts";
import { onSignals } from "./signals.ts";
import { VERSION } from "./version.ts";

/** How often progress is drawn on a terminal, and logged where there is none. */
const DRAW_MS = 250;
const LOG_PROGRESS_MS = 30_000;

export function run(args: Arguments, output: Output): Promise<number> {
  return runPipelines(args, output);
}

/**
 * Runs the pipelines of a file until they end, or a signal asks for the drain.
 *
 * @param text what to run in place of the file that the arguments name
 */
export async function runPipelines(args: Arguments, output: Output, text?: PipelineText): Promise<number> {
  // The worker of the self-test starts while this thread reads the file.
  const confined = selfTest(HEARTBEAT);
  confined.catch(() => {});
  const { loadPlan } = await import("./load.ts");
  const { plan: planned } = await loadPlan(args, output, text);
  const { forgetPositions, resetsOf, withResets } = await import("./reset_position.ts");
  const resets = await resetsOf(args, planned);
  const plan = withResets(planned, resets);
  const { settings } = plan;
  const log = logTo(output, settings.logLevel, settings.logFormat);
  const isDebug = settings.logLevel === "debug";
  const drain = new AbortController();
  using _signals = onSignals((signal) => {
    log("info", "run", `Draining after ${signal}: sources stop, what was read is written and saved`);
    drain.abort();
  });

  using stateDir = openStateDir(settings.stateDir);
  using checkpoints = openCheckpoints(stateDir.database, systemClock.nowMicros);
  const progress = new Progress(plan, systemClock.monotonicMs());
  using _display = display(progress, output, log);
  const failpoint = parseFailpoint(Deno.env.get("RIVVEN_FAILPOINT"));
  armFailpoint(failpoint);
  announce(plan, log);
  forgetPositions(resets, checkpoints, log);
  await confined;

  const running = supervise(plan, {
    ...HEARTBEAT,
    checkpoints,
    clock: systemClock,
    random: Math.random,
    debug: isDebug,
    failpoint,
    workerUrl,
    programVersion: VERSION,
    onStatus: (source, status, detail) => {
      progress.status(source, status);
      log("debug", source, detail ?? status);
    },
    observer: {
      log,
      sourceStats: (source, stats) => progress.read(source, stats),
      committed: (flow, flushed) => {
        const now = systemClock.nowMicros();
        progress.committed(flow, flushed, now);
        if (isDebug && flushed.records > 0) {
          const { records, bytes, oldestMicros, newestMicros } = flushed;
          const oldest_ms = Number(now - oldestMicros) / 1000;
          log("debug", flow, "committed", {
            records,
            bytes,
            oldest_ms,
            newest_ms: Number(now - newestMicros) / 1000,
          });
        }
        for (const [line, fields] of deadLetterLines(flushed.deadLetters)) log("warn", flow, line, fields);
      },
    },
  }, drain.signal);

  const outcomes = await withDeadline(running, drain.signal, settings.shutdownTimeoutMs);
  if (!outcomes) {
    log(
      "error",
      "run",
      `The drain ran past its deadline of ${settings.shutdownTimeoutMs} ms and was given up`,
      {
        hint:
          "Nothing is lost: what is not saved is read again at the next start. --shutdown-timeout sets the deadline",
      },
    );
    // Workers may hang; what they hold is not saved anyway.
    checkpoints[Symbol.dispose]();
    Deno.exit(EXIT.failed);
  }
  return conclude(outcomes, progress, log, output);
}

function announce({ file, sources, settings }: Plan, log: Log): void {
  for (const source of sources) {
    for (const flow of source.flows) {
      log("info", flow.name, `${source.name} → ${flow.sink.name}: ${flow.guarantee.replaceAll("_", "-")}`);
    }
  }
  log("debug", "run", `${file}; positions in ${settings.stateDir}`);
}

/** Undefined when the deadline passes after the drain has begun. */
async function withDeadline<T>(
  work: Promise<T>,
  drain: AbortSignal,
  timeoutMs: number,
): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const start = () => timer = setTimeout(() => late.resolve(undefined), timeoutMs);
  if (drain.aborted) start();
  else drain.addEventListener("abort", start, { once: true });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
    drain.removeEventListener("abort", start);
  }
}

/** Draws on a terminal, logs now and then elsewhere. */
function display(progress: Progress, output: Output, log: Log): Disposable {
  const draw = () => output.show(progress.lines(systemClock.monotonicMs(), output.errorStyle));
  const tell = () => {
    for (const { flow, text } of progress.sentences(systemClock.monotonicMs())) log("info", flow, text);
  };
  const timer = setInterval(output.live ? draw : tell, output.live ? DRAW_MS : LOG_PROGRESS_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      output.show([]);
    },
  };
}

function conclude(outcomes: readonly Outcome[], progress: Progress, log: Log, output: Output): number {
  output.show([]);
  let code: number = EXIT.ok;
  for (const { flows, ended, error, atStart } of outcomes) {
    for (const flow of flows) {
      const durable = `${count(progress.durable(flow))} records durable`;
      log(
        ended === "failed" ? "error" : "info",
        flow,
        `${ended}: ${durable} in ${progress.elapsed(systemClock.monotonicMs())}`,
      );
    }
    if (error) code = Math.max(code, atStart ? exitCodeOf(error) : EXIT.failed);
  }
  return code;
}
