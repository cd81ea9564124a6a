/**
 * Writes the two lists of transforms from the folders beside this file, registry.gen.ts (what they are, for the main
 * thread) and implementations.gen.ts (what they do, for workers), and each example.yaml as a module. Run by
 * `deno task generate`; `--check` tells whether they are fresh. Everything in the lists loads when it is asked for.
 */
import { exampleText, key, readText, staleOf, writeOrCheck } from "../connectors/generate.ts";

const HEADER = "// Written by `deno task generate` from the folders here: change those, not this file.\n";

/** Folders with a `definition.ts`, by name. Those that start with `_` are shared by transforms, not transforms. */
export function transformFolders(root: URL): string[] {
  return [...Deno.readDirSync(root)]
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("_"))
    .map(({ name }) => name)
    .filter((name) => readText(new URL(`${name}/definition.ts`, root)) !== undefined)
    .sort();
}

/** File name → the text it should have, for the transforms under `root`. */
export function generatedFiles(root: URL): Map<string, string> {
  const folders = transformFolders(root);
  const list = (file: string) => {
    const entries = folders.map((name) => `  ${key(name)}: () => import("./${name}/${file}"),\n`);
    return `{${entries.length > 0 ? "\n" : ""}${entries.join("")}};\n`;
  };
  const files = new Map([
    [
      "registry.gen.ts",
      HEADER + 'import type { TransformDefinition } from "./contract.ts";\n\n' +
      "interface Module {\n  readonly default: TransformDefinition;\n}\n\n" +
      "/** The definition of every transform of this build, by type; each loads when it is called. */\n" +
      "export const registry: Readonly<Record<string, () => Promise<Module>>> = " + list("definition.ts"),
    ],
    [
      "implementations.gen.ts",
      HEADER + 'import type { TransformModule } from "./contract.ts";\n\n' +
      "/** The code of every transform of this build, by type; each loads when it is called. For workers. */\n" +
      "export const implementations: Readonly<Record<string, () => Promise<TransformModule>>> = " +
      list("implementation.ts"),
    ],
  ]);
  for (const name of folders) {
    const example = readText(new URL(`${name}/example.yaml`, root));
    if (example !== undefined) files.set(`${name}/example.gen.ts`, exampleText(example));
  }
  return files;
}

/** Names of the generated files under `root` that are missing or not what they should be. */
export function staleFiles(root: URL): string[] {
  return staleOf(root, generatedFiles(root));
}

if (import.meta.main) {
  const root = new URL("./", import.meta.url);
  writeOrCheck(root, generatedFiles(root));
}
