/** What a definition says about a connector as a whole, in words: for spec.ts and docs.ts. */
import type { ConnectorDefinition, Guarantee, SinkRole, SourceRole } from "../connectors/contract.ts";
import { OPERATIONS } from "../formats/data/record.ts";
import { type Config, readConfig } from "../runtime/config/config.ts";
import { aliasesOf } from "./catalogue.ts";
import { describeRights } from "./rights.ts";

export interface Fact {
  readonly name: string;
  readonly text: string;
}

/** Everything but the keys: other names, tags, guarantees, rights. */
export function describeConnector(
  definition: ConnectorDefinition,
  definitions: readonly ConnectorDefinition[],
): Fact[] {
  const { category, tags, source, sink, author, license, docsUrl } = definition;
  const aliases = aliasesOf(definition).map((alias) => {
    const fixed = Object.entries(definition.aliases![alias]);
    return fixed.length === 0
      ? alias
      : `${alias} (${fixed.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ")})`;
  });
  const rights = exampleRights(definition, definitions);
  return [
    ...(aliases.length > 0 ? [{ name: "also called", text: aliases.join(", ") }] : []),
    { name: "category", text: category },
    { name: "tags", text: tags.join(", ") },
    ...(source ? [{ name: "as a source", text: describeSource(source) }] : []),
    ...(sink ? [{ name: "as a sink", text: describeSink(sink) }] : []),
    ...rights.map(({ role, permissions }) => ({
      name: `as a ${role}, may`,
      text: `${describeRights(permissions)} (with the example; rivven-connect plan tells it for your file)`,
    })),
    ...(author ? [{ name: "author", text: author }] : []),
    ...(license ? [{ name: "license", text: license }] : []),
    ...(docsUrl ? [{ name: "more", text: docsUrl }] : []),
  ];
}

const GUARANTEES: Readonly<Record<Guarantee, string>> = {
  at_most_once: "at most once",
  at_least_once: "at least once",
  exactly_once: "exactly once",
};

const ORDERINGS: Readonly<Record<SourceRole["ordering"], string>> = {
  none: "in no order",
  per_key: "in order for each key",
  per_lane: "in order within each lane",
};

const MODES: Readonly<Record<SourceRole["mode"], string>> = {
  singleton: "one instance",
  scalable: "several instances share the load",
  partitioned: "one instance per partition",
};

const TECHNIQUES: Readonly<Record<NonNullable<SinkRole["technique"]>, string>> = {
  T1: "the position is stored with the data",
  T2: "each range of records has a name of its own",
  T3: "rows are written by key",
  lookup: "what the target has already is looked up and not written again",
  truncate: "what the checkpoint does not know is cut off at the start",
};

/** `at least once`. */
export function describeGuarantee(guarantee: Guarantee): string {
  return GUARANTEES[guarantee];
}

function describeSource({ guarantee, ordering, mode, syncModes, discover }: SourceRole): string {
  return [
    GUARANTEES[guarantee],
    ORDERINGS[ordering],
    MODES[mode],
    `sync modes: ${syncModes.join(", ")}`,
    ...(discover ? ["can be asked what it sees (discover)"] : []),
  ].join("; ");
}

function describeSink({ guarantee, technique, accepts, batch }: SinkRole): string {
  const limits = `${batch.maxRecords.toLocaleString("en")} records, ${
    size(batch.maxBytes)
  } or ${batch.maxWaitMs} ms`;
  return [
    GUARANTEES[guarantee] + (technique ? ` (${TECHNIQUES[technique]})` : ""),
    `takes ${accepts.length === OPERATIONS.length ? "every operation" : accepts.join(", ")}`,
    batch.cheap ? `commits whenever nothing waits, at the latest after ${limits}` : `commits after ${limits}`,
  ].join("; ");
}

/** `16 MiB`. */
export function size(bytes: number): string {
  return bytes >= 1 << 20 ? `${Math.round(bytes / (1 << 20))} MiB` : `${Math.round(bytes / 1024)} KiB`;
}

/** The rights that its worker gets in the definition's own example, for each of its sides that the example shows. */
export function exampleRights(definition: ConnectorDefinition, definitions: readonly ConnectorDefinition[]) {
  const config = readExample(definition, definitions);
  const entries = [
    ...(config?.sources ?? []).map((entry) => ({ ...entry, role: "source" as const })),
    ...(config?.sinks ?? []).map((entry) => ({ ...entry, role: "sink" as const })),
  ].filter(({ connector }) => connector === definition.type);
  return (["source", "sink"] as const).flatMap((role) => {
    const first = entries.find((entry) => entry.role === role);
    return first ? [{ role, permissions: definition.permissions(first.config, role) }] : [];
  });
}

/**
 * The definition's example as a configuration. Variables without a default stand for themselves, `${PGHOST}`, where
 * the example is valid that way; undefined where it names connectors that this build does not have.
 */
export function readExample(
  definition: ConnectorDefinition,
  definitions: readonly ConnectorDefinition[],
): Config | undefined {
  for (const env of [() => undefined, (name: string) => `\${${name}}`]) {
    const { config } = readConfig(definition.example, {
      file: `connectors/${definition.type}/example.yaml`,
      definitions,
      env,
      readFile: (path) => `\${file:${path}}`,
      unsetVariables: "error",
    });
    if (config) return config;
  }
}
