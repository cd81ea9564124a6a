import { loadDefinitions } from "../runtime/config/registry.ts";
import assert from "node:assert/strict";
import { connectorFolders, generatedFiles, staleFiles } from "./generate.ts";
import { implementations } from "./implementations.gen.ts";

const definitions = await loadDefinitions();

const HERE = new URL("./", import.meta.url);

Deno.test("the lists of connectors are fresh", () => {
  assert.deepEqual(staleFiles(HERE), [], "run deno task generate");
});

Deno.test("every connector is named like its folder, and has the code for each of its sides", () => {
  assert.deepEqual(definitions.map(({ type }) => type), connectorFolders(HERE).map(({ name }) => name));
  for (const { type, source, sink } of definitions) {
    assert.equal(implementations[type].source !== undefined, source !== undefined, `${type}/source.ts`);
    assert.equal(implementations[type].sink !== undefined, sink !== undefined, `${type}/sink.ts`);
  }
});

Deno.test("no name or alias stands for two connectors", () => {
  const names = definitions.flatMap(({ type, aliases }) => [type, ...Object.keys(aliases ?? {})]);
  assert.equal(new Set(names).size, names.length, names.join(", "));
});

Deno.test("a folder counts once it has a connector.ts; shared folders and files do not", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (
      const path of ["b-two/connector.ts", "b-two/sink.ts", "a1/connector.ts", "a1/source.ts", "a1/sink.ts"]
    ) {
      await write(`${root}/${path}`);
    }
    for (const path of ["_shared/connector.ts", "unfinished/source.ts", "contract.ts"]) {
      await write(`${root}/${path}`);
    }
    await Deno.writeTextFile(`${root}/b-two/example.yaml`, "version: 1");
    const url = new URL(`file://${root}/`);
    assert.deepEqual(connectorFolders(url), [
      { name: "a1", hasSource: true, hasSink: true, example: undefined },
      { name: "b-two", hasSource: false, hasSink: true, example: "version: 1" },
    ]);
    const files = generatedFiles(url);
    assert.match(files.get("registry.gen.ts")!, /"b-two": \(\) => import\("\.\/b-two\/connector\.ts"\),/);
    assert.match(files.get("b-two/example.gen.ts")!, /export default "version: 1";/);
    assert.match(
      files.get("implementations.gen.ts")!,
      /"b-two": \{\n {4}sink: \(\) => import\("\.\/b-two\/sink\.ts"\),\n {2}\},/,
    );
    assert.deepEqual(staleFiles(url), ["registry.gen.ts", "implementations.gen.ts", "b-two/example.gen.ts"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

async function write(path: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, "");
}
