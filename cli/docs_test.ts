import { loadDefinitions } from "../runtime/config/registry.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import assert from "node:assert/strict";
import { parse } from "yaml";
import { connectorPage, staleParts, withPart } from "./docs.ts";
import { configFields } from "./fields.ts";
import { markdownTable } from "./markdown.ts";
import { transformPage } from "./transform_pages.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

Deno.test("the generated parts of the repository are fresh", () => {
  const stale = staleParts(new URL("../", import.meta.url), definitions, transforms).map(({ path }) => path);
  assert.deepEqual(stale, [], "run deno task generate");
});

Deno.test("a part is put between its markers and nowhere else, and again without a change", () => {
  const text = "# a\n<!-- generated: fields -->\nold\n<!-- /generated -->\nafter\n";
  const once = withPart(text, "fields", "| new |");
  assert.equal(once, "# a\n<!-- generated: fields -->\n\n| new |\n\n<!-- /generated -->\nafter\n");
  assert.equal(withPart(once, "fields", "| new |"), once);
  assert.equal(withPart(text, "connectors", "x"), text);
});

Deno.test("stale files are named, with the text they should have", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/connectors/datagen`, { recursive: true });
    const page = "<!-- generated: fields -->\n<!-- /generated -->\n";
    await Deno.writeTextFile(`${root}/connectors/datagen/README.md`, page);
    await Deno.writeTextFile(`${root}/README.md`, "no markers\n");
    const url = new URL(`file://${root}/`);
    const stale = staleParts(url, definitions, []);
    assert.deepEqual(stale.map(({ path }) => path), [
      "examples/pipeline.schema.json",
      "connectors/datagen/README.md",
    ]);
    await Deno.mkdir(`${root}/examples`);
    for (const { path, text } of stale) await Deno.writeTextFile(`${root}/${path}`, text);
    assert.deepEqual(staleParts(url, definitions, []), []);
    assert.match(await Deno.readTextFile(`${root}/connectors/datagen/README.md`), /^\| `pattern` +\|/m);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a table is padded as deno fmt pads it, its bars escaped", () => {
  assert.equal(
    markdownTable(["Key", "Type"], [["`a`", "x | y"], ["`longer`", "z"]]),
    "| Key      | Type   |\n| -------- | ------ |\n| `a`      | x \\| y |\n| `longer` | z      |",
  );
});

Deno.test("a page has every key and the example", () => {
  for (const definition of definitions) {
    const page = connectorPage(definition);
    for (const { path } of configFields(definition)) assert.ok(page.includes(`\n| \`${path}\` `), path);
    assert.ok(page.includes(definition.example.trimEnd()));
  }
});

Deno.test("the page of a transform has every key, its other names and its example as input and output", () => {
  for (const definition of transforms) {
    const page = transformPage(definition);
    for (const { path } of configFields(definition)) assert.ok(page.includes(`\n| \`${path}\` `), path);
    for (const alias of Object.keys(definition.aliases ?? {})) assert.ok(page.includes(alias), alias);
    const cut = page.slice(page.indexOf("## Example"));
    const yaml = [...cut.matchAll(/```yaml\n([^]*?)\n```/g)].map(([, text]) => text).join("\n");
    assert.deepEqual(parse(yaml.replaceAll("$${", () => "${")), parse(definition.example), definition.type);
  }
});
