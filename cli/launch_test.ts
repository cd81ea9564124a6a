/** The program started as users start it: from a checkout, from elsewhere, from a web server, on a terminal. */
import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";

const ROOT = new URL("../", import.meta.url);
const MAIN = new URL("main.ts", ROOT);
const decoder = new TextDecoder();
const hasScript = isInstalled("script");

/** A pipeline file in a folder of its own, ended with the test. */
function pipelineFolder(options: { maxEvents: number; perSecond?: number; files?: Record<string, string> }) {
  const path = Deno.makeTempDirSync({ prefix: "rivven-launch-" });
  const text = `
settings: { state_dir: "${path}/state" }
sources:
  numbers:
    connector: datagen
    config: { pattern: sequence, max_events: ${options.maxEvents}, events_per_second: ${
    options.perSecond ?? 0
  } }
sinks:
  screen: { connector: stdout, config: { format: json, envelope: plain } }
pipelines:
  count: { source: numbers, sink: screen }
`;
  Deno.writeTextFileSync(`${path}/connect.yaml`, text);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    Deno.writeTextFileSync(`${path}/${name}`, content);
  }
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function start(args: readonly string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).spawn();
}

async function finish(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line);
}

Deno.test("the program gives itself the flags it needs, from any working directory", async () => {
  using folder = pipelineFolder({ maxEvents: 3 });
  const { code, stdout, stderr } = await finish(start(["-A", MAIN.href, "run"], { cwd: folder.path }));
  assert.equal(code, 0, stderr);
  assert.equal(lines(stdout).length, 3);
  assert.equal(JSON.parse(lines(stdout)[2])._sequence, 2);
});

