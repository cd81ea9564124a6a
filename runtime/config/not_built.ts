/**
 * Keys of the file format whose feature this build does not have. Their off form is accepted, anything else is refused
 * by name: a key that is read and then does nothing would be worse. config.ts calls refuseNotBuilt().
 */
import type { Path, Report } from "./problem.ts";
import type { YamlDocument } from "./yaml_document.ts";

interface Refusal {
  /** `*` stands for every name or index. */
  readonly path: Path;
  /** The values that ask for nothing, besides an absent or empty one. */
  readonly off?: (value: unknown) => boolean;
  readonly hint: string;
}

const is = (off: unknown) => (value: unknown) => value === off;

const REGISTRY = "Remove it; records are written as JSON without a schema id";

const REFUSALS: readonly Refusal[] = [
  { path: ["plugins"], hint: "Use a connector that `rivven-connect spec` lists" },
  { path: ["secrets"], hint: "Use ${NAME} or ${file:/path} where the secret is needed" },
  {
    path: ["schema_registry"],
    off: (value) => (value as { mode?: unknown } | null)?.mode === "disabled",
    hint:
      "Write mode: disabled, or remove schema_registry; records are then written as JSON without a schema id",
  },
  {
    path: ["distributed"],
    off: (value) => [undefined, false].includes((value as { enabled?: boolean }).enabled),
    hint: "Write enabled: false and start one process for the file",
  },
  { path: ["settings", "isolation"], off: is("worker"), hint: "Write isolation: worker, or remove it" },
  { path: ["settings", "admin"], hint: "Remove it" },
  {
    path: ["settings", "health", "enabled"],
    off: is(false),
    hint: "Write enabled: false; the exit code tells how it went",
  },
  { path: ["settings", "metrics", "enabled"], off: is(false), hint: "Write enabled: false" },
  { path: ["settings", "telemetry", "enabled"], off: is(false), hint: "Write enabled: false" },
  ...["sources", "sinks"].flatMap((section): Refusal[] => [
    { path: [section, "*", "schema_registry_url"], hint: REGISTRY },
    { path: [section, "*", "tasks_max"], off: is(1), hint: "Remove it; each connector runs once" },
    { path: [section, "*", "mode"], off: is("singleton"), hint: "Remove it; each connector runs once" },
  ]),
  {
    path: ["sources", "*", "rate_limit", "max_in_flight"],
    off: is(0),
    hint: "Remove it; what is under way is bounded by bytes",
  },
  {
    path: ["sources", "*", "rate_limit", "burst_size"],
    off: is(0),
    hint: "Remove it; events_per_second limits the rate",
  },
  {
    path: ["sinks", "*", "rate_limit", "burst_capacity"],
    off: is(0),
    hint: "Remove it; events_per_second limits the rate",
  },
  {
    path: ["pipelines", "*", "settings", "rate_limit", "burst_capacity"],
    off: is(0),
    hint: "Remove it; events_per_second limits the rate",
  },
];

/** Keys of CDC configs that are to come: a hint for a connector that doesn't know them. */
const LATER_IN_CONFIG = [
  "health",
];

/** Reports every key that asks for something this build can't do; what is disabled may ask for anything. */
export function refuseNotBuilt(document: YamlDocument, report: Report): void {
  for (const { path, off, hint } of REFUSALS) {
    for (const found of matches(document.value, path)) {
      const value = document.at(found);
      if (isEmpty(value) || off?.(value) || isDisabled(document, found)) continue;
      const label = found.slice(path[0] === "settings" || path.length === 1 ? 0 : 2).join(".");
      report({ path: found, onKey: true, message: `"${label}" is not in this build yet`, hint });
    }
  }
}

/** Says of a key unknown to a connector's config that its feature is to come; undefined for other keys. */
export function notBuiltInConfig(key: string): string | undefined {
  return LATER_IN_CONFIG.includes(key) ? `"${key}" is not in this build yet; remove it` : undefined;
}

/** Does `path` lie in a source, sink or pipeline with `enabled: false`? */
export function isDisabled(document: YamlDocument, path: Path): boolean {
  return path.length > 1 && ["sources", "sinks", "pipelines"].includes(String(path[0])) &&
    document.at([path[0], path[1], "enabled"]) === false;
}

function* matches(tree: unknown, pattern: Path, found: Path = []): Iterable<Path> {
  if (pattern.length === 0) {
    yield found;
    return;
  }
  if (typeof tree !== "object" || tree === null) return;
  const keys = pattern[0] === "*" ? Object.keys(tree) : Object.hasOwn(tree, pattern[0]) ? [pattern[0]] : [];
  for (const key of keys) {
    yield* matches((tree as Record<string, unknown>)[key], pattern.slice(1), [...found, key]);
  }
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined ||
    (typeof value === "object" && Object.keys(value).length === 0);
}
