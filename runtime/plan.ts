/**
 * Config → Plan: exactly what will run, as plain data. makePlan() is pure; `plan` prints what it returns, the
 * supervisor runs it, and the workers are told their part of it.
 */
import type {
  BatchLimits,
  BrokerSettings,
  ConnectorDefinition,
  Guarantee,
  Permissions,
  SinkRole,
  StreamSelection,
} from "../connectors/contract.ts";
import type { Layout } from "../formats/data/envelope.ts";
import { forFlow, forSource, keyInClear, type PlannedStep, transformsOf } from "./chain/chain_plan.ts";
import type {
  Config,
  ConfiguredConnector,
  ConfiguredPipeline,
  ConfiguredSink,
  ConfiguredSource,
} from "./config/config.ts";
import { planDeadLetters, type PlannedDeadLetters } from "./dead_letters/dead_letter_plan.ts";
import { BROKER_CONNECTOR } from "./config/flows.ts";
import { weakerGuarantee } from "./guarantee.ts";
import { layoutOf } from "./config/layout.ts";
import { inOrder, type Path, type Problem, reporter } from "./config/problem.ts";
import { findConnector, type Role } from "./config/registry.ts";
import { didYouMean } from "./config/suggest.ts";
import type { TopicRouting } from "./topic_routing.ts";

export interface Plan {
  /** The file it was made from, for messages. */
  readonly file: string;
  readonly settings: PlanSettings;
  /** One per source that feeds at least one enabled flow. */
  readonly sources: readonly PlannedSource[];
  /** Every secret value that was filled in, so that nothing that is printed holds one. */
  readonly secrets: readonly string[];
}

export interface PlanSettings {
  readonly stateDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "text" | "json";
  readonly shutdownTimeoutMs: number;
}

/** One worker: a source, or a sink as one flow opens it. */
export interface PlannedConnector {
  /** The name in the pipeline file. */
  readonly name: string;
  /** The canonical type, an alias already resolved: the folder under connectors/. */
  readonly connector: string;
  readonly role: "source" | "sink";
  /** Validated, defaults filled in, variables resolved: plain data, with secrets in clear. */
  readonly config: unknown;
  readonly permissions: Required<Permissions>;
}

export interface PlannedSource extends PlannedConnector {
  readonly role: "source";
  /** The layout that its flows agree on; a flow with another one is rewritten in its sink's worker. */
  readonly layout: Layout;
  readonly streams: readonly StreamSelection[];
  /** Which topics its records go to; undefined: the sinks' own keys say it. */
  readonly routing?: TopicRouting;
  readonly eventsPerSecond: number;
  /** What all its records go through, in order. */
  readonly transforms: readonly PlannedStep[];
  readonly flows: readonly PlannedFlow[];
}

export interface PlannedFlow {
  /** The pipeline's name. */
  readonly name: string;
  readonly sink: PlannedConnector;
  readonly layout: Layout;
  /** Patterns of streams it takes; empty: all of the source. */
  readonly streams: readonly string[];
  /** What its records go through behind the source's own transforms, in order. */
  readonly transforms: readonly PlannedStep[];
  /** 0: as fast as possible. */
  readonly eventsPerSecond: number;
  readonly onError: "skip" | "stop" | "dead_letter";
  /** Of the last 1000 records; more rejected ones stop the flow. */
  readonly deadLetterMaxRatio: number;
  /** Undefined: they are kept in the state. */
  readonly deadLetters?: PlannedDeadLetters;
  readonly batch: BatchLimits;
  readonly guarantee: Guarantee;
  /** Why it is no better, in a sentence. */
  readonly guaranteeReason: string;
}

export interface PlanOptions {
  /** Run these pipelines only; all that are enabled when left out. */
  readonly pipelines?: readonly string[];
  /** What flags and the environment say instead of the file. */
  readonly settings?: Partial<PlanSettings>;
}

export interface PlanResult {
  /** Undefined when there is an error. */
  readonly plan?: Plan;
  /** In the order of the file. */
  readonly problems: readonly Problem[];
}

/**
 * What the file makes run: each enabled pipeline with an enabled source and sink, grouped by source, since a source
 * is read once for all of its pipelines. A sink that two pipelines name is planned, and later opened, for each.
 */
