/**
 * `rivven-connect plan`: what would run, what it promises, and what each worker may touch, with secrets masked. No
 * network.
 */
import { stringify } from "yaml";
import type { Plan, PlannedConnector, PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { findConnector, loadDefinitions } from "../runtime/config/registry.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import { type Arguments, EXIT } from "./command.ts";
import { describeGuarantee, size } from "./describe.ts";
import { maskSecrets } from "./fields.ts";
import { maskedSteps, transformConfigs, transformRows } from "./flow_transforms.ts";
import { topicRows } from "./flow_topics.ts";
import { loadPlan } from "./load.ts";
import type { Output } from "./output.ts";
import { listRights } from "./rights.ts";
import { renderTable } from "./table.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

/** `plan`. */
export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  if (output.json) output.printJson(planAsData(plan));
  else output.print(planText(plan, output));
  return EXIT.ok;
}

/** The plan without its secrets. */
function planAsData({ secrets: _, ...plan }: Plan) {
  return {
    ...plan,
    sources: plan.sources.map((source) => ({
      ...masked(source),
      transforms: maskedSteps(source.transforms, transforms),
      flows: source.flows.map(({ deadLetters, ...flow }) => ({
        ...flow,
        transforms: maskedSteps(flow.transforms, transforms),
        sink: masked(flow.sink),
        ...(deadLetters ? { deadLetters: { ...deadLetters, sink: masked(deadLetters.sink) } } : {}),
      })),
    })),
  };
}

function masked<Connector extends PlannedConnector>(connector: Connector): Connector {
  const found = findConnector(definitions, connector.connector);
  return { ...connector, config: found ? maskSecrets(connector.config, found.definition) : connector.config };
}

function planText(plan: Plan, output: Output): string {
  const { bold, dim } = output.style;
  const flows = plan.sources.flatMap((source) => source.flows.map((flow) => flowText(source, flow, output)));
  const workers = plan.sources.flatMap((source) => [
    { connector: source, label: source.name },
    ...source.flows.flatMap(({ name, sink, deadLetters }) => [
      { connector: sink, label: `${sink.name} ${dim(`(${name})`)}` },
      ...(deadLetters ? [{ connector: deadLetters.sink, label: deadLetters.sink.name }] : []),
    ]),
  ]);
  return [
    bold(flows.length === 1 ? "1 flow" : `${flows.length} flows`) +
    dim(`  positions and dead letters in ${plan.settings.stateDir}`),
    "",
    flows.join("\n\n"),
    "",
    bold("Workers and what each may touch") + dim("  everything else is denied"),
    renderTable(workers.flatMap(({ connector, label }) => workerRows(connector, label, output)), {
      width: output.width,
      indent: "  ",
    }),
    "",
    bold("Configuration") + dim("  defaults filled in, secrets masked"),
    ...workers.map(({ connector, label }) => configText(label, masked(connector).config, output)),
    ...plan.sources.flatMap((source) => [
      ...transformTexts(source.name, source, output),
      ...source.flows.flatMap((flow) => transformTexts(flow.name, flow, output)),
    ]),
  ].join("\n");
}

function flowText(source: PlannedSource, flow: PlannedFlow, output: Output): string {
  const { bold, dim, cyan, green, yellow } = output.style;
  const certain = flow.guarantee === "exactly_once" ? green : yellow;
  const rows = [
    ["guarantee", `${certain(describeGuarantee(flow.guarantee))}: ${flow.guaranteeReason}`],
    ["takes", streamsOf(source, flow)],
    ...transformRows(source, flow),
    ...topicRows(source, flow),
    ["written as", flow.layout],
    ["on error", ON_ERROR[flow.onError](flow)],
    ["limit", limitOf(source, flow)],
    ["commits", commitsOf(flow)],
  ].map(([name, text]) => [dim(name), text]);
  return `${bold(flow.name)}  ${cyan(source.name)} ${dim(source.connector)} → ${cyan(flow.sink.name)} ` +
    `${dim(flow.sink.connector)}\n${renderTable(rows, { width: output.width, indent: "  " })}`;
}

const ON_ERROR: Readonly<Record<PlannedFlow["onError"], (flow: PlannedFlow) => string>> = {
  stop: () => "stop: a record that can't go on stops the flow, and nothing behind it is acknowledged",
  skip: () => "skip: a record that can't go on is logged and left out",
  dead_letter: ({ deadLetterMaxRatio, deadLetters }) =>
    `dead_letter: a record that can't go on is kept ${
      placesOf(deadLetters)
    }; the flow stops when more than ` +
    `${Math.round(deadLetterMaxRatio * 100)} % of the last 1000 were`,
};

function placesOf(deadLetters: PlannedFlow["deadLetters"]): string {
  const { sourceTopic, sinkTopic } = deadLetters ?? {};
  const place = (topic: string | undefined) => topic === undefined ? "in the state" : `in topic "${topic}"`;
  return sourceTopic === sinkTopic
    ? place(sinkTopic)
    : `${place(sinkTopic)}, or ${place(sourceTopic)} when it did not come as far as the sink`;
}

function streamsOf(source: PlannedSource, flow: PlannedFlow): string {
  if (flow.streams.length > 0) return flow.streams.join(", ");
  const named = source.streams.map(({ name, namespace }) => namespace ? `${namespace}.${name}` : name);
  return named.length > 0 ? named.join(", ") : "all streams of the source";
}

function limitOf(source: PlannedSource, flow: PlannedFlow): string {
  const perSecond = (n: number) => `${n.toLocaleString("en")} records/s`;
  const limits = [
    ...(flow.eventsPerSecond > 0 ? [perSecond(flow.eventsPerSecond)] : []),
    ...(source.eventsPerSecond > 0
      ? [`${perSecond(source.eventsPerSecond)} for all flows of ${source.name}`]
      : []),
  ];
  return limits.join("; ") || "none";
}

function commitsOf({ batch }: PlannedFlow): string {
  const limits = `${batch.maxRecords.toLocaleString("en")} records, ${size(batch.maxBytes)} or ` +
    `${batch.maxWaitMs.toLocaleString("en")} ms`;
  return batch.cheap ? `whenever nothing waits, at the latest after ${limits}` : `after ${limits}`;
}

function workerRows(connector: PlannedConnector, label: string, { style }: Output): string[][] {
  const { cyan, dim } = style;
  const rights = listRights(connector.permissions);
  const lines = rights.length > 0 ? rights.map(({ verb, what }) => [verb, what]) : [[dim("nothing"), ""]];
  return lines.map((line, i) =>
    i === 0 ? [cyan(label), `${connector.role} ${connector.connector}`, ...line] : ["", "", ...line]
  );
}

function transformTexts(
  of: string,
  { transforms: steps }: Pick<PlannedFlow, "transforms">,
  output: Output,
): string[] {
  const { dim } = output.style;
  return transformConfigs(steps, transforms)
    .map(({ name, config }) => configText(`${name} ${dim(`(transform of ${of})`)}`, config, output));
}

function configText(label: string, config: unknown, { style }: Output): string {
  const text = stringify(config ?? {}, { lineWidth: 0 }).trimEnd();
  return `  ${style.cyan(label)}\n${text.split("\n").map((line) => `    ${line}`).join("\n")}`;
}
