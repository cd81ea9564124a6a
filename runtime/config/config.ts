/**
 * The pipeline file: YAML text → Config, with every problem found at once and its line. Pure: the environment and
 * the files are handed in. `validate`, `plan` and `run` all start here; plan.ts makes the Plan of the Config.
 */
import type { ConnectorDefinition, Machine } from "../../connectors/contract.ts";
import type { TransformDefinition } from "../../transforms/contract.ts";
import {
  type PipelineEntry,
  type PipelineFile,
  pipelineFile,
  type SinkEntry,
  type SourceEntry,
} from "./config_schema.ts";
import { checkConnectorConfig, checkStreams, findFor } from "./connector_config.ts";
import { brokerConfig, checkFlows, implicitFlows } from "./flows.ts";
import { type JsonSchema, jsonSchemaOf, keysAt, secretsIn } from "./json_schema.ts";
import { isDisabled, refuseNotBuilt } from "./not_built.ts";
import { checkUnusedTopics } from "./unused_topics.ts";
import { inOrder, type Path, type Problem, reporter } from "./problem.ts";
import { checkReferences } from "./references.ts";
import { findConnector, type Role } from "./registry.ts";
import { checkPart } from "./schema_check.ts";
import { type ConfiguredTransforms, readTransforms } from "./transforms_of_file.ts";
import { checkRouting, routesTables, type RoutingKeys, routingOf, selectionOf } from "./topic_keys.ts";
import type { TopicRouting } from "../topic_routing.ts";
import type { VariableSources } from "./variables.ts";
import { isMap, YamlDocument } from "./yaml_document.ts";

/** A pipeline file that can be run: validated, defaults filled in, variables resolved. */
export interface Config {
  readonly file: string;
  readonly settings: PipelineFile["settings"];
  readonly sources: readonly ConfiguredSource[];
  readonly sinks: readonly ConfiguredSink[];
  readonly pipelines: readonly ConfiguredPipeline[];
  /** The config of a connector that publishes to the file's broker. */
  readonly broker?: unknown;
  /** What records meet on their way; it stands at sources, sinks and pipelines. */
  readonly transforms: ConfiguredTransforms;
  /** Every secret that stands in it, in clear, so that nothing that is printed holds one. */
  readonly secrets: readonly string[];
  /** Knows the lines, and hides values of variables in messages. */
  readonly document: YamlDocument;
}

export interface ConfiguredConnector {
  /** The name in the file. */
  readonly name: string;
  /** The canonical type, an alias already resolved. */
  readonly connector: string;
  /** As its own schema gives it, with secrets in clear; undefined only where it is disabled and not valid. */
  readonly config: unknown;
}

export type ConfiguredSource = Omit<SourceEntry, "connector" | "config"> & ConfiguredConnector & {
  /** Which topics its records go to, where the file says so. */
  readonly routing?: TopicRouting;
};
export type ConfiguredSink = Omit<SinkEntry, "connector" | "config"> & ConfiguredConnector;
export type ConfiguredPipeline = PipelineEntry & { readonly name: string };

export interface ReadOptions extends VariableSources {
  /** The name of the file, for messages. */
  readonly file: string;
  readonly definitions: readonly ConnectorDefinition[];
  /** Transforms that the file may name; none when left out. */
  readonly transforms?: readonly TransformDefinition[];
  /** The permission bits of a file; without it no file has any. */
  readonly fileMode?: Machine["fileMode"];
  /** What a variable without value and default is, and a `${file:…}` that can't be read. */
  readonly unsetVariables: "error" | "warning";
  /** Keys nobody knows are warned about and left out, instead of refused. */
  readonly allowUnknownKeys?: boolean;
}

export interface ReadResult {
  /** Undefined when there is an error; also when only variables without a value are in the way. */
  readonly config?: Config;
  /** In the order of the file. */
  readonly problems: readonly Problem[];
  /** Also of a file with errors, as far as it could be understood. */
  readonly secrets: readonly string[];
}

const SECRET: JsonSchema = { properties: { password: { secret: true }, token: { secret: true } } };

/** Secrets outside of connectors' configs: they stay unprinted also where their section is refused. */
const SECRET_KEYS: JsonSchema = {
  properties: {
    broker: { properties: { auth: SECRET } },
    schema_registry: { properties: { ...SECRET.properties, external: SECRET } },
    settings: { properties: { admin: SECRET } },
    secrets: { secret: true },
  },
};

