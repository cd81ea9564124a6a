/**
 * The `connector` and `config` of one source or sink in a pipeline file: the definition found, older spellings brought
 * up to date, what the connector takes from this machine filled in, its own schema asked, its secrets gathered.
 * config.ts calls it for each entry.
 */
import type { CompletedConfig, ConnectorDefinition, Machine } from "../../connectors/contract.ts";
import { jsonSchemaOf, mayHoldSecrets, secretsIn } from "./json_schema.ts";
import { isDisabled, notBuiltInConfig } from "./not_built.ts";
import type { Path, Report } from "./problem.ts";
import {
  connectorNames,
  CONNECTORS_ELSEWHERE,
  findConnector,
  type FoundConnector,
  type Role,
} from "./registry.ts";
import { checkPart } from "./schema_check.ts";
import { routesTables, withoutRouting } from "./topic_keys.ts";
import { didYouMean } from "./suggest.ts";
import { withoutTransforms } from "./transforms_of_file.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

/** The connector that the entry at `entry` names, if it has this side; else a problem, and undefined. */
export function findFor(
  role: Role,
  document: YamlDocument,
  entry: Path,
  definitions: readonly ConnectorDefinition[],
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

/** Can the source do what `streams` asks of it? */
export function checkStreams(
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

export interface ConnectorCheck {
  readonly found: FoundConnector;
  /** Where the source or sink stands. */
  readonly entry: Path;
  /** The keys that belong beside `config`. */
  readonly entryKeys: () => readonly string[];
  readonly allowUnknownKeys: boolean;
  /** Where connectors find what their keys leave out. */
  readonly machine: Machine;
  /** Takes every secret of the config. */
  readonly secrets: Set<string>;
  readonly report: Report;
}

/** The config of one entry as its connector's schema gives it, or undefined when it is not valid. */
export function checkConnectorConfig(document: YamlDocument, options: ConnectorCheck): unknown {
  const { found: { definition, fixed }, entry, report, secrets } = options;
  const at = [...entry, "config"];
  const json = mayHoldSecrets(definition.config) ? jsonSchemaOf(definition.config) : {};
  document.hide(secretsIn(json, document.at(at)));
  let notes: readonly string[] = [];
  let problems: CompletedConfig["problems"] = [];
  let prepared: unknown;
  const config = checkPart(document, {
    schema: definition.config,
    at,
    report,
    allowUnknownKeys: options.allowUnknownKeys,
    hintForKey: (key, path) => {
      const foreign = definition.foreignKeys?.[path.join(".")];
      if (foreign !== undefined) return foreign;
      if (path.length > 1) return undefined;
      if (options.entryKeys().includes(key)) {
        return `"${key}" belongs beside "config", not into it`;
      }
      return notBuiltInConfig(key);
    },
    prepare: (part) => {
      if (part === null || part === undefined) part = {};
      if (!isMap(part)) return part;
      let own = withoutTransforms(part, definition, entry);
      if (routesTables(definition)) own = withoutRouting(own);
      const upgraded = definition.upgradeConfig?.(own) ?? { config: own, notes: [] };
      const written = { ...upgraded.config, ...fixed };
      const completed = definition.completeConfig?.(written, options.machine, roleOf(entry));
      notes = [...upgraded.notes, ...(completed?.notes ?? [])];
      problems = completed?.problems ?? [];
      return prepared = completed?.config ?? written;
    },
  });
  for (const secret of secretsIn(json, prepared)) secrets.add(secret);
  for (const { key, message, hint } of problems) {
    const path = [...at, key];
    if (!document.isUnset(path)) report({ path, message: document.mask(message), hint });
  }
  for (const note of notes) {
    const written = document.at(at);
    const named = isMap(written) && Object.keys(written).find((key) => note.split(/[^\w.-]+/).includes(key));
    const path = named ? [...at, named] : at;
    report({ severity: "warning", path, onKey: true, message: document.mask(note) });
  }
  for (const [key, value] of Object.entries(fixed)) {
    const written = document.at([...at, key]);
    if (written === undefined || written === value) continue;
    const connector = document.show([...entry, "connector"]);
    const message = `"${key}" is always ${JSON.stringify(value)} for connector ${connector}`;
    report({ path: [...at, key], message, hint: `Remove it, or write connector: ${definition.type}` });
  }
  return config;
}

function roleOf(entry: Path): Role {
  return entry[0] === "sources" ? "source" : "sink";
}
