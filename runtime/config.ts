/**
 * The pipeline file: YAML text → Config, with every problem found at once and its line. Pure: the environment and
 * the files are handed in. `validate`, `plan` and `run` all start here; plan.ts makes the Plan of the Config.
 */
import type { ConnectorDefinition } from "../connectors/contract.ts";
import {
  type PipelineEntry,
  type PipelineFile,
  pipelineFile,
  type SinkEntry,
  type SourceEntry,
} from "./config_schema.ts";
import { isSecretAt, type JsonSchema, jsonSchemaOf, keysAt, secretsIn } from "./json_schema.ts";
import { isDisabled, notBuiltInConfig, refuseNotBuilt } from "./not_built.ts";
import { inOrder, type Path, pathText, type Problem, type Report } from "./problem.ts";
import {
  connectorNames,
  CONNECTORS_ELSEWHERE,
  findConnector,
  type FoundConnector,
  type Role,
} from "./registry.ts";
import { checkPart } from "./schema_check.ts";
import { didYouMean } from "./suggest.ts";
import type { VariableSources } from "./variables.ts";
import { YamlDocument } from "./yaml_document.ts";

/** A pipeline file that can be run: validated, defaults filled in, variables resolved. */
export interface Config {
  readonly file: string;
  readonly settings: PipelineFile["settings"];
  readonly sources: readonly ConfiguredSource[];
  readonly sinks: readonly ConfiguredSink[];
  readonly pipelines: readonly ConfiguredPipeline[];
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

export type ConfiguredSource = Omit<SourceEntry, "connector" | "config"> & ConfiguredConnector;
export type ConfiguredSink = Omit<SinkEntry, "connector" | "config"> & ConfiguredConnector;
export type ConfiguredPipeline = PipelineEntry & { readonly name: string };

export interface ReadOptions extends VariableSources {
  /** The name of the file, for messages. */
  readonly file: string;
  readonly definitions: readonly ConnectorDefinition[];
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
  const report: Report = ({ severity = "error", path, onKey, message, hint }) => {
    const place = document.place(path, onKey);
    problems.push({
      ...place,
      severity,
      message,
      ...(hint === undefined ? {} : { hint }),
      path: pathText(path),
    });
  };
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
  checkPipelines(document, report);
  for (const key of ["topic", "retry"]) {
    if (document.at(["settings", key]) === undefined) continue;
    const message = `"settings.${key}" has no effect in this build: it is about a broker`;
    report({ severity: "warning", path: ["settings", key], onKey: true, message });
  }
  if (file === undefined || sources === undefined || sinks === undefined) return result();
  return result({
    file: options.file,
    settings: file.settings,
    sources: Object.entries(file.sources ?? {}).map(([name, entry]) => ({
      ...entry,
      name,
      ...sources.get(name)!,
    })),
    sinks: Object.entries(file.sinks ?? {}).map(([name, entry]) => ({ ...entry, name, ...sinks.get(name)! })),
    pipelines: Object.entries(file.pipelines ?? {}).map(([name, entry]) => ({ ...entry, name })),
    secrets: [...secrets],
    document,
  });

  /** The connector and config of each entry of a section, or undefined when one has an error. */
  function connectors(role: Role): Map<string, { connector: string; config: unknown }> | undefined {
    const checked = new Map<string, { connector: string; config: unknown }>();
    let good = true;
    for (const [name, entry] of entriesOf(document, `${role}s`)) {
      const path = [`${role}s`, name];
      if (!isMap(entry) || typeof entry.connector !== "string") continue;
      const found = lookUp(document, options.definitions, role, path, report);
      if (found === undefined) {
        checked.set(name, { connector: entry.connector, config: undefined });
        good &&= isDisabled(document, path);
        continue;
      }
      if (role === "source") checkStreams(document, found.definition, path, report);
      const config = checkConnector(found, path);
      checked.set(name, { connector: found.definition.type, config });
      good &&= config !== undefined || isDisabled(document, path);
    }
    return good ? checked : undefined;
  }

  function checkConnector({ definition, fixed }: FoundConnector, entry: Path): unknown {
    const at = [...entry, "config"];
    const json = jsonSchemaOf(definition.config);
    document.hide(secretsIn(json, document.at(at)));
    for (const { path, values, unset } of document.readings.values()) {
      const inside = at.every((step, i) => path[i] === step) && !unset;
      if (inside && isSecretAt(json, path.slice(at.length))) gatherTexts(values);
    }
    let notes: string[] = [];
    let prepared: unknown;
    const config = checkPart(document, {
      schema: definition.config,
      at,
      report,
      allowUnknownKeys: options.allowUnknownKeys ?? false,
      hintForKey: (key, path) => {
        if (path.length > 1) return undefined;
        if (keysAt(jsonSchemaOf(pipelineFile), entry).includes(key) && key !== "transforms") {
          return `"${key}" belongs beside "config", not into it`;
        }
        return notBuiltInConfig(key);
      },
      prepare: (part) => {
        if (part === null || part === undefined) part = {};
        if (!isMap(part)) return part;
        const upgraded = definition.upgradeConfig?.(part);
        notes = upgraded?.notes ?? [];
        return prepared = { ...(upgraded?.config ?? part), ...fixed };
      },
    });
    for (const secret of secretsIn(json, prepared)) secrets.add(secret);
    for (const note of notes) {
      const named = Object.keys(isMap(document.at(at)) ? document.at(at) as object : {})
        .find((key) => note.split(/[^\w.-]+/).includes(key));
      const path = named === undefined ? at : [...at, named];
      report({ severity: "warning", path, onKey: true, message: document.mask(note) });
    }
    for (const [key, value] of Object.entries(fixed)) {
      const written = document.at([...at, key]);
      if (written === undefined || written === value) continue;
      const message = `"${key}" is always ${JSON.stringify(value)} for connector ${
        document.show([...entry, "connector"])
      }`;
      report({ path: [...at, key], message, hint: `Remove it, or write connector: ${definition.type}` });
    }
    return config;
  }