export function makePlan(
  config: Config,
  definitions: readonly ConnectorDefinition[],
  options: PlanOptions = {},
): PlanResult {
  const problems: Problem[] = [];
  const report = reporter(problems, (path, onKey) => config.document.place(path, onKey));
  for (const name of options.pipelines ?? []) {
    const names = config.pipelines.map((pipeline) => pipeline.name);
    if (names.includes(name)) continue;
    const hint = didYouMean(name, names, "The pipelines of this file are") ?? "The file has no pipelines";
    report({ path: ["pipelines"], message: `There is no pipeline "${name}"`, hint });
  }

  const sources: PlannedSource[] = [];
  for (const source of config.sources) {
    const pipelines = config.pipelines.filter((pipeline) =>
      pipeline.source === source.name && isRun(pipeline)
    );
    if (pipelines.length > 0) sources.push(planSource(source, pipelines));
  }
  const failed = problems.some((problem) => problem.severity === "error");
  if (sources.length === 0 && !failed) {
    const message = "Nothing is enabled: no pipeline is to be run";
    report({ path: ["pipelines"], onKey: true, message, hint: hintForNothing(config) });
  }
  if (failed || sources.length === 0) return { problems: inOrder(problems) };
  const { state_dir, log_level, log_format, shutdown_timeout_ms } = config.settings;
  const settings = {
    stateDir: state_dir,
    logLevel: log_level,
    logFormat: log_format,
    shutdownTimeoutMs: shutdown_timeout_ms,
    ...Object.fromEntries(Object.entries(options.settings ?? {}).filter(([, value]) => value !== undefined)),
  };
  return {
    plan: { file: config.file, settings, sources, secrets: config.secrets },
    problems: inOrder(problems),
  };

  /** Is the pipeline enabled, with both its ends, and asked for? */
  function isRun(pipeline: ConfiguredPipeline): boolean {
    if (!pipeline.enabled) return false;
    if (options.pipelines !== undefined && !options.pipelines.includes(pipeline.name)) return false;
    const ends = { source: config.sources, sink: config.sinks };
    for (const role of ["source", "sink"] as const) {
      const end = ends[role].find(({ name }) => name === pipeline[role]);
      if (end?.enabled) continue;
      const message = `Pipeline "${pipeline.name}" is not run: its ${role} "${pipeline[role]}" is disabled`;
      report({ severity: "warning", path: ["pipelines", pipeline.name, role], message });
      return false;
    }
    return true;
  }

  function planSource(source: ConfiguredSource, pipelines: readonly ConfiguredPipeline[]): PlannedSource {
    const definition = definitionOf(source);
    const flows = pipelines.map((pipeline) => planFlow(pipeline, source, definition));
    const layouts = new Set(flows.map((flow) => flow.layout));
    return {
      ...planConnector(source, "source", definition, source),
      role: "source",
      layout: layouts.size === 1 ? [...layouts][0] : flows[0].layout,
      streams: source.streams,
      ...(source.routing ? { routing: source.routing } : {}),
      eventsPerSecond: source.rate_limit?.events_per_second ?? 0,
      transforms: forSource(config.transforms.sources.get(source.name) ?? [], flows),
      flows,
    };
  }

  function planFlow(
    pipeline: ConfiguredPipeline,
    source: ConfiguredSource,
    sourceDefinition: ConnectorDefinition,
  ): PlannedFlow {
    const sink = config.sinks.find(({ name }) => name === pipeline.sink)!;
    const sinkDefinition = definitionOf(sink);
    const { rate_limit, dead_letter_max_ratio } = pipeline.settings;
    const layout = layoutOf(source, sink, sinkDefinition.sink!, config.document, report);
    const transforms = [
      ...config.transforms.pipelines.get(pipeline.name) ?? [],
      ...config.transforms.sinks.get(sink.name) ?? [],
    ];
    const plan = (broker: ConfiguredSink) =>
      planConnector(broker, "sink", findConnector(definitions, BROKER_CONNECTOR)!.definition, source);
    const chain = [...config.transforms.sources.get(source.name) ?? [], ...transforms];
    const leak = keyInClear(chain);
    if (leak) {
      report({
        path: ["pipelines", pipeline.name],
        onKey: true,
        message:
          `Transform "${leak.hides.name}" may hide columns of the key, but every value that "${leak.names.name}" ` +
          "has encrypted before names the key of its row",
        hint:
          `Put "${leak.hides.name}" in front, or bind values to less: aad: {bind: [database, schema, table, column]}`,
      });
    }
    return {
      name: pipeline.name,
      sink: planConnector(sink, "sink", sinkDefinition, source),
      layout,
      streams: pipeline.streams,
      transforms: forFlow(transforms),
      eventsPerSecond: slower(
        typeof rate_limit === "number" ? rate_limit : rate_limit.events_per_second,
        sink.rate_limit?.events_per_second ?? 0,
      ),
      ...planDeadLetters({ pipeline, source, sink, config, plan, report }),
      deadLetterMaxRatio: dead_letter_max_ratio,
      batch: batchLimits(sink, sinkDefinition.sink!),
      ...weakerGuarantee(
        { ...sourceDefinition.source!, name: source.name },
        { ...sinkDefinition.sink!, name: sink.name },
        exceptionOf(sinkDefinition.sink!, sink, layout, chain),
        sourceDefinition.source!.loss?.(source.config as never),
      ),
    };
  }

  function planConnector<R extends Role>(
    { name, connector, config: written, allow }: ConfiguredSource | ConfiguredSink,
    role: R,
    definition: ConnectorDefinition,
    source: ConfiguredSource,
  ): PlannedConnector & { readonly role: R } {
    const path: Path = [`${role}s`, name, "config"];
    const own = definition.withBrokerSettings?.(written, brokerSettings(config, source)) ?? written;
    let asked: Permissions = {};
    try {
      asked = definition.permissions(own, role);
    } catch (error) {
      const reason = config.document.mask(error instanceof Error ? error.message : String(error));
      const message = `Can't tell which rights ${role} "${name}" needs: ${reason}`;
      report({ path, onKey: true, message, hint: "Correct the addresses and paths in its config" });
    }
    const list = (...lists: (readonly string[] | undefined)[]) =>
      [...new Set(lists.flatMap((one) => one ?? []))].toSorted();
    const permissions = {
      net: list(asked.net, allow?.net),
      read: list(asked.read),
      write: list(asked.write),
      env: list(asked.env),
      sys: list(asked.sys),
    };
    return { name, connector, role, config: own, permissions };
  }

  function definitionOf({ connector }: ConfiguredConnector): ConnectorDefinition {
    return findConnector(definitions, connector)!.definition;
  }
}

