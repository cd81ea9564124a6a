/**
 * Transforms and predicates of a pipeline file, checked: names looked up, each config against its transform's schema,
 * every problem at its line. config.ts asks it for each list of transforms; plan.ts makes chains of what it returns.
 */
import type { TransformDefinition } from "../../transforms/contract.ts";
import type { PlannedStep, PlannedTransform } from "../chain/chain_plan.ts";
import { jsonSchemaOf, keysAt, secretsIn } from "./json_schema.ts";
import type { Path, Report } from "./problem.ts";
import { PredicateReader } from "./predicate_config.ts";
import { checkPart } from "./schema_check.ts";
import { didYouMean } from "./suggest.ts";
import { findTransform, transformNames, TRANSFORMS_ELSEWHERE } from "./transform_registry.ts";
import { FORK_TYPES, forkConfig, transformEntry } from "./transform_schema.ts";
import { isMap, valueAt, type YamlDocument } from "./yaml_document.ts";

/** A checked transform; plan.ts, which knows the whole chain, says whether its dead letters hold rows. */
export type ConfiguredStep = PlannedStep;

export interface TransformReaderOptions {
  readonly definitions: readonly TransformDefinition[];
  readonly allowUnknownKeys: boolean;
  readonly env: (name: string) => string | undefined;
  /** @throws when it can't be read */
  readonly readFile: (path: string) => string;
  /** Takes every secret of the configs. */
  readonly secrets: Set<string>;
  readonly report: Report;
}

/** A transform that other keys of the file stand for. */
export interface ImpliedTransform {
  readonly type: string;
  readonly name: string;
  /** Asked again when a variable in the file is read in another way. */
  readonly config: () => Record<string, unknown>;
  /** The key that asks for it. */
  readonly at: Path;
  /** What stands there is this member of the config, and not the whole. */
  readonly member?: string;
}

/** What the transforms of a list are called where the file does not name them. */
export interface Naming {
  /** How many there are in the chain before them. */
  readonly before?: number;
  /** What they belong to: part of their names. */
  readonly of?: string;
  /** Names of others in their chain: `of` is part only of those that would be the same. */
  readonly unless?: ReadonlySet<string>;
}

/** Reads lists of transforms; one for each file. */
export class TransformReader {
  readonly #document: YamlDocument;
  readonly #options: TransformReaderOptions;
  readonly #predicates: PredicateReader;
  readonly #named = new Map<string, ConfiguredStep | undefined>();
  /** Named transforms that are being read: one inside of itself would never end. */
  readonly #open = new Set<string>();
  readonly #used = new Set<string>();

  constructor(document: YamlDocument, options: TransformReaderOptions) {
    this.#document = document;
    this.#options = options;
    this.#predicates = new PredicateReader(document, options);
  }

  /**
   * The list at `path`: names of top-level transforms, and transforms written there.
   *
   * @returns undefined when one of them is not valid
   */
  list(path: Path, naming: Naming = {}): readonly ConfiguredStep[] | undefined {
    const list = this.#document.at(path);
    if (list === undefined || list === null) return [];
    if (!Array.isArray(list)) {
      // Of lists that stand in the file's own keys its schema says it.
      if (path.length > 3) {
        const message = `"${path.at(-1)}" must be a list of transforms`;
        this.#options.report({ path, message, hint: "Start each with a dash: - type: filter" });
      }
      return undefined;
    }
    const steps = list.map((_, i) => this.#member([...path, i], defaultName(naming, i)));
    return steps.every((step) => step !== undefined) ? steps : undefined;
  }

  /** What a key of another kind stands for, such as `column_filters`. */
  implied({ type, name, config, at, member }: ImpliedTransform): ConfiguredStep | undefined {
    return this.#transform(type, { name, at, own: config, typeAt: at, member });
  }

  /** Reads what no list has named, so that its mistakes show too, and says so. */
  finish(): void {
    this.#checkSection("transforms");
    for (const [name] of this.#document.entries("transforms")) {
      if (this.#used.has(name)) continue;
      this.#byName(name);
      this.#options.report({
        severity: "warning",
        path: ["transforms", name],
        onKey: true,
        message: `Transform "${name}" stands in no list of transforms`,
        hint: "Name it under transforms of a pipeline, a source or a sink",
      });
    }
    this.#checkSection("predicates");
    this.#predicates.finish();
  }