Deno.test("the program takes the place of the process that was started", async () => {
  using folder = pipelineFolder({ maxEvents: 0, perSecond: 100 });
  const child = start(["-A", MAIN.href, "run"], { cwd: folder.path });
  const output = finish(child);
  await until(() => existsPath(`${folder.path}/state/state.db`));
  // What kill -9 must stop is the runtime itself, not a parent that leaves it behind.
  if (Deno.build.os === "linux") {
    const children = Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`).trim();
    assert.equal(children, "");
    assert.match(Deno.readTextFileSync(`/proc/${child.pid}/cmdline`), /--cached-only/);
  }
  child.kill("SIGTERM");
  const { code, stderr } = await output;
  assert.equal(code, 0, stderr);
});

Deno.test("a process without rights says how to start it", async () => {
  using folder = pipelineFolder({ maxEvents: 1 });
  const { code, stderr } = await finish(
    start(["--no-prompt", "--allow-read", "--allow-env", MAIN.href, "run"], { cwd: folder.path }),
  );
  assert.equal(code, 3, stderr);
  assert.match(stderr, /→ Start it as: deno run -A /);
});

Deno.test("help and version need no rights at all", async () => {
  for (const args of [["help", "run"], ["--version"], ["spec", "--help"]]) {
    const { code, stdout, stderr } = await finish(start(["--no-prompt", MAIN.href, ...args]));
    assert.equal(code, 0, stderr);
    assert.notEqual(stdout, "");
  }
});

Deno.test("a right that a command lacks is explained, not dumped", async () => {
  const { code, stderr } = await finish(start(["--no-prompt", MAIN.href, "validate"]));
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^error: .*\n {2}→ Start it as: deno run -A /s);
  assert.doesNotMatch(stderr, / at /);
});

Deno.test("started from a web server with an empty cache, as from JSR, workers find what they need", async () => {
  using folder = pipelineFolder({ maxEvents: 3 });
  const cache = Deno.makeTempDirSync({ prefix: "rivven-deno-dir-" });
  await using server = serveCheckout();
  try {
    const { code, stdout, stderr } = await finish(
      start(["-A", `${server.url}/main.ts`, "run"], { cwd: folder.path, env: { DENO_DIR: cache } }),
    );
    assert.equal(code, 0, stderr);
    assert.equal(lines(stdout).length, 3);
  } finally {
    Deno.removeSync(cache, { recursive: true });
  }
});

Deno.test("where no process can be replaced, a child's exit code and signals are passed on", async (t) => {
  using folder = pipelineFolder({
    maxEvents: 1,
    files: {
      "parent.ts": `import { runChild } from "${new URL("launch.ts", import.meta.url)}";
        Deno.exit(await runChild([Deno.execPath(), "run", "-A", new URL("child.ts", import.meta.url).href]));`,
      // Ends with 10 more than the number of signals that came within half a second of the first.
      "child.ts": `let count = 0;
        const wait = setTimeout(() => Deno.exit(9), 15_000);
        for (const signal of ["SIGINT", "SIGTERM"]) Deno.addSignalListener(signal, () => {
          if (count++ === 0) { clearTimeout(wait); setTimeout(() => Deno.exit(10 + count), 500); }
        });
        console.log("listening");`,
    },
  });
  const parent = `${folder.path}/parent.ts`;

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await t.step(`${signal} to the parent reaches the child once`, async () => {
      const child = start(["-A", parent], { stderr: "null" });
      const output = collect(child.stdout);
      await until(() => output.text.includes("listening"));
      child.kill(signal);
      assert.equal((await child.status).code, 11);
      await output.end;
    });
  }
  await t.step({
    name: "Ctrl-C on a terminal, which the child gets itself, is not delivered twice",
    ignore: !hasScript, // util-linux's script(1) makes the terminal
    async fn() {
      const { code } = await onTerminal(["run", "-A", parent], async (terminal) => {
        await terminal.until("listening");
        await terminal.type("\x03");
      });
      assert.equal(code, 11);
    },
  });
});

Deno.test({
  name: "one Ctrl-C on a terminal drains the program",
  ignore: !hasScript, // util-linux's script(1) makes the terminal
  async fn() {
    using folder = pipelineFolder({ maxEvents: 0, perSecond: 100 });
    const config = `${folder.path}/connect.yaml`;
    const { code, text } = await onTerminal(["run", "-A", MAIN.href, "-c", config], async (terminal) => {
      await terminal.until("_sequence");
      await terminal.type("\x03");
    });
    assert.equal(code, 0, text);
    assert.match(text, /[Dd]rain/);
  },
});

Deno.test({
  name: "colours are for terminals, and NO_COLOR and --no-color take them away",
  ignore: !hasScript, // util-linux's script(1) makes the terminal
  async fn() {
    const coloured = (text: string) => text.includes("\x1b[");
    const help = ["run", "-A", MAIN.href, "help"];
    assert.ok(coloured((await onTerminal(help)).text));
    assert.ok(!coloured((await onTerminal([...help, "--no-color"])).text));
    assert.ok(!coloured((await onTerminal(help, undefined, { NO_COLOR: "1" })).text));
    assert.ok(!coloured((await finish(start(help.slice(1)))).stdout));
  },
});

Deno.test({
  name: "tables fit the terminal",
  ignore: !hasScript, // util-linux's script(1) makes the terminal
  async fn() {
    for (const columns of [80, 120]) {
      const { text } = await onTerminal(["run", "-A", MAIN.href, "spec", "datagen"], undefined, {}, columns);
      const table = text.split("\r\n").map(stripVTControlCharacters);
      const example = table.findIndex((line) => line.startsWith("A complete pipeline file"));
      assert.ok(example > 20);
      const widest = Math.max(...table.slice(0, example).map((line) => line.length));
      assert.ok(widest <= columns, `${widest} columns`);
    }
  },
});

interface Terminal {
  /** Resolves when the text has appeared. */
  until(text: string): Promise<void>;
  type(text: string): Promise<void>;
}

/** Runs Deno on a terminal of its own, and someone who reads and types there. */
async function onTerminal(
  args: readonly string[],
  user?: (terminal: Terminal) => Promise<void>,
  env: Record<string, string> = {},
  columns = 100,
): Promise<{ code: number; text: string }> {
  const command = [Deno.execPath(), ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qec", `stty cols ${columns}; exec ${command}`, "/dev/null"],
    // The tests may run without colours themselves.
    env: { NO_COLOR: "", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = collect(child.stdout);
  const keyboard = child.stdin.getWriter();
  await user?.({
    until: (wanted) => until(() => output.text.includes(wanted)),
    type: (keys) => keyboard.write(new TextEncoder().encode(keys)),
  });
  const { code } = await child.status;
  await keyboard.close().catch(() => {}); // the terminal is gone
  await output.end;
  return { code, text: output.text };
}

/** The text that has come so far, and a promise of the end. */
function collect(stream: ReadableStream<Uint8Array>): { text: string; end: Promise<void> } {
  const collected = { text: "", end: Promise.resolve() };
  collected.end = (async () => {
    for await (const chunk of stream) collected.text += decoder.decode(chunk, { stream: true });
  })();
  return collected;
}

/** Serves the checkout as `deno publish` would upload it: names of the import map are written out. */
function serveCheckout() {
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))) as {
    imports: Record<string, string>;
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    const text = await Deno.readTextFile(new URL(path, ROOT));
    const type = path.endsWith(".ts")
      ? "application/typescript"
      : path.endsWith(".json")
      ? "application/json"
      : "text/plain";
    const published = path.endsWith(".ts")
      ? text.replaceAll(
        /(from |import\()"([\w-]+)"/g,
        (all, before, name) => name in imports ? `${before}"${imports[name]}"` : all,
      )
      : text;
    return new Response(published, { headers: { "content-type": type } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function isInstalled(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false; // there is no such program
  }
}

function existsPath(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 2400, "it did not happen within two minutes");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
