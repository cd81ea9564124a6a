import assert from "node:assert/strict";
import { generatedFiles, staleFiles, transformFolders } from "./generate.ts";
import { implementations } from "./implementations.gen.ts";
import { registry } from "./registry.gen.ts";

const HERE = new URL("./", import.meta.url);

Deno.test("the lists of transforms are fresh", () => {
  assert.deepEqual(staleFiles(HERE), [], "run deno task generate");
});

Deno.test("every transform is named like its folder, has code and an example, and shares its names with none", async () => {
  const names: string[] = [];
  for (const folder of transformFolders(HERE)) {
    const { default: definition } = await registry[folder]();
    assert.equal(definition.type, folder);
    assert.equal(typeof (await implementations[folder]()).openTransform, "function", folder);
    assert.ok(definition.example.length > 0, folder);
    names.push(definition.type, ...Object.keys(definition.aliases ?? {}));
  }
  assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
});

Deno.test("a folder is a transform once it has a definition.ts, unless it starts with _", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const path of ["b_two/definition.ts", "a1/definition.ts", "_shared/definition.ts", "c/other.ts"]) {
      await Deno.mkdir(`${root}/${path.split("/")[0]}`, { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, "");
    }
    await Deno.writeTextFile(`${root}/a1/example.yaml`, "given: []");
    const url = new URL(`file://${root}/`);
    assert.deepEqual(transformFolders(url), ["a1", "b_two"]);
    const files = generatedFiles(url);
    assert.match(files.get("registry.gen.ts")!, /a1: \(\) => import\("\.\/a1\/definition\.ts"\),\n {2}b_two/);
    assert.match(
      files.get("implementations.gen.ts")!,
      /b_two: \(\) => import\("\.\/b_two\/implementation\.ts"\),/,
    );
    assert.match(files.get("a1/example.gen.ts")!, /export default "given: \[\]";/);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
