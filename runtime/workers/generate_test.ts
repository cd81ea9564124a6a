import assert from "node:assert/strict";
import { staleOf } from "../../connectors/generate.ts";
import { implementations } from "../../connectors/implementations.gen.ts";
import { workerUrl } from "../remote.ts";
import { generatedFiles } from "./generate.ts";

const HERE = new URL("./", import.meta.url);
const CONNECTORS = new URL("../../connectors/", import.meta.url);

Deno.test("the entry points of workers are fresh", () => {
  assert.deepEqual(staleOf(HERE, generatedFiles(CONNECTORS)), [], "run deno task generate");
});

Deno.test("every side of every connector has an entry point where it is looked for, and all.gen.ts leads there", () => {
  const all = Deno.readTextFileSync(new URL("all.gen.ts", HERE));
  const sides = Object.entries(implementations).flatMap(([connector, sides]) =>
    Object.keys(sides).map((role) => [connector, role as "source" | "sink"] as const)
  );
  for (const [connector, role] of [...sides, ["dead_letters", "source"] as const]) {
    const url = workerUrl(connector, role);
    assert.match(Deno.readTextFileSync(url), new RegExp(`\\b${role}: \\(\\) => import\\(`), url.href);
    assert.ok(all.includes(`import("./${url.pathname.split("/").at(-1)}")`), url.href);
  }
});
