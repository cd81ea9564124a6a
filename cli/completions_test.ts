import { loadDefinitions } from "../runtime/config/registry.ts";
import assert from "node:assert/strict";
import { Arguments } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { run } from "./completions.ts";
import { createOutput } from "./output.ts";

const definitions = await loadDefinitions();

async function script(shell: string): Promise<string> {
  let text = "";
  const stdout = { isTerminal: false, columns: () => 80, write: (part: string) => void (text += part) };
  await run(new Arguments([shell]), createOutput({ stdout, stderr: stdout }));
  return text;
}

function isInstalled(shell: string): boolean {
  try {
    return new Deno.Command(shell, { args: ["-c", ":"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false; // there is no such program
  }
}

/** What bash offers behind these words. */
async function offered(words: readonly string[], cwd?: string): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const program = `${await script("bash")}
COMP_WORDS=(rivven-connect ${quoted}); COMP_CWORD=${words.length}
_rivven_connect
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", { args: ["--norc", "-c", program], cwd })
    .output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line);
}

Deno.test({
  name: "bash completes commands, options, choices, connectors and files",
  ignore: !isInstalled("bash"),
  async fn() {
    assert.deepEqual(await offered(["va"]), ["validate"]);
    assert.deepEqual(await offered(["-c", "x.yaml", "pl"]), ["plan"]);
    assert.deepEqual(await offered(["check", "--ti"]), ["--timeout"]);
    assert.deepEqual(await offered(["run", "--log-level", "w"]), ["warn"]);
    assert.deepEqual(await offered(["spec", "datag"]), ["datagen"]);
    assert.deepEqual(await offered(["-v", "init", "--connector", "std"]), ["stdout"]);
    assert.deepEqual(await offered(["spec", "--category", "utility_d"]), ["utility_debug"]);
    assert.deepEqual(await offered(["completions", ""]), ["bash", "zsh", "fish"]);
    const cwd = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${cwd}/my orders.yaml`, "");
      assert.deepEqual(await offered(["run", "-c", "my"], cwd), ["my orders.yaml"]);
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  },
});

for (const shell of ["zsh", "fish"]) {
  Deno.test(`the script for ${shell} knows every command, option and connector`, async () => {
    const text = await script(shell);
    for (const { name, options, hidden, load } of COMMANDS) {
      if (hidden || !load) continue;
      assert.match(text, new RegExp(`\\b${name}\\b`));
      for (const option of options ?? []) assert.ok(text.includes(option.name), option.name);
    }
    for (const { type } of definitions) assert.ok(text.includes(type));
  });

  Deno.test({
    name: `${shell} can read its script`,
    ignore: !isInstalled(shell), // needs the shell itself
    async fn() {
      const child = new Deno.Command(shell, { args: ["-n"], stdin: "piped", stderr: "piped" }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(await script(shell)));
      await writer.close();
      const { code, stderr } = await child.output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    },
  });
}