/** Reads a pipeline file; never throws for what stands in it. */
export function readConfig(text: string, options: ReadOptions): ReadResult {
  const document = new YamlDocument(options.file, text, options);
  const problems: Problem[] = [...document.problems];
  const report = reporter(problems, (path, onKey) => document.place(path, onKey));
  const secrets = new Set(
    document.filledIn.filter((one) => one.fromFile && one.value !== "").map((one) => one.value),
  );
  const result = (config?: Config): ReadResult => {
    const failed = config === undefined || problems.some((problem) => problem.severity === "error");
    return { config: failed ? undefined : config, problems: inOrder(problems), secrets: [...secrets] };
  };
  if (!isMap(document.value)) {
    if (problems.length === 0) {
      const message = document.value === undefined || document.value === null
        ? "The file is empty"
        : "The file must be a map of keys and values";
      report({ path: [], message, hint: "`rivven-connect init` prints an example" });
    }
    return result();
  }

  for (const secret of secretsIn(SECRET_KEYS, document.value)) secrets.add(secret);

  const file = checkPart(document, {
    schema: pipelineFile,
    at: [],
    report,
    allowUnknownKeys: options.allowUnknownKeys ?? false,
    prepare: withoutEmptySections,
    hintForKey: (key, path) => placeOfKey(key, path, document, options.definitions),
  });
  for (const { path, kind, message, hint } of document.faults) {
    const harmless = isDisabled(document, path) ||
      (kind !== "required" && options.unsetVariables === "warning");
    const severity = harmless && kind !== "malformed" ? "warning" : "error";
    report({ severity, path, message, hint });
  }
  refuseNotBuilt(document, report);
  const sources = connectors("source");
  const sinks = connectors("sink");
  const transforms = readTransforms(document, {
    definitions: options.transforms ?? [],
    connectors: options.definitions,
    allowUnknownKeys: options.allowUnknownKeys ?? false,
    env: options.env,
    readFile: options.readFile,
    secrets,
    report,
  });
  checkReferences(document, report);
  checkFlows(document, report);
  checkUnusedTopics(document, options.definitions, report);
  if (file === undefined) return result();
  const flows = implicitFlows(file, document, { definitions: options.definitions, report });
  if (sources === undefined || sinks === undefined || flows === undefined || transforms === undefined) {
    return result();
  }
  return result({
    file: options.file,
    settings: file.settings,
    sources: [
      ...Object.entries(file.sources ?? {}).map(([name, entry]) => sourceOf(name, entry, sources.get(name)!)),
      ...flows.sources,
    ],
    sinks: [
      ...Object.entries(file.sinks ?? {}).map(([name, entry]) => ({ ...entry, name, ...sinks.get(name)! })),
      ...flows.sinks,
    ],
    pipelines: [
      ...Object.entries(file.pipelines ?? {}).map(([name, entry]) => ({ ...entry, name })),
      ...flows.pipelines,
    ],
    transforms,
    broker: brokerConfig(file, document, {
      definitions: options.definitions,
      // Of the flows they were told already.
      report: flows.pipelines.length > 0 ? () => {} : report,
    }),
    secrets: [...secrets],
    document,
  });

  /** The connector and config of each entry of a section, or undefined when one has an error. */
  function connectors(role: Role): Map<string, CheckedConnector> | undefined {
    const checked = new Map<string, CheckedConnector>();
    let good = true;
    for (const [name, entry] of document.entries(`${role}s`)) {
      const path = [`${role}s`, name];
      if (!isMap(entry) || typeof entry.connector !== "string") continue;
      const found = findFor(role, document, path, options.definitions, report);
      if (found === undefined) {
        checked.set(name, { connector: entry.connector, config: undefined });
        good &&= isDisabled(document, path);
        continue;
      }
      if (role === "source") checkStreams(document, found.definition, path, report);
      const config = checkConnectorConfig(document, {
        found,
        entry: path,
        entryKeys: () => keysAt(jsonSchemaOf(pipelineFile), path),
        allowUnknownKeys: options.allowUnknownKeys ?? false,
        machine: {
          env: options.env,
          readFile: options.readFile,
          fileMode: options.fileMode ?? (() => undefined),
        },
        secrets,
        report,
      });
      const routing = routesTables(found.definition) ? checkRouting(document, path, report) : {};
      checked.set(name, { connector: found.definition.type, config, routing });
      good &&= (config !== undefined && routing !== undefined) || isDisabled(document, path);
    }
    return good ? checked : undefined;
  }
}

interface CheckedConnector {
  readonly connector: string;
  readonly config: unknown;
  /** The keys of its config that the connector does not know. */
  readonly routing?: RoutingKeys;
}

function sourceOf(
  name: string,
  entry: SourceEntry,
  { routing: keys = {}, ...checked }: CheckedConnector,
): ConfiguredSource {
  const routing = routingOf(entry, keys);
  return { ...entry, streams: selectionOf(entry), name, ...checked, ...(routing ? { routing } : {}) };
}

/** Where a key belongs that stands in the wrong place, as a hint. */
function placeOfKey(
  key: string,
  path: Path,
  document: YamlDocument,
  definitions: readonly ConnectorDefinition[],
): string | undefined {
  const file = jsonSchemaOf(pipelineFile);
  if (path.length === 1 && keysAt(file, ["settings"]).includes(key)) {
    return `"${key}" belongs under "settings"`;
  }
  if (path.length !== 3 || (path[0] !== "sources" && path[0] !== "sinks")) return undefined;
  const connector = document.at([path[0], path[1], "connector"]);
  const found = typeof connector === "string" ? findConnector(definitions, connector) : undefined;
  if (found !== undefined && keysAt(jsonSchemaOf(found.definition.config), []).includes(key)) {
    return `"${key}" belongs under "config"`;
  }
}

/** An empty section, as in a file whose entries are all commented out, is no section. */
function withoutEmptySections(file: unknown): unknown {
  return isMap(file) ? Object.fromEntries(Object.entries(file).filter(([, value]) => value !== null)) : file;
}