  #checkSection(section: string): void {
    const value = this.#document.at([section]);
    if (value === undefined || value === null || isMap(value)) return;
    const message = `"${section}" must be a map of names and ${section}`;
    this.#options.report({ path: [section], message });
  }

  #member(path: Path, nameOf: (type: string) => string): ConfiguredStep | undefined {
    const { report } = this.#options;
    const written = this.#document.at(path);
    if (typeof written !== "string") return this.#entry(path, nameOf);
    if (this.#document.isUnset(path)) return undefined;
    const names = this.#document.entries("transforms").map(([name]) => name);
    if (names.includes(written)) {
      if (!this.#open.has(written)) return this.#byName(written);
      report({ path, message: `Transform ${this.#document.show(path)} stands inside of itself` });
      return undefined;
    }
    const isType = findTransform(this.#options.definitions, written) !== undefined;
    const hint = isType
      ? `Write it as a map: {type: ${written}, config: {…}}`
      : didYouMean(written, names, "The transforms of this file are") ?? "Describe it under transforms";
    report({ path, message: `There is no transform ${this.#document.show(path)}`, hint });
  }

  #byName(name: string): ConfiguredStep | undefined {
    this.#used.add(name);
    if (this.#named.has(name)) return this.#named.get(name);
    this.#open.add(name);
    const step = this.#entry(["transforms", name], () => name, name);
    this.#open.delete(name);
    this.#named.set(name, step);
    return step;
  }

  /** @param nameOf what it is called, by its type, where the file does not say; `topName` goes before what it says */
  #entry(path: Path, nameOf: (type: string) => string, topName?: string): ConfiguredStep | undefined {
    const document = this.#document;
    const { report, definitions, allowUnknownKeys } = this.#options;
    const typeAt = [...path, "type"];
    const type = document.at(typeAt);
    const found = typeof type === "string" ? findTransform(definitions, type) : undefined;
    const entry = checkPart(document, {
      schema: transformEntry,
      at: path,
      report,
      allowUnknownKeys,
      hintForKey: (key, { length }) =>
        length === 1 && found && keysAt(jsonSchemaOf(found.definition.config), []).includes(key)
          ? `"${key}" belongs under "config"`
          : undefined,
    });
    const predicateAt = [...path, "predicate"];
    const hasPredicate = (document.at(predicateAt) ?? undefined) !== undefined;
    const predicate = hasPredicate ? this.#predicates.read(predicateAt) : undefined;
    if (typeof type !== "string" || document.isUnset(typeAt)) return undefined;
    const name = topName ?? entry?.name ?? nameOf(type);
    const at = [...path, "config"];
    const step = FORK_TYPES.includes(type)
      ? this.#fork(name, path, at)
      : this.#transform(type, { name, at, own: () => structuredClone(document.at(at)), typeAt });
    if (entry === undefined || step === undefined || (hasPredicate && predicate === undefined)) {
      return undefined;
    }
    const onError = entry.on_error === "fail" ? "stop" : entry.on_error;
    if (onError !== undefined && step.kind === "fork") {
      const message = `"on_error" has no effect on "${type}"`;
      report({
        path: [...path, "on_error"],
        onKey: true,
        message,
        hint: "Write it at the transforms inside",
      });
      return undefined;
    }
    if (onError === "pass" && step.kind === "transform" && step.protects) {
      const message = `"on_error" of a ${type} can't be pass: what it is to hide would go out`;
      report({ path: [...path, "on_error"], message, hint: "Write stop, skip or dead_letter" });
      return undefined;
    }
    return {
      ...step,
      ...(predicate ? { predicate } : {}),
      ...(onError ? { onError } : {}),
    } as ConfiguredStep;
  }

  #fork(name: string, path: Path, at: Path): ConfiguredStep | undefined {
    const { report, allowUnknownKeys } = this.#options;
    const checked = checkPart(this.#document, { schema: forkConfig, at, report, allowUnknownKeys });
    const when = this.#document.at([...at, "when"]) === undefined
      ? undefined
      : this.#predicates.read([...at, "when"], "condition");
    const then = this.list([...at, "then"], { of: name });
    const otherwise = this.list([...at, "else"], { of: name, before: then?.length });
    if (checked === undefined || !when || !then || !otherwise) return undefined;
    if (then.length + otherwise.length === 0) {
      report({
        path,
        message: `"${name}" has neither "then" nor "else"`,
        hint: "Write at least one of them",
      });
      return undefined;
    }
    return { kind: "fork", name, when, then, otherwise };
  }

  /**
   * @param given `own`: the config as it is written; `at`: where it stands, or its `member` where there is one;
   * `typeAt`: where the type does
   */
  #transform(
    type: string,
    given: {
      readonly name: string;
      readonly at: Path;
      readonly own: () => unknown;
      readonly typeAt: Path;
      readonly member?: string;
    },
  ): PlannedTransform | undefined {
    const document = this.#document;
    const { definitions, env, readFile, secrets, allowUnknownKeys } = this.#options;
    const { name, at, own, typeAt, member } = given;
    const report: Report = (problem) =>
      this.#options.report({ ...problem, path: withoutMember(problem.path) });
    const withoutMember = (path: Path) =>
      member !== undefined && path.length > at.length && path[at.length] === member
        ? [...at, ...path.slice(at.length + 1)]
        : path;
    const found = findTransform(definitions, type);
    if (!found) {
      report({ path: typeAt, ...unknownType(type, document.show(typeAt), definitions) });
      return undefined;
    }
    const { definition, fixed } = found;
    const json = jsonSchemaOf(definition.config);
    document.hide(secretsIn(json, own()));
    let notes: readonly string[] = [];
    let problems: readonly { key: string; message: string; hint?: string }[] = [];
    let prepared: unknown;
    const config = checkPart(document, {
      schema: definition.config,
      at,
      report,
      allowUnknownKeys,
      hintForKey: (key, { length }) =>
        length === 1 && ["predicate", "on_error", "name"].includes(key)
          ? `"${key}" belongs beside "config", not into it`
          : undefined,
      prepare: () => {
        const part = own() ?? {};
        if (!isMap(part)) return part;
        const upgraded = definition.upgradeConfig?.(part) ?? { config: part, notes: [] };
        const completed = definition.completeConfig?.({ ...upgraded.config, ...fixed }, env, readFile);
        notes = upgraded.notes;
        problems = completed?.problems ?? [];
        return prepared = completed?.config ?? { ...upgraded.config, ...fixed };
      },
    });
    for (const secret of secretsIn(json, prepared)) secrets.add(secret);
    if (config !== undefined && problems.length === 0) problems = definition.checkConfig?.(config) ?? [];
    for (const { key, message, hint } of problems) {
      report({ path: [...at, ...pathOfKey(key, own())], message: document.mask(message), hint });
    }
    for (const note of notes) {
      report({ severity: "warning", path: at, onKey: true, message: document.mask(note) });
    }
    if (config === undefined || problems.length > 0) return undefined;
    const protects = definition.protects ?? false;
    const traits = {
      ...(definition.unwraps ? { unwraps: true } as const : {}),
      ...(definition.namesKey?.(config) ? { namesKey: true } as const : {}),
      ...(definition.hidesKey?.(config) ? { hidesKey: true } as const : {}),
    };
    return {
      kind: "transform",
      name,
      type: definition.type,
      config,
      protects,
      withoutRow: protects,
      ...traits,
    };
  }
}

