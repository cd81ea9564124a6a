/** `rivven-connect spec`: the connectors and transforms of this build, and all there is to know about one. */
import { loadDefinitions } from "../runtime/config/registry.ts";
import { CATEGORIES, type Category, type ConnectorDefinition } from "../connectors/contract.ts";
import { jsonSchemaOf } from "../runtime/config/json_schema.ts";
import { loadTransforms, transformNames } from "../runtime/config/transform_registry.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import { aliasesOf, connectorNamed, rolesOf, selectConnectors } from "./catalogue.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { describeConnector, exampleRights } from "./describe.ts";
import { fieldTable, NARROW } from "./field_table.ts";
import { configFields } from "./fields.ts";
import type { Output } from "./output.ts";
import { displayWidth, paragraph, renderTable } from "./table.ts";
import { transformAsData, transformNamed, transformReference, transformRows } from "./transform_pages.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

/** `spec [connector | transform]`. */
export function run(args: Arguments, output: Output): Promise<number> {
  const [name, extra] = args.positionals;
  if (extra !== undefined) {
    throw new UsageError(`"spec" explains one connector or transform at a time, not "${extra}" too`);
  }
  const transform = name === undefined ? undefined : transformNamed(name, transforms);
  if (name === undefined) printCatalogue(args, output);
  else if (transform) printTransform(transform, args, output);
  else printConnector(connectorNamed(name, definitions, transformNames(transforms)), args, output);
  return Promise.resolve(EXIT.ok);
}

function printCatalogue(args: Arguments, output: Output): void {
  if (args.flag("json-schema")) {
    throw new UsageError(
      "--json-schema needs a connector",
      "Such as: rivven-connect spec datagen --json-schema",
    );
  }
  const search = args.text("search");
  const found = selectConnectors(definitions, {
    category: args.text("category"),
    tags: args.list("tag"),
    search,
  });
  if (args.format("table") === "json") {
    output.printJson(found.map(catalogueEntry));
    return;
  }
  const { bold, dim, cyan } = output.style;
  if (found.length === 0) {
    output.say("No connector of this build matches; without filters `rivven-connect spec` lists all of them");
    return;
  }
  const rowOf = (definition: ConnectorDefinition) => [
    cyan(definition.type),
    rolesOf(definition).join(", "),
    definition.summary,
    ...(output.width < NARROW ? [] : [dim(definition.tags.join(", "))]),
  ];
  // One table for all categories would be lined up better, but a heading per category is found faster: so the
  // columns of all are padded to the widest.
  const widest = (column: number) =>
    Math.max(...found.map((definition) => displayWidth(rowOf(definition)[column])));
  const widths = [widest(0), widest(1)];
  const table = (some: readonly ConnectorDefinition[]) =>
    renderTable(
      some.map((definition) =>
        rowOf(definition).map((cell, i) =>
          cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(cell)))
        )
      ),
      { width: output.width, indent: "  ", flexible: [2, 3] },
    );
  if (search !== undefined) {
    output.print(table(found));
  } else {
    const categories = [...new Set(found.map(({ category }) => category))];
    output.print(
      categories.map((category) =>
        `${bold(CATEGORIES[category])} ${dim(category)}\n${
          table(found.filter((each) => each.category === category))
        }`
      ).join("\n\n"),
    );
  }
  if (search === undefined && args.list("category").length + args.list("tag").length === 0) {
    const rows = transformRows(transforms, output);
    output.print(`\n${bold("Transforms")}\n${renderTable(rows, { width: output.width, indent: "  " })}`);
  }
  output.print();
  output.print(`All about one of them: rivven-connect spec ${dim("<name>")}`);
}

function catalogueEntry(definition: ConnectorDefinition) {
  const { type, version, category, tags, title, summary } = definition;
  return {
    type,
    aliases: aliasesOf(definition),
    version,
    roles: rolesOf(definition),
    category,
    tags,
    title,
    summary,
  };
}

function printTransform(definition: TransformDefinition, args: Arguments, output: Output): void {
  refuseFilters(args);
  if (args.flag("json-schema")) {
    output.printJson({ ...jsonSchemaOf(definition.config), title: `config of ${definition.type}` });
  } else if (args.format("table") === "json") output.printJson(transformAsData(definition));
  else output.print(transformReference(definition, output));
}

function refuseFilters(args: Arguments): void {
  for (const filter of ["category", "tag", "search"]) {
    if (args.list(filter).length > 0) {
      throw new UsageError(`--${filter} is for the list, not for one connector`);
    }
  }
}

function printConnector(definition: ConnectorDefinition, args: Arguments, output: Output): void {
  refuseFilters(args);
  if (args.flag("json-schema")) {
    output.printJson({ ...jsonSchemaOf(definition.config), title: `config of ${definition.type}` });
  } else if (args.format("table") === "json") {
    output.printJson(definitionAsData(definition));
  } else {
    output.print(reference(definition, output));
  }
}

/** The whole definition as plain data. */
function definitionAsData(definition: ConnectorDefinition) {
  const { config, permissions: _, upgradeConfig: __, category, ...data } = definition;
  return {
    ...data,
    category,
    categoryTitle: CATEGORIES[category as Category],
    roles: rolesOf(definition),
    fields: configFields(definition).map(({ sample: _, isParent: __, depth: ___, ...field }) => field),
    permissionsInExample: exampleRights(definition, definitions),
    configSchema: jsonSchemaOf(config),
  };
}

function reference(definition: ConnectorDefinition, output: Output): string {
  const { bold, dim, cyan } = output.style;
  const { type, version, title, summary, description, example } = definition;
  const fields = configFields(definition);
  const facts = describeConnector(definition, definitions);
  return [
    `${bold(cyan(type))} ${version} · ${title} · ${rolesOf(definition).join(" and ")}`,
    paragraph(`${summary}.`, output.width),
    "",
    paragraph(description, output.width),
    "",
    renderTable(facts.map(({ name, text }) => [dim(name), text]), { width: output.width }),
    "",
    `${bold("Keys of its config")}${fields.length === 0 ? dim("  none") : ""}`,
    fields.length === 0 ? "" : fieldTable(fields, output),
    "",
    bold("A complete pipeline file"),
    example.trimEnd().split("\n").map((line) => line && `  ${/^\s*#/.test(line) ? dim(line) : line}`).join(
      "\n",
    ),
  ].join("\n");
}
