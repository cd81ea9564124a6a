/** The rules of the house that a compiler does not know: who may import whom, and what a worker loads. */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

interface Module {
  readonly specifier: string;
  readonly local?: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

async function graphOf(...entries: string[]): Promise<Module[]> {
  const modules = new Map<string, Module>();
  for (const entry of entries) {
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", entry],
      cwd: ROOT.pathname,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    for (const module of JSON.parse(new TextDecoder().decode(stdout)).modules as Module[]) {
      modules.set(module.specifier, module);
    }
  }
  return [...modules.values()];
}

function pathOf(specifier: string): string | undefined {
  return specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : undefined;
}

/** Left to right: a file imports from its own room and from rooms to the right of it. */
function mayImport(from: string, to: string): boolean {
  const room = (path: string) => path.includes("/") ? path.split("/")[0] : path;
  const [a, b] = [room(from), room(to)];
  const allowed: Record<string, readonly string[]> = {
    "main.ts": ["cli", "runtime", "connectors", "formats"],
    cli: ["cli", "runtime", "connectors", "transforms", "formats"],
    runtime: ["runtime", "connectors", "transforms", "formats"],
    connectors: ["connectors", "formats"],
    transforms: ["transforms", "formats"],
    formats: ["formats"],
  };
  if (to === "deno.json") return true;
  if (!allowed[a]?.includes(b)) return false;
  if (a !== b || !["connectors", "transforms"].includes(a)) return true;
  const [, folder, file] = from.split("/");
  const [, other, otherFile] = to.split("/");
  // Files beside the folders: the contract for everybody, generated lists for nobody in a folder.
  if (otherFile === undefined) return file === undefined || other === "contract.ts";
  return file === undefined || folder === other || other.startsWith("_");
}

Deno.test("imports go from left to right: main, cli, runtime, connectors, formats; connectors and transforms do not know each other", async () => {
  const wrong: string[] = [];
  for (const { specifier, dependencies } of await graphOf("main.ts", "runtime/workers/all.gen.ts")) {
    const from = pathOf(specifier);
    for (const { code, type } of from ? dependencies ?? [] : []) {
      const to = pathOf(code?.specifier ?? type?.specifier ?? "");
      if (to && !mayImport(from!, to)) wrong.push(`${from} imports ${to}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** What code imports, with the module that does: types are gone when it runs. `lazy`: also what it may import later. */
async function reachedFrom(entry: string, lazy: boolean): Promise<Map<string, string>> {
  const byName = new Map((await graphOf(entry)).map((module) => [module.specifier, module]));
  const reached = new Map<string, string>();
  const visit = (specifier: string, from: string) => {
    if (reached.has(specifier)) return;
    reached.set(specifier, from);
    for (const { code, isDynamic } of byName.get(specifier)?.dependencies ?? []) {
      if (code?.specifier && (lazy || !isDynamic)) visit(code.specifier, specifier);
    }
  };
  visit(new URL(entry, ROOT).href, "");
  return reached;
}

Deno.test("a run starts its self-test before it loads what reads pipeline files", async () => {
  for (const [specifier, from] of await reachedFrom("cli/run.ts", false)) {
    assert.doesNotMatch(specifier, /npm:\/?(zod|yaml)@/, `loaded by ${from}`);
  }
});

Deno.test("a worker loads neither zod nor a definition", async () => {
  const reached = await reachedFrom("runtime/workers/all.gen.ts", true);
  for (const [specifier, from] of reached) {
    assert.doesNotMatch(
      specifier,
      /zod@|\/(connector|definition)\.ts$|registry\.gen\.ts$/,
      `loaded by ${from}`,
    );
  }
  assert.ok(
    [...reached.keys()].some((specifier) => specifier.endsWith("/source.ts")),
    "no source is in the graph",
  );
});

Deno.test("nothing that runs in a worker imports a path that it computes", async () => {
  const computed: string[] = [];
  for (const { specifier } of await graphOf("runtime/workers/all.gen.ts")) {
    const path = pathOf(specifier);
    // The self-test tries to, to see that it can't.
    if (!path?.endsWith(".ts") || path === "runtime/confinement.ts") continue;
    const text = await Deno.readTextFile(new URL(path, ROOT));
    for (const [call, argument] of text.matchAll(/[^\w.`"]import\(\s*([^)]*)\)/g)) {
      if (!/^"[^"]+"(,|$)/.test(argument.trim())) computed.push(`${path}: ${call.trim()}`);
    }
  }
  assert.deepEqual(computed, []);
});

Deno.test("no file of the program grows past what a reader can hold", async () => {
  const long: string[] = [];
  for (const { specifier } of await graphOf("main.ts", "runtime/workers/all.gen.ts")) {
    const path = pathOf(specifier);
    if (!path?.endsWith(".ts") || path.endsWith(".gen.ts")) continue;
    const lines = (await Deno.readTextFile(new URL(path, ROOT))).split("\n").length;
    if (lines > 700) long.push(`${path}: ${lines} lines`);
  }
  assert.deepEqual(long, []);
});

Deno.test("texts and code name no machine's paths and no registry's hosts", async () => {
  const { stdout } = await new Deno.Command("git", { args: ["ls-files"], cwd: ROOT.pathname }).output();
  const found: string[] = [];
  for (const path of new TextDecoder().decode(stdout).split("\n").filter(Boolean)) {
    if (path === "deno.lock" || path === "tests/house_test.ts" || path === ".ci/run") continue;
    const text = await Deno.readTextFile(new URL(path, ROOT)).catch(() => "");
    for (const [match] of text.matchAll(/\/work\/|\/root\/|registry\.npmjs\.org|\.\.\/shared/g)) {
      found.push(`${path}: ${match}`);
    }
  }
  assert.deepEqual(found, []);
});
