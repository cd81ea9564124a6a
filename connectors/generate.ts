/**
 * Writes the two lists of connectors from the folders beside this file: registry.gen.ts (what they are) and
 * implementations.gen.ts (what they do). Run by `deno task generate`; `--check` tells whether they are fresh.
 *
 * The lists are source code, because a compiled program holds only what literal imports reach. Definitions are
 * imported at once: they are light. Implementations are imported when a worker asks, so that each loads one client.
 */

/** A connector's folder, as the lists need it. */
export interface Folder {
  readonly name: string;
  readonly hasSource: boolean;
  readonly hasSink: boolean;
}

const HEADER = "// Written by `deno task generate` from the folders here: change those, not this file.\n";

/** Folders with a `connector.ts`, by name. Those that start with `_` are shared by connectors, not connectors. */
export function connectorFolders(root: URL): Folder[] {
  const folders: Folder[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    if (!isDirectory || name.startsWith("_")) continue;
    const has = (file: string) => existsFile(new URL(`${name}/${file}`, root));
    if (has("connector.ts")) folders.push({ name, hasSource: has("source.ts"), hasSink: has("sink.ts") });
  }
  return folders.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The text of registry.gen.ts. */
export function registryText(folders: readonly Folder[]): string {
  const imports = folders.map(({ name }) => `import ${identifier(name)} from "./${name}/connector.ts";\n`);
  return HEADER +
    'import type { ConnectorDefinition } from "./contract.ts";\n' +
    imports.join("") +
    "\n/** The definition of every connector of this build, by folder name. */\n" +
    list(
      "export const definitions: readonly ConnectorDefinition[] = ",
      "[",
      folders.map(({ name }) => identifier(name)),
      "];",
    );
}

/** The text of implementations.gen.ts. */
export function implementationsText(folders: readonly Folder[]): string {
  const entries = folders.map(({ name, hasSource, hasSink }) => {
    const roles = [
      ...(hasSource ? [`    source: () => import("./${name}/source.ts"),\n`] : []),
      ...(hasSink ? [`    sink: () => import("./${name}/sink.ts"),\n`] : []),
    ];
    return `  ${/^\w+$/.test(name) ? name : `"${name}"`}: {\n${roles.join("")}  },\n`;
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
  ]);
}

/** Names of the generated files under `root` that are missing or not what they should be. */
export function staleFiles(root: URL): string[] {
  return [...generatedFiles(root)].filter(([name, text]) => readText(new URL(name, root)) !== text).map((
    [name],
  ) => name);
}

/** `postgres-cdc` → `postgresCdc`. */
function identifier(folder: string): string {
  return folder.replace(/[-_.](\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** As `deno fmt` would have it: on one line where it fits. */
function list(before: string, open: string, items: readonly string[], close: string): string {
  const line = before + open + items.join(", ") + close;
  if (line.length <= 110) return line + "\n";
  return before + open + "\n" + items.map((item) => `  ${item},\n`).join("") + close + "\n";
}

function existsFile(url: URL): boolean {
  return readText(url) !== undefined;
}

function readText(url: URL): string | undefined {
  try {
    return Deno.readTextFileSync(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

if (import.meta.main) {
  const root = new URL("./", import.meta.url);
  const stale = staleFiles(root);
  if (Deno.args.includes("--check")) {
    for (const name of stale) console.error(`connectors/${name} is stale: run deno task generate`);
    Deno.exit(stale.length > 0 ? 1 : 0);
  }
  const files = generatedFiles(root);
  for (const name of stale) Deno.writeTextFileSync(new URL(name, root), files.get(name)!);
}