/** `cast #2` for the second of a list; no two of a chain are called the same, so that a dead letter can tell which. */
function defaultName({ before = 0, of, unless }: Naming, index: number): (type: string) => string {
  return (type) => {
    const name = `${type} #${before + index + 1}`;
    return of === undefined || unless?.has(name) === false ? name : `${name} of ${of}`;
  };
}

function unknownType(
  type: string,
  shown: string,
  definitions: readonly TransformDefinition[],
): { message: string; hint?: string } {
  const names = [...transformNames(definitions), ...FORK_TYPES];
  // `org.apache.kafka.connect.transforms.MaskField$Value` of a Kafka Connect file is mask_field here.
  const className = /(?:^|\.)([A-Z]\w*?)(?:\$(?:Key|Value))?$/.exec(type)?.[1];
  const plain = className?.replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase() ?? type;
  if (Object.hasOwn(TRANSFORMS_ELSEWHERE, plain)) {
    return { message: `Transform ${shown} is not in this build yet`, hint: TRANSFORMS_ELSEWHERE[plain] };
  }
  const hint = didYouMean(plain, names, "Known transforms are") ?? "This build has no transforms";
  return { message: `Unknown transform ${shown}`, hint };
}

/** `specs.price` as a path in the config; names may hold dots themselves. */
function pathOfKey(key: string, config: unknown): Path {
  const steps = key.split(".");
  const path: (string | number)[] = [];
  for (let start = 0; start < steps.length;) {
    const here = valueAt(config, path);
    let end = steps.length;
    const candidate = () => {
      const text = steps.slice(start, end).join(".");
      return Array.isArray(here) ? Number(text) : text;
    };
    while (end > start && valueAt(here, [candidate()]) === undefined) end--;
    if (end === start) break;
    path.push(candidate());
    start = end;
  }
  return path;
}
