/**
 * Writes the two lists of connectors from the folders beside this file, registry.gen.ts (what they are) and
 * implementations.gen.ts (what they do), and each example.yaml as a module, because imports of texts would let
 * compiled programs read every file. Run by `deno task generate`; `--check` tells whether they are fresh.
 *
 * The lists are source code, because a compiled program holds only what literal imports reach. Everything in them
 * loads when it is asked for, so that a start costs the same with three connectors and with three hundred.
 */

/** A connector's folder, as the lists need it. */
export interface Folder {
  readonly name: string;
  readonly hasSource: boolean;
  readonly hasSink: boolean;
  /** The text of its example.yaml. */
  readonly example: string | undefined;
}

const HEADER = "// Written by `deno task generate` from the folders here: change those, not this file.\n";

/** Folders with a `connector.ts`, by name. Those that start with `_` are shared by connectors, not connectors. */
export function connectorFolders(root: URL): Folder[] {
  const folders: Folder[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    if (!isDirectory || name.startsWith("_")) continue;
    const has = (file: string) => existsFile(new URL(`${name}/${file}`, root));
    if (!has("connector.ts")) continue;
    const example = readText(new URL(`${name}/example.yaml`, root));
    folders.push({ name, hasSource: has("source.ts"), hasSink: has("sink.ts"), example });
  }
  return folders.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The text of registry.gen.ts. */
export function registryText(folders: readonly Folder[]): string {
  const entries = folders.map(({ name }) => `  ${key(name)}: () => import("./${name}/connector.ts"),\n`);
  return HEADER +
    'import type { ConnectorDefinition } from "./contract.ts";\n\n' +
    "interface Module {\n  readonly default: ConnectorDefinition;\n}\n\n" +
    "/** The definition of every connector of this build, by type; each loads when it is called. */\n" +
    "export const registry: Readonly<Record<string, () => Promise<Module>>> = {" +
    (entries.length > 0 ? "\n" + entries.join("") : "") +
    "};\n";
}

/** The text of a folder's example.gen.ts. */
export function exampleText(example: string): string {
  return "// Written by `deno task generate` from example.yaml: change that, not this file.\n" +
    `export default ${JSON.stringify(example)};\n`;
}

/** The text of implementations.gen.ts. */
export function implementationsText(folders: readonly Folder[]): string {
  const entries = folders.map(({ name, hasSource, hasSink }) => {
    const roles = [
      ...(hasSource ? [`    source: () => import("./${name}/source.ts"),\n`] : []),
      ...(hasSink ? [`    sink: () => import("./${name}/sink.ts"),\n`] : []),
    ];
    return `  ${key(name)}: {\n${roles.join("")}  },\n`;
  });
  return HEADER +
    'import type { SinkModule, SourceModule } from "./contract.ts";\n\n' +
    "interface Implementation {\n" +
    "  readonly source?: () => Promise<SourceModule>;\n" +
    "  readonly sink?: () => Promise<SinkModule>;\n" +
    "}\n\n" +
    "/** The code of every connector of this build, by type; each loads when it is called. For workers. */\n" +
    "export const implementations: Readonly<Record<string, Implementation>> = {" +
    (entries.length > 0 ? "\n" + entries.join("") : "") +
    "};\n";
}

/** File name → the text it should have, for the connectors under `root`. */
export function generatedFiles(root: URL): Map<string, string> {
  const folders = connectorFolders(root);
  return new Map([
    ["registry.gen.ts", registryText(folders)],
    ["implementations.gen.ts", implementationsText(folders)],
    ...folders.flatMap(({ name, example }) =>
      example === undefined ? [] : [[`${name}/example.gen.ts`, exampleText(example)] as const]
    ),
  ]);
}

/** Names of the generated files under `root` that are missing or not what they should be. */
export function staleFiles(root: URL): string[] {
  return staleOf(root, generatedFiles(root));
}

/** The names of those `files` under `root` that are missing or have another text. */
export function staleOf(root: URL, files: ReadonlyMap<string, string>): string[] {
  return [...files].filter(([name, text]) => readText(new URL(name, root)) !== text).map(([name]) => name);
}

/** A type as the key of an object. */
export function key(name: string): string {
  return /^\w+$/.test(name) ? name : `"${name}"`;
}

function existsFile(url: URL): boolean {
  return readText(url) !== undefined;
}

/** The text of a file, or undefined where there is none. */
export function readText(url: URL): string | undefined {
  try {
    return Deno.readTextFileSync(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What both generators do as programs: write what is stale under `root`, or with `--check` name it and exit with 1. */
export function writeOrCheck(root: URL, files: ReadonlyMap<string, string>): void {
  const folder = root.pathname.split("/").at(-2);
  const stale = staleOf(root, files);
  if (Deno.args.includes("--check")) {
    for (const name of stale) console.error(`${folder}/${name} is stale: run deno task generate`);
    Deno.exit(stale.length > 0 ? 1 : 0);
  }
  for (const name of stale) Deno.writeTextFileSync(new URL(name, root), files.get(name)!);
}

if (import.meta.main) {
  const root = new URL("./", import.meta.url);
  writeOrCheck(root, generatedFiles(root));
}
