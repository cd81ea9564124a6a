/**
 * `rivven-connect init`: a commented pipeline file that is valid, made from the definitions. What a connector requires
 * is filled in as in its own example; every other key is there as a comment with its default.
 */
import { loadDefinitions } from "../runtime/config/registry.ts";
import { parse, stringify } from "yaml";
import type { ConnectorDefinition } from "../connectors/contract.ts";
import type { Json } from "../formats/data/value.ts";
import { connectorNamed } from "./catalogue.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { configFields, type Field } from "./fields.ts";
import type { Output } from "./output.ts";
import { wrapText } from "./table.ts";

const definitions = await loadDefinitions();

/** What a file is about when nobody says: it runs anywhere. */
const DEFAULTS = { source: "datagen", sink: "stdout" } as const;

/** `init [connector…]`. */
export function run(args: Arguments, output: Output): Promise<number> {
  const names = [...args.positionals, ...args.list("connector")];
  const chosen = names.map((name) => connectorNamed(name, definitions));
  output.print(pipelineFileFor(chosen, definitions).trimEnd());
  return Promise.resolve(EXIT.ok);
}

type Role = "source" | "sink";

interface Entry {
  readonly name: string;
  readonly role: Role;
  readonly definition: ConnectorDefinition;
}

/**
 * The text of a file about these connectors. One that can be both is a source, unless the file has one already
 * or its example shows it as a sink; what is missing for a pipeline is added: generated data, or the screen.
 */
export function pipelineFileFor(
  chosen: readonly ConnectorDefinition[],
  definitions: readonly ConnectorDefinition[],
): string {
  const entries = entriesFor(chosen, definitions);
  const sources = entries.filter(({ role }) => role === "source");
  const sinks = entries.filter(({ role }) => role === "sink");
  const pairs = Array.from({ length: Math.max(sources.length, sinks.length) }, (_, i) => ({
    source: sources[i % sources.length].name,
    sink: sinks[i % sinks.length].name,
  }));
  return [
    HEADER,
    'version: "1.0"\n',
    SETTINGS,
    "sources:\n" + sources.map(entryText).join("\n"),
    "sinks:\n" + sinks.map(entryText).join("\n"),
    "pipelines:\n" + pairs.map(pipelineText).join("\n"),
  ].join("\n");
}

function entriesFor(
  chosen: readonly ConnectorDefinition[],
  definitions: readonly ConnectorDefinition[],
): Entry[] {
  const unique = [...new Set(chosen)];
  const hasPureSource = unique.some(({ source, sink }) => source && !sink);
  let needsSource = !hasPureSource;
  const withRoles = unique.map((definition) => {
    const shows = (role: Role) => exampleEntry(definition, role) !== undefined;
    const isSource = !definition.sink || (needsSource && (shows("source") || !shows("sink")));
    const role: Role = definition.source && isSource ? "source" : "sink";
    if (role === "source") needsSource = false;
    return { role, definition };
  });
  for (const role of ["source", "sink"] as const) {
    if (withRoles.some((entry) => entry.role === role)) continue;
    const definition = definitions.find(({ type }) => type === DEFAULTS[role]);
    if (!definition) {
      throw new UsageError(`This build has no ${role} to go with it`, `Name a connector that is a ${role}`);
    }
    withRoles.push({ role, definition });
  }
  const taken = new Set<string>();
  return withRoles.map(({ role, definition }) => {
    let name = exampleEntry(definition, role)?.name ?? definition.type.replaceAll("-", "_");
    while (taken.has(name)) name = `${definition.type.replaceAll("-", "_")}_${taken.size + 1}`;
    taken.add(name);
    return { name, role, definition };
  });
}

const HEADER = `\
# A pipeline file of rivven-connect: sources are read, sinks are written, pipelines join them.
#
#   rivven-connect validate -c FILE   every mistake in it, with its line
#   rivven-connect plan -c FILE       what would run, and what each connector may touch
#   rivven-connect check -c FILE      whether the servers, rights and settings are there
#   rivven-connect run -c FILE        run it; Ctrl-C drains and stops
#
# Keys that are commented out show their default. In every value, \${NAME} is a variable of the environment,
# \${NAME:-text} gives it a default, \${file:/run/secrets/x} is what a file holds.
`;

