/**
 * Files of tests of transforms and pipelines: YAML → tests with the chain that each of them is about. `rivven-connect
 * test` runs them. Pure: files and pipeline files are handed in.
 */
import { parse } from "yaml";
import type { Origin } from "../../formats/data/batch.ts";
import { forFlow, type PlannedStep } from "./chain_plan.ts";
import type { Plan } from "../plan.ts";
import { inOrder, type Path, type Problem, type Report, reporter } from "../config/problem.ts";
import { didYouMean } from "../config/suggest.ts";
import type { TopicRouting } from "../topic_routing.ts";
import { readRecords, type TransformCase } from "./transform_case.ts";
import { TransformReader, type TransformReaderOptions } from "../config/transform_config.ts";
import type { VariableSources } from "../config/variables.ts";
import { isMap, YamlDocument } from "../config/yaml_document.ts";

/** One test: records, what they go through, what is expected of them. */
export interface PipelineTest extends TransformCase {
  /** As written; a test that stands alone in its file has the file's name. */
  readonly name: string;
  readonly line: number;
  /** Where it stands in the file's tree. */
  readonly path: Path;
  /** Whose records these are, where a pipeline file says it. */
  readonly origin?: Origin;
  /** How the pipeline's source decides on topics. */
  readonly routing?: TopicRouting;
}

export interface ReadTestsOptions extends VariableSources, Pick<TransformReaderOptions, "definitions"> {
  readonly file: string;
  /** A file named in this one, as text. @throws when it can't be read */
  readonly readBeside: (path: string) => string;
  /**
   * The plan of the pipeline file that this one is about; undefined names the default one. Problems of that file are
   * its own to print.
   */
  readonly planOf: (
    path: string | undefined,
    variables: Readonly<Record<string, string>>,
  ) => Promise<Plan | undefined>;
}

/** Keys of a test. */
const TEST_KEYS = [
  "name",
  "flow",
  "transforms",
  "columns",
  "given",
  "recorded",
  "expect",
  "rejected",
] as const;
/** Keys of a file beside those of a test that stands alone in it. */
const FILE_KEYS = ["pipeline", "variables", "predicates", "tests"] as const;

/** Reads a file of tests; problems of the file are found all at once. */
export async function readTests(
  text: string,
  options: ReadTestsOptions,
): Promise<{ readonly tests: readonly PipelineTest[]; readonly problems: readonly Problem[] }> {
  const document = new YamlDocument(options.file, text, options);
  const problems: Problem[] = [...document.problems];
  const report = reporter(problems, (path, onKey) => document.place(path, onKey));
  const tests: PipelineTest[] = [];
  if (isMap(document.value)) {
    // Once more, since records are data, in which nothing is filled in and integers keep all digits.
    const raw = parse(text, { intAsBigInt: true }) as Record<string, unknown>;
    await new TestReader(document, raw, options, report).read(tests);
  } else if (problems.length === 0) {
    report({ path: [], message: "A file of tests is a map", hint: `Its keys are ${allKeys().join(", ")}` });
  }
  return { tests, problems: inOrder(problems) };
}

function allKeys(): string[] {
  return [...FILE_KEYS, ...TEST_KEYS];
}

class TestReader {
  readonly #document: YamlDocument;
  readonly #raw: Record<string, unknown>;
  readonly #options: ReadTestsOptions;
  readonly #report: Report;
  readonly #transforms: TransformReader;
  #plan: Promise<Plan | undefined> | undefined;

