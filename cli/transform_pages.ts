/** What a transform's definition says, as a Markdown page, for a terminal, and as data: for docs.ts and spec.ts. */
import { jsonSchemaOf } from "../runtime/config/json_schema.ts";
import { FORK_TYPES } from "../runtime/config/transform_schema.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import { configFields } from "./fields.ts";
import { fieldTable } from "./field_table.ts";
import { fieldTable as fieldTableText, markdownTable } from "./markdown.ts";
import type { Output } from "./output.ts";
import { paragraph, renderTable } from "./table.ts";

/** The transform of that name or alias, or undefined; `-` and `_` count as the same. */
export function transformNamed(
  name: string,
  definitions: readonly TransformDefinition[],
): TransformDefinition | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll("-", "_");
  return definitions.find(({ type }) => plain(type) === plain(name)) ??
    definitions.find(({ aliases }) =>
      Object.keys(aliases ?? {}).some((alias) => plain(alias) === plain(name))
    );
}

/** Does it speak of `${…}` that are no variables? Those are written large, or begin with `file:`. */
function hasPlaceholders(definition: TransformDefinition): boolean {
  return /\$\{(?!file:|[A-Z_]+\})/.test(fieldTableText(definition));
}

const DOLLARS =
  "In a pipeline file write `$${…}` for `${…}`, which would be a variable of the environment there.";

/** The page of one transform: what `docs <transform>` prints, and the README of its folder. */
export function transformPage(definition: TransformDefinition): string {
  const { type, title, summary, description, example } = definition;
  const facts = factsOf(definition);
  return [
    `# ${type}`,
    "",
    `${title}. ${summary}.`,
    "",
    description,
    "",
    ...(facts.length > 0 ? [markdownTable(["", ""], facts), ""] : []),
    "## Configuration",
    "",
    fieldTableText(definition),
    "",
    ...(hasPlaceholders(definition) ? [DOLLARS, ""] : []),
    "Beside `config` every transform takes `name`, `predicate` and `on_error`: see [transforms](../README.md).",
    "",
    "## Example",
    "",
    ...exampleParts(example).flatMap(({ lead, text }) => [lead, "", "```yaml", text, "```", ""]),
  ].join("\n").trimEnd();
}

/** The table of all transforms, for the README of their folder. */
export function transformTable(definitions: readonly TransformDefinition[]): string {
  const rows = definitions.map(({ type, aliases, summary }) => [
    [`[\`${type}\`](./${type}/)`, ...Object.keys(aliases ?? {}).map((alias) => `\`${alias}\``)].join(", "),
    summary,
  ]);
  const fork = [FORK_TYPES.map((type) => `\`${type}\``).join(", "), FORK_SUMMARY];
  return markdownTable(["Transform", "What it does"], [...rows, fork]);
}

const FORK_SUMMARY = "Sends records through `then` where `when` holds, through `else` where not";

/** The lines of `spec`'s list. */
export function transformRows(definitions: readonly TransformDefinition[], { style }: Output): string[][] {
  return [
    ...definitions.map(({ type, summary }) => [style.cyan(type), summary]),
    [style.cyan(FORK_TYPES[0]), FORK_SUMMARY.replaceAll("`", "")],
  ];
}

/** What `spec <transform>` prints. */
export function transformReference(definition: TransformDefinition, output: Output): string {
  const { bold, dim, cyan } = output.style;
  const { type, title, summary, description, example } = definition;
  const fields = configFields(definition);
  const facts = factsOf(definition).map(([name, text]) => [dim(name), text]);
  const indented = (text: string) => text.split("\n").map((line) => line && `  ${line}`).join("\n");
  return [
    `${bold(cyan(type))} · ${title} · transform`,
    paragraph(`${summary}.`, output.width),
    "",
    paragraph(description, output.width),
    ...(facts.length > 0 ? ["", renderTable(facts, { width: output.width })] : []),
    "",
    `${bold("Keys of its config")}${fields.length === 0 ? dim("  none") : ""}`,
    ...(fields.length === 0 ? [] : [fieldTable(fields, output)]),
    ...(hasPlaceholders(definition) ? ["", paragraph(DOLLARS.replaceAll("`", ""), output.width)] : []),
    "",
    ...exampleParts(example).flatMap(({ lead, text }) => [bold(lead.replace(/:$/, "")), indented(text), ""]),
  ].join("\n").trimEnd();
}

/** The whole definition as plain data. */
export function transformAsData(definition: TransformDefinition) {
  const { type, title, summary, description, example, protects = false, aliases } = definition;
  return {
    kind: "transform",
    type,
    aliases: Object.keys(aliases ?? {}),
    title,
    summary,
    description,
    protects,
    fields: configFields(definition).map(({ sample: _, isParent: __, depth: ___, ...field }) => field),
    configSchema: jsonSchemaOf(definition.config),
    example,
  };
}

function factsOf({ aliases, protects }: TransformDefinition): string[][] {
  const names = Object.entries(aliases ?? {}).map(([name, fixed]) => {
    const keys = Object.entries(fixed).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    return keys.length > 0 ? `${name} (${keys.join(", ")})` : name;
  });
  return [
    ...(names.length > 0 ? [["also called", names.join(", ")]] : []),
    ...(protects
      ? [[
        "when it fails",
        "the record never passes, and what is kept of it holds no row: on_error can't be pass",
      ]]
      : []),
  ];
}

const LEADS: Readonly<Record<string, string>> = {
  transforms: "With:",
  columns: "Columns:",
  predicates: "Predicates:",
  given: "These records:",
  expect: "become:",
  rejected: "and these are rejected:",
};

/**
 * An example cut at its keys; comments stay with what follows them. The transforms stand as a pipeline file has them,
 * where `${` would begin a variable of the environment.
 */
function exampleParts(example: string): { lead: string; text: string }[] {
  const parts: { lead: string; lines: string[] }[] = [];
  let waiting: string[] = [];
  for (const line of example.trimEnd().split("\n")) {
    const key = /^(\w+):/.exec(line)?.[1];
    if (key !== undefined) {
      parts.push({ lead: LEADS[key] ?? `${key}:`, lines: [...waiting, line] });
      waiting = [];
    } else if (/^(#|$)/.test(line)) waiting.push(line);
    else {
      parts.at(-1)?.lines.push(...waiting, line);
      waiting = [];
    }
  }
  return parts.map(({ lead, lines }) => {
    const text = lines.join("\n").trim();
    return lead === LEADS.transforms ? { lead, text: text.replaceAll("${", () => "$${") } : { lead, text };
  });
}