  function gatherTexts(values: readonly unknown[]): void {
    const texts = values.filter((value) => value !== null && value !== "" && typeof value !== "boolean").map(
      String,
    );
    for (const text of texts) secrets.add(text);
    document.hide(texts);
  }
}

function lookUp(
  document: YamlDocument,
  definitions: readonly ConnectorDefinition[],
  role: Role,
  entry: Path,
  report: Report,
): FoundConnector | undefined {
  const path = [...entry, "connector"];
  if (document.isUnset(path)) return undefined;
  const name = document.at(path) as string;
  const found = findConnector(definitions, name);
  if (found?.definition[role] !== undefined) return found;
  const names = connectorNames(definitions, role);
  const severity = isDisabled(document, entry) ? "warning" : "error";
  const shown = document.show(path);
  const others = `Known ${role}s`;
  if (found !== undefined) {
    const other = role === "source" ? "sink" : "source";
    const message = `Connector ${shown} is no ${role}, only a ${other}`;
    report({ severity, path, message, hint: `${others}: ${names.join(", ")}` });
  } else if (CONNECTORS_ELSEWHERE.includes(name)) {
    const message = `Connector ${shown} is not in this build yet`;
    report({ severity, path, message, hint: `${others}: ${names.join(", ")}` });
  } else {
    report({ severity, path, message: `Unknown connector ${shown}`, hint: didYouMean(name, names, others) });
  }
}

function checkStreams(
  document: YamlDocument,
  definition: ConnectorDefinition,
  entry: Path,
  report: Report,
): void {
  const streams = document.at([...entry, "streams"]);
  const modes = definition.source!.syncModes;
  for (const [i, stream] of Array.isArray(streams) ? streams.entries() : []) {
    const path = [...entry, "streams", i];
    const mode = isMap(stream) ? stream.sync_mode : undefined;
    if (mode === "full_refresh" && !modes.includes("full_refresh")) {
      const message = `Connector "${definition.type}" can't do sync_mode full_refresh`;
      report({
        path: [...path, "sync_mode"],
        message,
        hint: "Write sync_mode: incremental, or leave it out",
      });
    } else if (mode === "incremental" && !modes.includes("incremental") && !modes.includes("cdc")) {
      const message = `Connector "${definition.type}" can't do sync_mode incremental`;
      report({ path: [...path, "sync_mode"], message, hint: "Write sync_mode: full_refresh" });
    }
    if (isMap(stream) && stream.cursor_field !== undefined && modes.includes("cdc")) {
      const message = `"cursor_field" has no effect: "${definition.type}" reads the log of changes`;
      report({
        severity: "warning",
        path: [...path, "cursor_field"],
        onKey: true,
        message,
        hint: "Remove it",
      });
    }
  }
}

/** Pipelines name what exists. What they name that is disabled is plan.ts's to say. */
function checkPipelines(document: YamlDocument, report: Report): void {
  const named = new Set<string>();
  const mistaken = new Set<Role>();
  for (const [name, pipeline] of entriesOf(document, "pipelines")) {
    if (!isMap(pipeline)) continue;
    for (const role of ["source", "sink"] as const) {
      const wanted = pipeline[role];
      if (typeof wanted !== "string" || document.isUnset(["pipelines", name, role])) continue;
      named.add(`${role} ${wanted}`);
      const names = entriesOf(document, `${role}s`).map(([name]) => name);
      if (names.includes(wanted)) continue;
      mistaken.add(role);
      const path = ["pipelines", name, role];
      const severity = isDisabled(document, path) ? "warning" : "error";
      const message = `There is no ${role} ${document.show(path)}`;
      const hint = didYouMean(wanted, names, `The ${role}s of this file are`) ?? `Describe it under ${role}s`;
      report({ severity, path, message, hint });
    }
  }
  for (const role of ["source", "sink"] as const) {
    for (const [name, entry] of entriesOf(document, `${role}s`)) {
      if (named.has(`${role} ${name}`) || !isMap(entry) || entry.enabled === false) continue;
      const path = [`${role}s`, name];
      if (role === "source" && typeof entry.topic === "string") {
        const message =
          `Source "${name}" stands in no pipeline: publishing to its "topic" needs the connector rivven, ` +
          "which is not in this build yet";
        report({
          path: [...path, "topic"],
          onKey: true,
          message,
          hint: "Add a pipeline that names it and a sink",
        });
      } else if (!mistaken.has(role) && (role === "source" || entry.topics === undefined)) {
        const message = `${
          role === "source" ? "Source" : "Sink"
        } "${name}" stands in no pipeline: it is not run`;
        report({ severity: "warning", path, onKey: true, message, hint: "Add a pipeline that names it" });
      }
    }
  }
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

function entriesOf(document: YamlDocument, section: string): [string, unknown][] {
  const value = document.at([section]);
  return isMap(value) ? Object.entries(value) : [];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
