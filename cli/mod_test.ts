/** The program as a user calls it: what it prints where, and its exit codes. */
import assert from "node:assert/strict";

const MAIN = new URL("../main.ts", import.meta.url).href;
const decoder = new TextDecoder();

/** Calls rivven-connect in a folder that holds these files. */
async function connect(
  args: readonly string[],
  options: { files?: Record<string, string>; env?: Record<string, string>; stdin?: string } = {},
) {
  const cwd = await Deno.makeTempDir({ prefix: "rivven-cli-" });
  try {
    for (const [name, text] of Object.entries(options.files ?? {})) {
      await Deno.writeTextFile(`${cwd}/${name}`, text);
    }
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, ...args],
      cwd,
      env: { NO_COLOR: "1", ...options.env },
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

const GOOD = `
sources:
  numbers: { connector: datagen, config: { pattern: sequence, max_events: 2, events_per_second: 0 } }
sinks:
  screen: { connector: stdout, config: { format: json, envelope: plain } }
pipelines:
  count: { source: numbers, sink: screen }
`;

const BAD = `
sources:
  numbers: { connector: datgen }
  more: { connector: datagen, config: { patern: orders, max_events: -1 } }
sinks:
  screen: { connector: stdout }
pipelines:
  count: { source: nmbers, sink: screen }
`;

const SECRET = "tr0ub4dor & 3";
const WITH_SECRET = `
sources:
  shop:
    connector: postgres-cdc
    config: { host: db.example, database: shop, user: repl, password: "\${PGPASSWORD}" }
sinks:
  screen: { connector: stdout }
pipelines:
  follow: { source: shop, sink: screen }
`;

Deno.test("a wrong command line ends with 2, a suggestion, and nothing on standard output", async () => {
  for (
    const [args, suggestion] of [
      [["vaildate"], /Did you mean "validate"\?/],
      [["plan", "--jsn"], /Did you mean "--json"\?/],
      [["status"], /not in this build yet/],
      [["postgres", "--sink", "rivven"], /--broker localhost:9092/],
      [["spec", "datagn"], /Did you mean "datagen"\?/],
      [["docs", "--write", "--check"], /One of/],
      [["completions", "tcsh"], /bash, zsh, fish/],
    ] as const
  ) {
    const { code, stdout, stderr } = await connect(args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "", args.join(" "));
    assert.match(stderr, suggestion);
    assert.doesNotMatch(stderr, /^ {4}at /m);
  }
});

Deno.test("without a file there is a way to one, and the default names are tried in turn", async () => {
  const none = await connect(["validate"]);
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /There is no connect\.yaml or rivven-connect\.yaml in .*\n {2}→ .*rivven-connect init > connect\.yaml/,
  );
  const second = await connect(["validate"], { files: { "rivven-connect.yaml": GOOD } });
  assert.match(second.stdout, /✓ rivven-connect\.yaml is valid/);
  const both = await connect(["validate"], { files: { "rivven-connect.yaml": BAD, "connect.yaml": GOOD } });
  assert.match(both.stdout, /✓ connect\.yaml is valid/);
  assert.equal((await connect(["validate", "-c", "missing.yaml"])).code, 2);
});

Deno.test("validate names every problem with its place and what to do, and ends with 2", async () => {
  const { code, stdout, stderr } = await connect(["validate", "-c", "bad.yaml"], {
    files: { "bad.yaml": BAD },
  });
  assert.equal(code, 2);
  assert.equal(stderr, "");
  assert.match(stdout, /^bad\.yaml:3:25: Unknown connector "datgen"\n {2}→ Did you mean "datagen"\?$/m);
  assert.match(stdout, /^bad\.yaml:4:41: Unknown key "patern"\n {2}→ Did you mean "pattern"\?$/m);
  assert.match(stdout, /^bad\.yaml:4:69: "max_events" /m);
  assert.match(stdout, /^bad\.yaml:8:20: There is no source "nmbers"/m);
  assert.match(stdout, /✗ bad\.yaml has 4 errors\n$/);
});

Deno.test("validate --json is for editors, wherever the flags stand", async () => {
  for (const args of [["validate", "--json", "-c", "bad.yaml"], ["--json", "-c", "bad.yaml", "validate"]]) {
    const { code, stdout } = await connect(args, { files: { "bad.yaml": BAD } });
    assert.equal(code, 2);
    const answer = JSON.parse(stdout);
    assert.deepEqual([answer.file, answer.valid, answer.errors, answer.warnings], ["bad.yaml", false, 4, 0]);
    const { message, severity, line, column, path } = answer.problems[0];
    assert.deepEqual(
      { message, severity, line, column, path },
      {
        message: 'Unknown connector "datgen"',
        severity: "error",
        line: 3,
        column: 25,
        path: "sources.numbers.connector",
      },
    );
  }
});

Deno.test("validate takes a file from a pipe, and what init writes is valid", async () => {
  const written = await connect(["init", "--connector", "file"]);
  assert.equal(written.code, 0, written.stderr);
  const { code, stdout } = await connect(["validate", "-c", "-"], { stdin: written.stdout });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /✓ <stdin> is valid\n {2}.* \(datagen\) → .* \(file\), exactly once/);
});

