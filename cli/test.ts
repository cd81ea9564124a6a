/** `rivven-connect test`: runs files of tests, and shows what differs from what they expect. */
import { basename, dirname, join, resolve } from "node:path";
import { Document, parseDocument } from "yaml";
import { ConnectorError, reportError } from "../formats/data/errors.ts";
import { readConfig } from "../runtime/config/config.ts";
import { makePlan, type Plan } from "../runtime/plan.ts";
import { type PipelineTest, readTests } from "../runtime/chain/tests_of_file.ts";
import { runThrough } from "../runtime/chain/transform_case.ts";
import { loadTransforms } from "../runtime/config/transform_registry.ts";
import { differences, type Outcome } from "../transforms/_testing/compare.ts";
import { writtenOf } from "../transforms/_testing/notation.ts";
import { type Arguments, EXIT } from "./command.ts";
import { countProblems, definitionsFor, readPipelineText, sayProblems, transformsFor } from "./load.ts";
import type { Output } from "./output.ts";

const TEST_FILE = /\.test\.ya?ml$/;
/** Folders that hold what others wrote. */
const LEFT_OUT = ["node_modules", ".git"];

interface Result {
  readonly file: string;
  readonly name: string;
  readonly line: number;
  readonly passed: boolean;
  /** What came out is what is expected from now on. */
  readonly updated: boolean;
  readonly differences: readonly string[];
}

export async function run(args: Arguments, output: Output): Promise<number> {
  const files = testFiles(args.positionals.length > 0 ? args.positionals : ["."]);
  const wanted = args.text("filter");
  const results: Result[] = [];
  let unreadable = 0;
  for (const file of files) {
    const tests = await testsOf(file, args, output);
    if (!tests) unreadable++;
    const updates = new Map<PipelineTest, Outcome>();
    for (const test of tests?.filter(({ name }) => wanted === undefined || name.includes(wanted)) ?? []) {
      const { found, outcome } = await runTest(test);
      const updated = args.flag("update") && found.length > 0 && outcome !== undefined;
      if (updated) updates.set(test, outcome);
      const result = {
        file,
        name: test.name,
        line: test.line,
        passed: found.length === 0,
        updated,
        differences: found,
      };
      results.push(result);
      if (!output.json) show(result, test, output);
    }
    if (updates.size > 0) update(file, updates, output);
  }
  const passed = results.filter(({ passed }) => passed).length;
  const updated = results.filter(({ updated }) => updated).length;
  const failed = results.length - passed - updated;
  if (output.json) output.printJson({ passed, failed, updated, unreadable, tests: results });
  else if (results.length > 0) {
    output.print(`\n${passed} passed, ${failed} failed${updated > 0 ? `, ${updated} updated` : ""}`);
  }
  if (unreadable > 0) return EXIT.usage;
  if (results.length === 0) {
    throw new ConnectorError(
      wanted === undefined ? "There are no tests" : `No test has "${wanted}" in its name`,
      {
        code: "config_no_tests",
        hint: "Tests stand in files called *.test.yaml; `rivven-connect record` writes the records for one",
      },
    );
  }
  return failed > 0 ? EXIT.failed : EXIT.ok;
}

/** Files as named, and those called *.test.yaml in folders. */
function testFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    let isFolder: boolean;
    try {
      isFolder = Deno.statSync(path).isDirectory;
    } catch {
      throw new ConnectorError(`There is no file or folder "${path}"`, { code: "config_file" });
    }
    return isFolder ? testFilesBelow(path).sort() : [path];
  });
}

function testFilesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory, isFile }) => {
    const path = folder === "." ? name : join(folder, name);
    if (isDirectory) return LEFT_OUT.includes(name) ? [] : testFilesBelow(path);
    return isFile && TEST_FILE.test(name) ? [path] : [];
  });
}

