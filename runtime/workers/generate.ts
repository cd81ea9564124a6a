/**
 * Writes the entry points of workers, one for each side of each connector, and all.gen.ts, which leads to them all.
 * Run by `deno task generate`; `--check` tells whether they are fresh.
 *
 * One entry point for everything would be simpler, but a worker reads and resolves at its start whatever its entry
 * point leads to, by imports that are never called, too: 27 ms of CPU for each worker where its own part takes 5.
 */
import { connectorFolders, type Folder, key, writeOrCheck } from "../../connectors/generate.ts";

const HEADER =
  "// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.\n";

interface Entry {
  readonly connector: string;
  readonly role: "source" | "sink";
  /** What it loads, seen from here. */
  readonly module: string;
}

function entriesOf(folders: readonly Folder[]): Entry[] {
  const entries = folders.flatMap(({ name: connector, hasSource, hasSink }): Entry[] => [
    ...(hasSource
      ? [{ connector, role: "source", module: `../../connectors/${connector}/source.ts` } as const]
      : []),
    ...(hasSink
      ? [{ connector, role: "sink", module: `../../connectors/${connector}/sink.ts` } as const]
      : []),
  ]);
  return [
    ...entries,
    { connector: "dead_letters", role: "source", module: "../dead_letters/dead_letter_source.ts" },
  ];
}

/** The name by which `workerUrl` in remote.ts finds it. */
function nameOf({ connector, role }: Entry): string {
  return `${connector}_${role}.gen.ts`;
}

/** Transforms run beside the source that feeds them: a sink's worker needs none. */
function entryText({ connector, role, module }: Entry): string {
  const isSource = role === "source";
  return HEADER +
    'import { serveWorker } from "../worker_host.ts";\n' +
    (isSource
      ? 'import { implementations as transforms } from "../../transforms/implementations.gen.ts";\n'
      : "") +
    "\nserveWorker({\n" +
    `  connectors: { ${key(connector)}: { ${role}: () => import("${module}") } },\n` +
    `  transforms${isSource ? "" : ": {}"},\n` +
    "});\n";
}

function allText(entries: readonly Entry[]): string {
  const names = [...entries.map(nameOf), "probe.ts"];
  return HEADER +
    "/** Never called: whoever has this module in his graph has every worker's. */\n" +
    "export const entries: readonly (() => Promise<unknown>)[] = [\n" +
    names.map((name) => `  () => import("./${name}"),\n`).join("") +
    "];\n";
}

/** File name → the text it should have, for the connectors under `connectors`. */
export function generatedFiles(connectors: URL): Map<string, string> {
  const entries = entriesOf(connectorFolders(connectors));
  return new Map([
    ["all.gen.ts", allText(entries)],
    ...entries.map((entry) => [nameOf(entry), entryText(entry)] as const),
  ]);
}

if (import.meta.main) {
  writeOrCheck(new URL("./", import.meta.url), generatedFiles(new URL("../../connectors/", import.meta.url)));
}