Deno.test("a variable that is not set is a warning to validate and an error to plan", async () => {
  const files = { "connect.yaml": WITH_SECRET };
  const env = { PGPASSWORD: "" };
  const validated = await connect(["validate"], { files, env: {} });
  assert.equal(validated.code, 0, validated.stdout);
  assert.match(validated.stdout, /connect\.yaml:5:\d+: warning: Variable PGPASSWORD is not set/);
  const planned = await connect(["plan"], { files });
  assert.equal(planned.code, 2);
  assert.match(planned.stderr, /connect\.yaml:5:\d+: Variable PGPASSWORD is not set/);
  assert.equal((await connect(["plan"], { files, env })).code, 0);
});

Deno.test("plan shows flows and exact rights, and no secret in text or JSON", async () => {
  const files = { "connect.yaml": WITH_SECRET };
  const env = { PGPASSWORD: SECRET };
  const text = await connect(["plan"], { files, env });
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^follow {2}shop postgres-cdc → screen stdout\n {2}guarantee +at least once: /m);
  assert.match(text.stdout, /^ {2}shop +source postgres-cdc +reach +db\.example:5432$/m);
  assert.match(text.stdout, /^ {2}screen \(follow\) +sink stdout +nothing$/m);
  assert.match(text.stdout, /^ {4}password: "\*\*\*"$/m);
  const json = await connect(["plan", "--json"], { files, env });
  const [source] = JSON.parse(json.stdout).sources;
  assert.equal(source.config.password, "***");
  assert.deepEqual(source.permissions, { net: ["db.example:5432"], read: [], write: [], env: [], sys: [] });
  assert.equal(source.flows[0].guarantee, "at_least_once");
  for (const { stdout, stderr } of [text, json]) assert.ok(!(stdout + stderr).includes(SECRET));
});

Deno.test("a secret that stands in a wrong place is in no message", async () => {
  const misplaced = WITH_SECRET.replace("database: shop", `database: [${JSON.stringify(SECRET)}]`)
    .replace("PGPASSWORD}", "PGPASSWORD:?}");
  const { stdout, stderr } = await connect(["validate"], {
    files: { "connect.yaml": misplaced },
    env: { PGPASSWORD: SECRET },
  });
  assert.match(stdout, /"database" must be/);
  assert.ok(!(stdout + stderr).includes(SECRET));
});

Deno.test("run is the default: records on standard output, everything else on standard error", async () => {
  const { code, stdout, stderr } = await connect(["--log-format", "json"], {
    files: { "connect.yaml": GOOD },
  });
  assert.equal(code, 0, stderr);
  const records = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(records.map(({ _sequence }) => _sequence), [0, 1]);
  for (const line of stderr.trimEnd().split("\n")) {
    assert.ok(JSON.parse(line).message ?? JSON.parse(line).msg, line);
  }
});

Deno.test("spec answers with a catalogue, a reference, JSON and JSON Schema", async () => {
  const list = await connect(["spec", "--category", "utility_generate"]);
  assert.match(list.stdout, /^Generated data utility_generate\n {2}datagen +source +/);
  const found = JSON.parse((await connect(["spec", "--search", "console", "--json"])).stdout);
  assert.deepEqual(found.map(({ type }: { type: string }) => type), ["stdout"]);
  const page = await connect(["spec", "datagen"]);
  assert.match(page.stdout, /^ {2}events_per_second +integer 0 to 100000 +10 +/m);
  const definition = JSON.parse((await connect(["schema", "datagen", "--format", "json"])).stdout);
  assert.equal(definition.type, "datagen");
  assert.equal(definition.source.mode, "singleton");
  assert.equal(definition.fields.find(({ path }: { path: string }) => path === "seed").required, false);
  const schema = JSON.parse((await connect(["spec", "datagen", "--json-schema"])).stdout);
  assert.equal(schema.properties.pattern.default, "random");
  const unknown = await connect(["spec", "--search", "no such thing"]);
  assert.deepEqual([unknown.code, unknown.stdout], [0, ""]);
});

Deno.test("help explains itself and every command, with exit code 0", async () => {
  const overview = await connect(["--help"]);
  assert.equal(overview.code, 0);
  for (const name of ["run", "validate", "plan", "check", "discover", "preview", "init", "spec", "status"]) {
    assert.match(overview.stdout, new RegExp(`^  ${name} `, "m"));
  }
  const [flag, verb] = [await connect(["plan", "-h"]), await connect(["help", "plan"])];
  assert.equal(flag.stdout, verb.stdout);
  assert.match(verb.stdout, /\nExamples\n.*\nExit codes\n/s);
});

Deno.test("--version says what runs", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  assert.match((await connect(["--version"])).stdout, new RegExp(`^rivven-connect ${version} \\(Deno `));
  assert.equal(JSON.parse((await connect(["--version", "--json"])).stdout).version, version);
});

Deno.test("a reader that stops early is no error", async () => {
  // `true` has ended long before anything is written.
  const command = `("${Deno.execPath()}" run -A ${MAIN} spec datagen; echo "exit $?" >&2) | true`;
  const { stderr } = await new Deno.Command("sh", { args: ["-c", command], stderr: "piped" }).output();
  assert.equal(decoder.decode(stderr), "exit 0\n");
});