/** The tests of a file; undefined where it, or the pipeline file it is about, has an error, which is then shown. */
async function testsOf(
  file: string,
  args: Arguments,
  output: Output,
): Promise<readonly PipelineTest[] | undefined> {
  const folder = dirname(file);
  let failed = false;
  const planOf = async (path: string | undefined, variables: Readonly<Record<string, string>>) => {
    const plan = await loadTested(
      path === undefined ? undefined : join(folder, path),
      variables,
      args,
      output,
    );
    failed ||= plan === undefined;
    return plan;
  };
  const { tests, problems } = await readTests(Deno.readTextFileSync(file), {
    file,
    definitions: await loadTransforms(),
    env: (name) => Deno.env.get(name),
    readFile: (path) => Deno.readTextFileSync(path),
    readBeside: (path) => Deno.readTextFileSync(resolve(folder, path)),
    planOf,
  });
  sayProblems(problems, output);
  return failed || problems.some(({ severity }) => severity === "error") ? undefined : tests;
}

/** The plan of a pipeline file, with the variables that a file of tests gives. */
async function loadTested(
  path: string | undefined,
  variables: Readonly<Record<string, string>>,
  args: Arguments,
  output: Output,
): Promise<Plan | undefined> {
  const text = path === undefined
    ? await readPipelineText(args)
    : { file: path, text: Deno.readTextFileSync(path) };
  const definitions = await definitionsFor(text);
  const { config, problems, secrets } = readConfig(text.text, {
    file: text.file,
    definitions,
    transforms: await transformsFor(text),
    unsetVariables: "error",
    env: (name) => variables[name] ?? Deno.env.get(name),
    readFile: (path) => Deno.readTextFileSync(path),
  });
  output.addSecrets(secrets);
  const planned = config && makePlan(config, definitions);
  const all = [...problems, ...planned?.problems ?? []];
  sayProblems(all.filter(({ severity }) => severity === "error"), output);
  if (!planned?.plan) {
    output.warn(
      `${text.file} has ${countProblems(all)}; variables: of the test file can fill in what it needs`,
    );
  }
  return planned?.plan;
}

async function runTest(test: PipelineTest): Promise<{ found: readonly string[]; outcome?: Outcome }> {
  const { steps, given, expect, rejected, origin, routing } = test;
  try {
    const outcome = await runThrough(steps, given, origin, routing);
    return { found: differences(outcome, { records: expect, rejected, given }), outcome };
  } catch (error) {
    const { message, hint } = reportError(error);
    return { found: [hint ? `${message} (${hint})` : message] };
  }
}

function show(
  { file, name, line, passed, updated, differences }: Result,
  { given }: PipelineTest,
  output: Output,
): void {
  const { style } = output;
  const where = style.dim(`${file}:${line}`);
  const sign = passed ? style.green("✓") : updated ? style.yellow("~") : style.red("✗");
  output.print(`${sign} ${name}  ${where}`);
  for (const difference of differences) output.print(`    ${difference}`);
  if (!passed && given.length === 0) output.print("    no records were given");
}

/** Writes what came out into the file as what is expected; everything else in it stays as it is. */
function update(file: string, outcomes: ReadonlyMap<PipelineTest, Outcome>, output: Output): void {
  const document: Document = parseDocument(Deno.readTextFileSync(file), { intAsBigInt: true });
  for (const [{ path, given }, { records, rejected }] of outcomes) {
    document.setIn([...path, "expect"], document.createNode(records.map(writtenOf)));
    const refused = rejected.map(({ order, code }) => ({
      index: given.findIndex((one) => one.order === order),
      code,
    }));
    if (refused.length > 0) document.setIn([...path, "rejected"], document.createNode(refused));
    else document.deleteIn([...path, "rejected"]);
  }
  Deno.writeTextFileSync(file, document.toString({ lineWidth: 110 }));
  const count = outcomes.size === 1 ? "one test" : `${outcomes.size} tests`;
  output.say(`Wrote what came out into ${basename(file)}: ${count}`);
}
