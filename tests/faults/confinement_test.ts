import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FLAGS } from "../../cli/launch.ts";
import { ATTEMPTS, type Findings } from "./confinement_main.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Nothing may have succeeded but what was granted; the message tells whose fault it is. */
function assertConfined({ tried, connections, granted }: Findings): void {
  assert.deepEqual(tried.map(({ attempt }) => attempt), ATTEMPTS);
  for (const { attempt, code, message } of tried) {
    assert.notEqual(code, "none", `"${attempt}" brought no error`);
    assert.notEqual(code, "fatal_not_confined", `"${attempt}" succeeded`);
    assert.match(message, expectedFor(attempt), attempt);
  }
  assert.equal(connections, 0, "a forbidden request arrived at the server");
  assert.equal(granted, "fatal_not_confined", "a host that was granted could not be reached either");
}

function expectedFor(attempt: string): RegExp {
  // Compiled programs load .js and .json files of this machine as modules without asking for the right to read
  // (Deno 2.7 and 2.9). Everything else fails to parse; connectors must not import computed paths (house_test.ts).
  if (attempt === "import file:///etc/passwd") return /which its configuration does not name|SyntaxError/;
  if (attempt.startsWith("import npm:")) return /cache|Could not find constraint/;
  return /which its configuration does not name|not available to connectors|reads as unset|Module not found/;
}

Deno.test("a connector can't reach what its configuration does not name", async () => {
  const script = "tests/faults/confinement_main.ts";
  await run(Deno.execPath(), ["cache", script, "tests/faults/worker.ts"]);
  const { output, errors } = await run(Deno.execPath(), ["run", ...FLAGS, script]);
  assert.ok(output.startsWith("{"), errors);
  assertConfined(JSON.parse(output));
});

Deno.test("a connector in the compiled program can't either", async (t) => {
  const deno = Deno.env.get("DENO_COMPILE");
  if (!deno) {
    assert.ok(!Deno.env.get("REQUIRE_COMPILE"), "DENO_COMPILE names no deno that can compile");
    console.log(`${t.name}: skipped, because the variable DENO_COMPILE names no deno that can compile here`);
    return;
  }
  const dir = await Deno.makeTempDir();
  const program = join(dir, "confinement");
  try {
    const flags = FLAGS.filter((flag) => flag !== "--cached-only");
    const include = "--include=tests/faults/worker.ts";
    const script = "tests/faults/confinement_main.ts";
    const compiled = await run(deno, [
      "compile",
      "--no-check",
      ...flags,
      include,
      `--output=${program}`,
      script,
    ]);
    assert.ok(existsSync(program), `nothing was compiled: ${compiled.errors}`);
    const { output, errors } = await run(program, []);
    assert.ok(output.startsWith("{"), errors);
    assertConfined(JSON.parse(output));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

async function run(program: string, args: string[]): Promise<{ output: string; errors: string }> {
  const command = new Deno.Command(program, { args, cwd: ROOT, stdout: "piped", stderr: "piped" });
  const { stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { output: text.decode(stdout), errors: text.decode(stderr) };
}
