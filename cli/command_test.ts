import assert from "node:assert/strict";
import { type Command, GLOBAL_OPTIONS, parseCommandLine, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";

function parse(line: string) {
  return parseCommandLine(line.split(" ").filter((word) => word), COMMANDS);
}

function refusal(line: string): { message: string; hint?: string } {
  try {
    parse(line);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return { message: error.message, hint: error.hint };
  }
  assert.fail(`"${line}" was understood`);
}

Deno.test("without a verb the first command of the table runs", () => {
  const { command, named } = parse("-c orders.yaml");
  assert.equal(command.name, "run");
  assert.equal(named, false);
});

Deno.test("flags stand before the verb or after it", () => {
  for (
    const line of [
      "-v --config f.yaml check --source shop",
      "check --source shop --config f.yaml -v",
      "--source shop -c f.yaml -v check",
      "--config=f.yaml check -v --source=shop",
      "-vc f.yaml check --source shop",
    ]
  ) {
    const { command, args } = parse(line);
    assert.equal(command.name, "check", line);
    assert.equal(args.text("config"), "f.yaml", line);
    assert.equal(args.flag("verbose"), true, line);
    assert.deepEqual(args.list("source"), ["shop"], line);
  }
});

Deno.test("a flag's value is not taken for the verb", () => {
  const { command, args } = parse("-c run plan");
  assert.equal(command.name, "plan");
  assert.equal(args.text("config"), "run");
});

Deno.test("aliases of earlier versions lead to spec", () => {
  assert.equal(parse("schema datagen").command.name, "spec");
  assert.equal(parse("connectors").command.name, "spec");
});

Deno.test("--json is --format json, and refused where there is no JSON", () => {
  assert.equal(parse("spec --json").args.format("table"), "json");
  assert.equal(parse("--format json spec").args.format("table"), "json");
  assert.equal(parse("spec").args.format("table"), "table");
  assert.equal(refusal("init --json").message, '"init" has no JSON output');
});

Deno.test("durations are read as milliseconds, lists by commas and by repeating", () => {
  assert.equal(parse("check --timeout 5").args.number("timeout"), 5000);
  assert.equal(parse("check --timeout 250ms").args.number("timeout"), 250);
  assert.equal(parse("check --timeout 1.5m").args.number("timeout"), 90_000);
  assert.deepEqual(parse("init --connector a,b --connector c").args.list("connector"), ["a", "b", "c"]);
});

Deno.test("standard input and the end of options are told from flags", () => {
  assert.equal(parse("validate -c -").args.text("config"), "-");
  assert.deepEqual(parse("spec -- --odd").args.positionals, ["--odd"]);
});

Deno.test("what is wrong on the command line is named, with what was probably meant", () => {
  const cases: Record<string, [message: string, hint: string | undefined]> = {
    "rnu": ['There is no command "rnu"', 'Did you mean "run"?'],
    "disk": ['There is no command "disk"', "List the commands with: rivven-connect help"],
    "orders.yaml": ['"orders.yaml" is not a command', "To run that file: rivven-connect run -c orders.yaml"],
    "run orders.yaml": [
      '"run" can do nothing with "orders.yaml"',
      "A pipeline file is named by its flag: -c orders.yaml",
    ],
    "spec --serch kafka": ['"spec" has no option --serch', 'Did you mean "--search"?'],
    "run --limit 3": ['"run" has no option --limit', "It is an option of: preview, record"],
    "run --config": ["--config needs a value: --config PATH", undefined],
    "run -c --verbose": ["-c needs a value: -c PATH", undefined],
    "run --verbose=yes": ["--verbose takes no value", undefined],
    "preview --limit ten": ['--limit needs a whole number, not "ten"', undefined],
    "check --timeout soon": ['--timeout needs a duration, not "soon"', "Such as 500ms, 30s, 2m, 1h"],
    "run --log-level debgu": ['--log-level can\'t be "debgu"', 'Did you mean "debug"?'],
    "discover": ['"discover" needs a source', "Usage: rivven-connect discover <source> [options]"],
    "dlq": ['"dlq" needs an action', "Usage: rivven-connect dlq <action> [ids…] [options]"],
    "dlq lst": ['The action of "dlq" can\'t be "lst"', 'Did you mean "list"?'],
    "postgres --sink kafka": ['--sink can\'t be "kafka"', "One of: stdout, file, rivven"],
  };
  for (const [line, [message, hint]] of Object.entries(cases)) {
    assert.deepEqual(refusal(line), { message, hint }, line);
  }
});

Deno.test("the command table can be parsed without doubt and explains itself", () => {
  const types = new Map<string, string>();
  for (
    const { name, short, type } of [
      ...GLOBAL_OPTIONS,
      ...COMMANDS.flatMap(({ options }) => options ?? []),
    ]
  ) {
    for (const spelling of [`--${name}`, ...(short ? [`-${short}`] : [])]) {
      // The first pass reads all options at once, so a spelling means the same everywhere.
      const meaning = `${name} ${type}`;
      assert.equal(types.get(spelling) ?? meaning, meaning, spelling);
      types.set(spelling, meaning);
    }
  }
  const names = COMMANDS.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]);
  assert.equal(new Set(names).size, names.length);
  for (const { name, summary, description, examples, load, instead } of COMMANDS) {
    assert.ok(summary && description, name);
    assert.ok(load ? examples.length > 0 : instead, name);
  }
});

Deno.test("every example in help can be parsed", () => {
  for (const [line] of COMMANDS.flatMap(({ examples }) => examples as Command["examples"])) {
    const own = line.split(/\s*[|>]\s*/).find((part) => part.includes("rivven-connect"))!;
    const words = own.replace(/^.*<\(/, "").replace(/\).*$/, "").replace(/^.*?rivven-connect/, "");
    assert.doesNotThrow(() => parse(words), line);
  }
});
