/**
 * `rivven-connect docs`: a connector's or a transform's reference page, and the generated parts of the repository. A part stands
 * between two markers, so that people can write around it:
 *
 *     <!-- generated: fields -->
 *     <!-- /generated -->
 *
 * `fields` in connectors/<type>/README.md, `connectors` in README.md, `transforms` in transforms/README.md, and all of
 * transforms/<type>/README.md and examples/pipeline.schema.json.
 */
import { loadDefinitions } from "../runtime/config/registry.ts";
import { CATEGORIES, type ConnectorDefinition } from "../connectors/contract.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import { pipelineJsonSchema } from "../runtime/config/pipeline_schema.ts";
import { loadTransforms, transformNames } from "../runtime/config/transform_registry.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import { aliasesOf, connectorNamed, rolesOf, selectConnectors } from "./catalogue.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { describeConnector } from "./describe.ts";
import { fieldTable, markdownTable } from "./markdown.ts";
import { jsonText, type Output } from "./output.ts";
import { transformNamed, transformPage, transformTable } from "./transform_pages.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

/** `docs [connector | transform] [--write | --check]`. */
export function run(args: Arguments, output: Output): Promise<number> {
  return Promise.resolve(runNow(args, output));
}

function runNow(args: Arguments, output: Output): number {
  const [name] = args.positionals;
  const inRepository = args.flag("write") || args.flag("check");
  if ((name === undefined) !== inRepository || (args.flag("write") && args.flag("check"))) {
    throw new UsageError(
      "One of: a connector, a transform, --write, --check",
      "Such as: rivven-connect docs datagen",
    );
  }
  if (name !== undefined) {
    const transform = transformNamed(name, transforms);
    output.print(
      transform
        ? transformPage(transform)
        : connectorPage(connectorNamed(name, definitions, transformNames(transforms))),
    );
    return EXIT.ok;
  }
  const stale = staleParts(repositoryRoot(), definitions, transforms);
  if (args.flag("check")) {
    for (const { path } of stale) output.print(`${path} is stale: run deno task generate`);
    return stale.length > 0 ? EXIT.failed : EXIT.ok;
  }
  for (const { path, text } of stale) {
    Deno.writeTextFileSync(new URL(path, repositoryRoot()), text);
    output.say(`wrote ${path}`);
  }
  return EXIT.ok;
}

/** A file of the repository that is not as the definitions want it. */
export interface StalePart {
  /** From the root of the repository. */
  readonly path: string;
  /** What the whole file should be. */
  readonly text: string;
}

/** What a page that is generated whole starts with; its lines are as long as they are. */
const GENERATED_PAGE =
  "<!-- deno-fmt-ignore-file -->\n<!-- Written by `deno task generate` from definition.ts and example.yaml -->";

/** Every file with a generated part that is out of date. A README without markers has none. */
export function staleParts(
  root: URL,
  definitions: readonly ConnectorDefinition[],
  transforms: readonly TransformDefinition[],
): StalePart[] {
  const schema = pipelineJsonSchema(definitions, transforms);
  const wanted: StalePart[] = [{ path: "examples/pipeline.schema.json", text: `${jsonText(schema)}\n` }];
  for (const definition of transforms) {
    const text = `${GENERATED_PAGE}\n\n${transformPage(definition)}\n`;
    wanted.push({ path: `transforms/${definition.type}/README.md`, text });
  }
  const list = readText(new URL("transforms/README.md", root));
  if (list !== undefined) {
    wanted.push({
      path: "transforms/README.md",
      text: withPart(list, "transforms", transformTable(transforms)),
    });
  }
  const readme = readText(new URL("README.md", root));
  if (readme !== undefined) {
    wanted.push({ path: "README.md", text: withPart(readme, "connectors", connectorTable(definitions)) });
  }
  for (const definition of definitions) {
    const path = `connectors/${definition.type}/README.md`;
    const page = readText(new URL(path, root));
    if (page !== undefined) wanted.push({ path, text: withPart(page, "fields", fieldTable(definition)) });
  }
  return wanted.filter(({ path, text }) => readText(new URL(path, root)) !== text);
}

/** The text with `content` between the markers of `name`; unchanged where there are none. */
export function withPart(text: string, name: string, content: string): string {
  const open = `<!-- generated: ${name} -->`;
  const close = "<!-- /generated -->";
  const start = text.indexOf(open);
  const end = text.indexOf(close, start);
  if (start < 0 || end < 0) return text;
  return `${text.slice(0, start + open.length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** The page of one connector: what `docs <connector>` prints. */
export function connectorPage(definition: ConnectorDefinition): string {
  const { type, title, summary, description, example } = definition;
  const facts = describeConnector(definition, definitions);
  return [
    `# ${type}`,
    "",
    `${title}. ${summary}.`,
    "",
    description,
    "",
    markdownTable(["", ""], facts.map(({ name, text }) => [name, text])),
    "",
    "## Configuration",
    "",
    fieldTable(definition),
    "",
    "## Example",
    "",
    "```yaml",
    example.trimEnd(),
    "```",
  ].join("\n");
}

function connectorTable(definitions: readonly ConnectorDefinition[]): string {
  const rows = selectConnectors(definitions, {}).map((definition) => [
    [
      `[\`${definition.type}\`](./connectors/${definition.type}/)`,
      ...aliasesOf(definition).map((name) => `\`${name}\``),
    ]
      .join(", "),
    rolesOf(definition).join(", "),
    CATEGORIES[definition.category],
    definition.summary,
  ]);
  return markdownTable(["Connector", "Role", "Category", "What it does"], rows);
}

/** @throws {ConnectorError} where the program does not run from a checkout, so there is nothing to write */
function repositoryRoot(): URL {
  const root = new URL("../", import.meta.url);
  if (root.protocol !== "file:" || Deno.build.standalone) {
    throw new ConnectorError(
      "The generated parts are in the repository, and this program does not run from one",
      {
        code: "not_found_repository",
        hint: "Use a checkout: deno run -A main.ts docs --write",
      },
    );
  }
  return root;
}

function readText(url: URL): string | undefined {
  try {
    return Deno.readTextFileSync(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
