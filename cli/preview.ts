/** `preview`: the first records of a source, through its transforms, on the screen; no sink, no position. */
import type { Layout } from "../formats/data/envelope.ts";
import { batchFromRecords } from "../formats/data/batch.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Plan, PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { runThrough } from "../runtime/chain/transform_case.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { chooseSource, readFirst } from "./first_records.ts";
import { loadPlan } from "./load.ts";
import { logTo } from "./log_lines.ts";
import type { Output } from "./output.ts";
import { recordsOf } from "./records_file.ts";
import { VERSION } from "./version.ts";
import { requireConfinedWorkers } from "./workers.ts";

const DEFAULT_LIMIT = 10;
const DEFAULT_TIMEOUT_MS = 30_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  const { source, flow } = chooseFlow(plan, args.positionals[0], args.text("pipeline"));
  const file = args.text("transform-only");
  if (file !== undefined) return await previewFile(file, source, flow, args.number("limit"), output);
  const limit = args.number("limit") ?? DEFAULT_LIMIT;
  const timeoutMs = args.number("timeout") ?? DEFAULT_TIMEOUT_MS;
  await requireConfinedWorkers();
  const shown = await readFirst(source, flow, {
    limit,
    timeoutMs,
    log: logTo(output, "warn", "text"),
    clock: systemClock,
    take: (batch, i) => output.print(new TextDecoder().decode(batch.span(i, "text")).trimEnd()),
  });
  if (shown < limit) output.warn(`Only ${shown} of ${limit} records came within ${timeoutMs / 1000} s`);
  return EXIT.ok;
}

/** Records of a file through the chain of a pipeline, in the layout that its sink gets. */
async function previewFile(
  file: string,
  source: PlannedSource,
  flow: PlannedFlow,
  limit: number | undefined,
  output: Output,
): Promise<number> {
  const records = recordsOf(file, readText(file)).slice(0, limit);
  const origin = { connector: source.connector, name: source.name, version: VERSION };
  const steps = [...source.transforms, ...flow.transforms];
  const made = await runThrough(steps, records, origin, source.routing);
  const layout: Layout = flow.layout;
  const head = { lane: "stream", position: { v: 1 }, readAtMicros: systemClock.nowMicros(), layout, origin };
  const batch = batchFromRecords(head, made.records);
  for (let i = 0; i < batch.length; i++) {
    output.print(new TextDecoder().decode(batch.span(i, "text")).trimEnd());
  }
  for (const warning of made.warnings) output.warn(warning);
  for (const { order, code } of made.rejected) {
    const number = records.findIndex((record) => record.order === order) + 1;
    output.warn(`Record ${number} was rejected: ${code}`);
  }
  return EXIT.ok;
}

function readText(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ConnectorError(`There is no file "${file}"`, { code: "config_file" });
  }
}

/** The pipeline of that name; without one the first of the source, so that what is seen is what that sink would get. */
function chooseFlow(
  { sources }: Plan,
  sourceName: string | undefined,
  pipeline: string | undefined,
): { source: PlannedSource; flow: PlannedFlow } {
  if (pipeline === undefined) {
    const source = chooseSource(sources, sourceName);
    return { source, flow: source.flows[0] };
  }
  const all = sources.flatMap((source) => source.flows.map((flow) => ({ source, flow })));
  const found = all.find(({ flow }) => flow.name === pipeline);
  if (!found) {
    const names = all.map(({ flow }) => flow.name);
    const hint = didYouMean(pipeline, names) ?? `There is: ${names.join(", ")}`;
    throw new UsageError(`There is no enabled pipeline "${pipeline}"`, hint);
  }
  if (sourceName !== undefined && sourceName !== found.source.name) {
    throw new UsageError(
      `Pipeline "${pipeline}" is not fed by "${sourceName}"`,
      `Its source is ${found.source.name}`,
    );
  }
  return found;
}