const SETTINGS = `\
settings:
  # Where positions and dead letters are kept: without it the next run starts from the beginning.
  state_dir: ./data/connect-state
  # debug, info, warn or error. Logs go to standard error.
  #log_level: info
  # text for people, json for a collector.
  #log_format: text
  # How long a drain may take after Ctrl-C or SIGTERM, in milliseconds.
  #shutdown_timeout_ms: 30000
`;

function pipelineText({ source, sink }: { source: string; sink: string }): string {
  return `\
  ${source}_to_${sink}:
    source: ${source}
    sink: ${sink}
    #enabled: true
    settings:
      # What becomes of a record that the sink will never take: stop the pipeline, skip it, or keep it as a
      # dead_letter in the state directory.
      on_error: stop
      # Most records per second; 0: as fast as possible.
      #rate_limit: 0
`;
}

function entryText({ name, role, definition }: Entry): string {
  const example = exampleEntry(definition, role);
  const lines = [
    ...comment(`${definition.summary}. More: rivven-connect spec ${definition.type}`, 2),
    `  ${name}:`,
    `    connector: ${definition.type}`,
    "    config:",
  ];
  const fields = configFields(definition);
  const keys = fields.flatMap((field) =>
    field.depth === 0 ? keyLines(field, example?.config[field.path], fields, 6) : []
  );
  // A map with nothing but comments in it would be null.
  if (!keys.some((line) => /^\s*[^\s#]/.test(line))) lines[lines.length - 1] = "    config: {}";
  lines.push(...keys);
  if (example?.streams) lines.push("    streams:", ...yamlLines(example.streams, 6));
  return lines.join("\n") + "\n";
}

/** A key with its description above it; commented out where nothing has to stand there. */
function keyLines(field: Field, given: Json | undefined, all: readonly Field[], indent: number): string[] {
  if (field.deprecated && given === undefined) return [];
  const name = field.path.split(".").at(-1)!;
  const choices = field.type.includes(" | ") && field.type !== "true | false" ? ` (${field.type})` : "";
  const lines = comment(`${field.description || name}${choices}`, indent);
  const value = given ?? (field.required ? field.sample : undefined);
  // Of what only one variant of a map has, those keys that the example gives.
  const isShown = ({ path, when }: Field) =>
    when === undefined || (isMap(value ?? null) && path.split(".").at(-1)! in (value as object));
  const children = all.filter((child) =>
    child.depth === field.depth + 1 && child.path.startsWith(`${field.path}.`) && isShown(child)
  );
  if (value === undefined) {
    const whole = children.length === 0
      ? yamlLines({ [name]: field.default ?? field.sample }, indent)
      : [`${" ".repeat(indent)}${name}:`, ...children.flatMap((child) => childLines(child, indent + 2))];
    return [...lines, ...whole.map((line) => `${line.slice(0, indent)}#${line.slice(indent)}`)];
  }
  if (children.length === 0 || !isMap(value)) return [...lines, ...yamlLines({ [name]: value }, indent)];
  return [
    ...lines,
    `${" ".repeat(indent)}${name}:`,
    ...children.flatMap((child) => keyLines(child, value[child.path.split(".").at(-1)!], all, indent + 2)),
  ];
}

/** A key within one that is commented out: its description behind it. */
function childLines({ path, sample, description }: Field, indent: number): string[] {
  const [first, ...more] = yamlLines({ [path.split(".").at(-1)!]: sample }, indent);
  return [more.length === 0 && description ? `${first} # ${description}` : first, ...more];
}

function isMap(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function yamlLines(value: unknown, indent: number): string[] {
  const text = stringify(value, { lineWidth: 0, defaultStringType: "PLAIN" }).trimEnd();
  return text.split("\n").map((line) => " ".repeat(indent) + line);
}

function comment(text: string, indent: number): string[] {
  return wrapText(text, 100 - indent).map((line) => `${" ".repeat(indent)}# ${line}`);
}

interface ExampleEntry {
  readonly name: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly streams?: Json;
}

/** How the definition's own example uses it, as written: variables are not filled in. */
function exampleEntry(definition: ConnectorDefinition, role: Role): ExampleEntry | undefined {
  const names = [definition.type, ...Object.keys(definition.aliases ?? {})];
  const document = parse(definition.example) as Record<string, Record<string, Record<string, Json>>> | null;
  for (const [name, entry] of Object.entries(document?.[`${role}s`] ?? {})) {
    if (!names.includes(entry.connector as string)) continue;
    const config = (entry.config ?? {}) as Readonly<Record<string, Json>>;
    return { name, config, ...(entry.streams === undefined ? {} : { streams: entry.streams }) };
  }
}