/** The sink's limits, with what the file says instead: `batch` first, then the names that earlier versions used. */
function batchLimits(sink: ConfiguredSink, { batch, batchOf }: SinkRole): BatchLimits {
  const limits = { ...batch, ...batchOf?.(sink.config as never) };
  const own = limits.cheap ? {} : sink.config as { batch_size?: unknown; flush_interval_secs?: unknown };
  const number = (value: unknown) => typeof value === "number" && value > 0 ? value : undefined;
  const seconds = number(own.flush_interval_secs);
  return {
    ...limits,
    maxRecords: sink.batch?.max_records ?? number(own.batch_size) ?? limits.maxRecords,
    maxBytes: sink.batch?.max_bytes ?? limits.maxBytes,
    maxWaitMs: sink.batch?.timeout_ms ?? (seconds === undefined ? limits.maxWaitMs : seconds * 1000),
  };
}

/** What the file says of brokers, for a connector of one: `source` is what feeds it, or itself. */
function brokerSettings(
  { settings: { topic, retry } }: Config,
  { topic_config }: ConfiguredSource,
): BrokerSettings {
  const { default_partitions, require_topic_exists, validate_existing } = topic ?? {};
  const given = {
    auto_create: topic_config?.auto_create ?? topic?.auto_create,
    partitions: topic_config?.partitions ?? default_partitions,
    require_topic_exists,
    validate_existing,
  };
  return {
    retry: retry ?? {},
    topic: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

/** Why the sink does not keep what its role promises: as it is configured, or because of what a transform gives it. */
function exceptionOf(
  role: SinkRole,
  { config }: ConfiguredSink,
  layout: Layout,
  chain: readonly PlannedStep[],
): string | undefined {
  const exception = role.exception?.(config as never, layout);
  if (exception !== undefined || role.exception?.(config as never, "plain") === undefined) return exception;
  const unwrapping = [...transformsOf(chain)].find(({ unwraps }) => unwraps);
  return unwrapping && `gets records without an envelope from transform "${unwrapping.name}"`;
}

/** The lower of two limits, of which 0 is none. */
function slower(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}

function hintForNothing({ pipelines, sources, sinks }: Config): string {
  if (sources.length === 0 || sinks.length === 0) {
    return "Describe a source, a sink and a pipeline that joins them";
  }
  if (pipelines.length === 0) return "Add a pipeline that names a source and a sink";
  return "Set enabled: true on a pipeline, its source and its sink";
}
