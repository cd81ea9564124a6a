/** Predicates of a pipeline file, checked and as plain data: transform_config.ts asks, predicate.ts compiles them. */
import type { Operation } from "../../formats/data/record.ts";
import type { Value } from "../../formats/data/value.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import type { PlannedPredicate } from "../chain/chain_plan.ts";
import { conditionProblem } from "../chain/condition.ts";
import type { Path, Report } from "./problem.ts";
import { checkPart } from "./schema_check.ts";
import { didYouMean } from "./suggest.ts";
import { OPERATION_NAMES, type PredicateEntry, predicateEntry } from "./transform_schema.ts";
import type { YamlDocument } from "./yaml_document.ts";

/** Reads predicates; one for each file. */
export class PredicateReader {
  readonly #document: YamlDocument;
  readonly #options: { readonly allowUnknownKeys: boolean; readonly report: Report };
  readonly #named = new Map<string, PlannedPredicate | undefined>();
  readonly #open = new Set<string>();

  constructor(
    document: YamlDocument,
    options: { readonly allowUnknownKeys: boolean; readonly report: Report },
  ) {
    this.#document = document;
    this.#options = options;
  }

  /**
   * The predicate at `path`: a name under `predicates`, or one written there.
   *
   * @param otherTexts what a text is that is no name
   * @returns undefined when it is not valid
   */
  read(path: Path, otherTexts: "mistake" | "condition" = "mistake"): PlannedPredicate | undefined {
    const { report } = this.#options;
    const written = this.#document.at(path);
    if (typeof written !== "string") return this.#entry(path);
    if (this.#document.isUnset(path)) return undefined;
    const names = this.#document.entries("predicates").map(([name]) => name);
    if (names.includes(written)) {
      if (!this.#open.has(written)) return this.#byName(written);
      report({ path, message: `Predicate ${this.#document.show(path)} stands inside of itself` });
      return undefined;
    }
    if (otherTexts === "condition") {
      return this.#isCondition(path, written) ? { condition: written } : undefined;
    }
    const hint = didYouMean(written, names, "The predicates of this file are") ??
      "Describe it under predicates, or write it as a map: {condition: …}";
    report({ path, message: `There is no predicate ${this.#document.show(path)}`, hint });
  }

  /** Reads what nothing has named, so that its mistakes show too. */
  finish(): void {
    for (const [name] of this.#document.entries("predicates")) {
      if (this.#named.has(name)) continue;
      this.#byName(name);
      const message = `Predicate "${name}" is used by no transform`;
      this.#options.report({ severity: "warning", path: ["predicates", name], onKey: true, message });
    }
  }

  #byName(name: string): PlannedPredicate | undefined {
    if (this.#named.has(name)) return this.#named.get(name);
    this.#open.add(name);
    const predicate = this.#entry(["predicates", name]);
    this.#open.delete(name);
    this.#named.set(name, predicate);
    return predicate;
  }

  #entry(at: Path): PlannedPredicate | undefined {
    const { report } = this.#options;
    const entry = checkPart(this.#document, { schema: predicateEntry, at, ...this.#options });
    if (entry === undefined) return undefined;
    if (Object.keys(entry).every((key) => ["negate", "match"].includes(key))) {
      report({
        path: at,
        message: "The predicate says nothing about records",
        hint: "Write table, operations, …",
      });
      return undefined;
    }
    let good = true;
    const patterns = (...keys: ("table" | "tables" | "schema" | "schemas" | "database" | "topic")[]) => {
      const given = keys.filter((key) => entry[key] !== undefined);
      if (given.length === 0) return undefined;
      if (given.length > 1) {
        const message = `"${given[0]}" and "${given[1]}" are both given`;
        report({ path: [...at, given[1]], onKey: true, message, hint: "Keep one of them" });
        good = false;
      }
      return [entry[given[0]]!].flat().map((pattern, i) => {
        if (entry.match === "exact") return `=${pattern}`;
        good = this.#isPattern([...at, given[0]], i, pattern) && good;
        return pattern;
      });
    };
    const nested = (key: "any_of" | "all_of") => {
      const made = entry[key]?.map((_, i) => this.read([...at, key, i]));
      if (made?.includes(undefined)) good = false;
      return made as PlannedPredicate[] | undefined;
    };
    const operations = this.#operations(entry, at);
    if (operations?.includes(undefined)) good = false;
    if (entry.condition !== undefined) {
      good = this.#isCondition([...at, "condition"], entry.condition) && good;
    }
    const planned: PlannedPredicate = {
      tables: patterns("table", "tables"),
      schemas: patterns("schema", "schemas"),
      databases: patterns("database"),
      topics: patterns("topic"),
      operations: operations as Operation[] | undefined,
      isTombstone: entry.is_tombstone,
      fieldExists: entry.field_exists,
      fieldValue: entry.field_value &&
        { field: entry.field_value.field, value: entry.field_value.value as Value },
      hasHeader: entry.has_header,
      condition: entry.condition,
      anyOf: nested("any_of"),
      allOf: nested("all_of"),
      negate: entry.negate || undefined,
    };
    if (!good) return undefined;
    return Object.fromEntries(Object.entries(planned).filter(([, value]) => value !== undefined));
  }

  #operations({ operations }: PredicateEntry, at: Path): (Operation | undefined)[] | undefined {
    if (operations === undefined) return undefined;
    const isList = Array.isArray(operations);
    return [operations].flat().map((written, i) => {
      const name = OPERATION_NAMES[written.toLowerCase()];
      if (name !== undefined) return name as Operation;
      const path = isList ? [...at, "operations", i] : [...at, "operations"];
      const message = `Unknown operation ${this.#document.show(path)}`;
      const hint = didYouMean(written, [...new Set(Object.values(OPERATION_NAMES))], "Operations are");
      this.#options.report({ path, message, hint });
    });
  }

  #isPattern(at: Path, i: number, pattern: string): boolean {
    if (pattern.startsWith("=")) return true;
    try {
      compileRegex(pattern);
      return true;
    } catch (error) {
      const path = Array.isArray(this.#document.at(at)) ? [...at, i] : at;
      const message = this.#document.mask((error as Error).message);
      this.#options.report({ path, message, hint: "Write match: exact when names are meant" });
      return false;
    }
  }

  #isCondition(path: Path, text: string): boolean {
    const problem = conditionProblem(text);
    if (problem === undefined) return true;
    this.#options.report({ path, message: this.#document.mask(problem.message), hint: problem.hint });
    return false;
  }
}