  constructor(
    document: YamlDocument,
    raw: Record<string, unknown>,
    options: ReadTestsOptions,
    report: Report,
  ) {
    this.#document = document;
    this.#raw = raw;
    this.#options = options;
    this.#report = report;
    this.#transforms = new TransformReader(document, {
      definitions: options.definitions,
      allowUnknownKeys: false,
      env: options.env,
      readFile: options.readFile,
      secrets: new Set(),
      report,
    });
  }

  async read(tests: PipelineTest[]): Promise<void> {
    const { tests: list, ...rest } = this.#raw;
    this.#checkKeys(
      this.#raw,
      [],
      list === undefined ? allKeys() : [...FILE_KEYS, "flow", "transforms", "columns"],
    );
    if (list === undefined) {
      const alone = await this.#test(rest, []);
      if (alone) tests.push(alone);
      return;
    }
    if (!Array.isArray(list)) return this.#report({ path: ["tests"], message: '"tests" must be a list' });
    for (const [i, one] of list.entries()) {
      const path = ["tests", i];
      if (!isMap(one)) {
        this.#report({ path, message: "A test is a map", hint: `Its keys are ${TEST_KEYS.join(", ")}` });
        continue;
      }
      this.#checkKeys(one, path, TEST_KEYS);
      const test = await this.#test(one, path);
      if (test) tests.push(test);
    }
  }

  #checkKeys(map: object, path: Path, known: readonly string[]): void {
    for (const key of Object.keys(map)) {
      if (known.includes(key)) continue;
      const hint = key === "pipeline"
        ? "A test names its pipeline by flow: …; pipeline: at the top of the file names the pipeline file"
        : didYouMean(key, known) ?? `Known keys are ${known.join(", ")}`;
      this.#report({ path: [...path, key], onKey: true, message: `Unknown key "${key}"`, hint });
    }
  }

  async #test(own: Record<string, unknown>, path: Path): Promise<PipelineTest | undefined> {
    const chain = await this.#chain(own, path);
    const recorded = this.#recorded(own.recorded, path);
    const columns = {
      ...this.#raw.columns as object,
      ...recorded?.columns as object,
      ...own.columns as object,
    };
    const records = readRecords({ ...own, given: recorded?.given ?? own.given, columns }, path, this.#report);
    if (records && records.given.length === 0) {
      this.#report({
        path,
        message: "The test gives no records",
        hint: "Write them under given, or name a file as recorded",
      });
    }
    if (!chain || !records) return undefined;
    const { line } = this.#document.place(path);
    const name = typeof own.name === "string"
      ? own.name
      : path.length === 0
      ? this.#options.file
      : `test ${Number(path[1]) + 1}`;
    return { name, line, path, ...chain, ...records };
  }

  /** What the records go through: transforms written here, or the whole way of a pipeline. */
  async #chain(
    own: Record<string, unknown>,
    path: Path,
  ): Promise<{ steps: readonly PlannedStep[]; origin?: Origin; routing?: TopicRouting } | undefined> {
    for (const [map, at] of [[own, path], [this.#raw, []]] as const) {
      if (map.transforms !== undefined) {
        const steps = this.#transforms.list([...at, "transforms"]);
        return steps && { steps: forFlow(steps) };
      }
      if (map.flow !== undefined) return await this.#flow(String(map.flow), [...at, "flow"]);
    }
    if (this.#raw.pipeline !== undefined) return await this.#flow(undefined, ["pipeline"]);
    this.#report({
      path,
      message: "The test says not what its records go through",
      hint: "Write transforms, or name the pipeline file and its flow",
    });
  }

  async #flow(name: string | undefined, at: Path) {
    const { pipeline, variables } = this.#raw;
    const texts = isMap(variables)
      ? Object.entries(variables).map(([key, value]) => [key, String(value)])
      : [];
    this.#plan ??= this.#options.planOf(
      pipeline === undefined ? undefined : String(pipeline),
      Object.fromEntries(texts),
    );
    const plan = await this.#plan;
    if (!plan) return undefined;
    const flows = plan.sources.flatMap((source) => source.flows.map((flow) => ({ source, flow })));
    const found = name === undefined && flows.length === 1
      ? flows[0]
      : flows.find(({ flow }) => flow.name === name);
    if (!found) {
      const names = flows.map(({ flow }) => flow.name);
      const message = name === undefined
        ? "Which pipeline is meant? There are several"
        : `There is no pipeline "${name}"`;
      const hint = (name && didYouMean(name, names)) || `Write flow: and one of ${names.join(", ")}`;
      this.#report({ path: at, message, hint });
      return undefined;
    }
    const { source, flow } = found;
    return {
      steps: [...source.transforms, ...flow.transforms],
      origin: { connector: source.connector, name: source.name, version: "0.0.0" },
      ...source.routing ? { routing: source.routing } : {},
    };
  }

  /** The records of a file that `rivven-connect record` has written. */
  #recorded(file: unknown, path: Path): Record<string, unknown> | undefined {
    if (file === undefined) return undefined;
    const at = [...path, "recorded"];
    try {
      const text = this.#options.readBeside(String(file));
      const recorded = parse(text, { intAsBigInt: true });
      if (isMap(recorded) && Array.isArray(recorded.given)) return recorded;
      this.#report({
        path: at,
        message: `"${file}" holds no records: a map with "given" in it was expected`,
      });
    } catch (error) {
      const reason = error instanceof Deno.errors.NotFound ? "there is no such file" : String(error);
      this.#report({
        path: at,
        message: `"${file}" can't be read: ${reason}`,
        hint: "Paths are relative to the file of tests",
      });
    }
  }
}
