/**
 * Keys in the config of sources that read a database's log which stand for transforms: what is encrypted, masked, left
 * out, filtered or deduplicated, in the spellings of all versions. transforms_of_file.ts puts what they come to around
 * the source's own transforms.
 */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { jsonSchemaOf, keysAt } from "./json_schema.ts";
import type { Path, Report } from "./problem.ts";
import { didYouMean } from "./suggest.ts";
import type { ImpliedTransform } from "./transform_config.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

export interface CdcFeatures {
  /** In front of the source's transforms, in order. */
  readonly front: readonly ImpliedTransform[];
  /** Behind them. */
  readonly back: readonly ImpliedTransform[];
  /** False: a problem was found; the transforms may have further ones. */
  readonly isValid: boolean;
}

/** Blocks with `enabled`, by their name in `cdc_features`; the other spelling stands in the config itself. */
const BLOCKS = { deduplication: "deduplication", encryption: "encryption", tombstones: "tombstone" } as const;

/** Keys beside them that need no `enabled`. */
const PLAIN_KEYS = [
  "filter_expression",
  "column_filters",
  "columns",
  "exclude_columns",
  "column_masks",
] as const;

/** What a mask may say of itself; any other name in its place is a column's. */
const MASK_KEYS = new Set([
  ..."strategy replacement mask_char max_length fixed_length keep_first keep_last length algorithm key_env"
    .split(" "),
  ..."hash_key_env key truncate type_preserving".split(" "),
]);

/** The keys that the connectors themselves don't know. */
export const CDC_FEATURE_KEYS: readonly string[] = [
  "cdc_features",
  ...PLAIN_KEYS,
  "encryption",
  "deduplication",
];

/** A connector's config without these keys; tombstones stay where the connector sends them itself. */
export function withoutCdcFeatures(
  config: Record<string, unknown>,
  definition: ConnectorDefinition,
): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(config).filter(([key]) => !CDC_FEATURE_KEYS.includes(key)));
  if (!sendsTombstones(definition)) {
    delete rest.tombstone;
    return rest;
  }
  const { cdc_features } = config;
  return isMap(cdc_features) && "tombstones" in cdc_features
    ? { ...rest, cdc_features: { tombstones: cdc_features.tombstones } }
    : rest;
}

/**
 * What the keys of the source at `entry` come to: duplicates first, then which rows, which columns, masks, encryption,
 * tombstones.
 */
export function cdcFeatures(
  document: YamlDocument,
  entry: Path,
  definition: ConnectorDefinition,
  report: Report,
): CdcFeatures {
  const config: Path = [...entry, "config"];
  const has = (path: Path) => (document.at(path) ?? undefined) !== undefined;
  let good = true;
  const problem = (path: Path, message: string, hint: string, onKey = false) => {
    good = false;
    report({ path, onKey, message, hint });
  };
  checkNames();

  const front = [
    ...block("deduplication", "dedupe", []),
    ...plain("filter_expression", "filter", "condition"),
    ...plain("column_filters", "column_filter", "filters"),
    ...plain("columns", "column_filter", "filters", (tables) => eachOf(tables, (include) => ({ include }))),
    ...plain(
      "exclude_columns",
      "column_filter",
      "filters",
      (tables) => eachOf(tables, (exclude) => ({ exclude })),
    ),
    ...plain("column_masks", "mask_field", "fields", maskedFields),
  ];
  const encryption = block("encryption", "encrypt_field", ["stage"]);
  const isLate = encryption.length > 0 && stageOf(encryption[0].at) === "after_transforms";
  const tombstones = sendsTombstones(definition) ? [] : block("tombstones", "tombstone", []);
  return isLate
    ? { front, back: [...encryption, ...tombstones], isValid: good }
    : { front: [...front, ...encryption, ...tombstones], back: [], isValid: good };

  function checkNames(): void {
    const at = [...config, "cdc_features"];
    const features = document.at(at);
    if (features === undefined || features === null) return;
    const known = Object.keys(BLOCKS);
    if (!isMap(features)) return problem(at, '"cdc_features" must be a map', `It takes ${known.join(", ")}`);
    for (const name of Object.keys(features)) {
      if (known.includes(name)) continue;
      const hint = CDC_FEATURE_KEYS.includes(name)
        ? `"${name}" belongs into "config" itself`
        : didYouMean(name, known, "Known here are")!;
      problem([...at, name], `Unknown key "${name}"`, hint, true);
    }
  }

  /** A block that is enabled, as a transform: what it says is the transform's config. */
  function block(name: keyof typeof BLOCKS, type: string, own: readonly string[]): ImpliedTransform[] {
    const other = [...config, BLOCKS[name]];
    const inFeatures = [...config, "cdc_features", name];
    if (has(other) && has(inFeatures)) {
      problem(other, `"${BLOCKS[name]}" is given twice`, `Remove it, or cdc_features.${name}`, true);
      return [];
    }
    const at = has(other) ? other : inFeatures;
    const given = document.at(at);
    if (given === undefined || given === null) return [];
    if (!isMap(given)) {
      problem(at, `"${at.at(-1)}" must be a map`, "Write enabled: true and its other keys below it");
      return [];
    }
    if (given.enabled === false || Object.keys(given).length === 0) return [];
    // Read as switched off, a forgotten line would publish in clear what is to be hidden.
    if (given.enabled !== true) {
      const message = given.enabled === undefined
        ? `"${at.at(-1)}" says not whether it is on`
        : `"enabled" must be true or false`;
      problem(
        given.enabled === undefined ? at : [...at, "enabled"],
        message,
        "Write enabled: true or enabled: false",
      );
      return [];
    }
    const keyAt = [...at, "key"];
    if (type === "encrypt_field" && typeof given.key === "string" && !document.isFilledIn(keyAt)) {
      const message = "The key stands in the file, where everybody who reads it has it";
      const hint = "Remove it and export it as RIVVEN_ENCRYPTION_KEY, or write key: ${file:/run/secrets/key}";
      report({ severity: "warning", path: keyAt, onKey: true, message, hint });
    }
    const rest = () => {
      const { enabled: _, ...others } = document.at(at) as Record<string, unknown>;
      return Object.fromEntries(Object.entries(others).filter(([key]) => !own.includes(key)));
    };
    return [{ type, name: nameOf(at), config: rest, at }];
  }

  /** A key whose value is one member of a transform's config. */
  function plain(
    key: (typeof PLAIN_KEYS)[number],
    type: string,
    member: string,
    made: (value: unknown) => unknown = (value) => value,
  ): ImpliedTransform[] {
    const at = [...config, key];
    const value = document.at(at);
    const isEmpty = value === undefined || value === null ||
      typeof value === "object" && Object.keys(value).length === 0;
    return isEmpty
      ? []
      : [{ type, name: nameOf(at), config: () => ({ [member]: made(document.at(at)) }), at, member }];
  }

  function stageOf(at: Path): string {
    const stage = document.at([...at, "stage"]) ?? "before_transforms";
    if (stage === "before_transforms" || stage === "after_transforms") return stage;
    problem([...at, "stage"], `"stage" can't be this`, "One of: before_transforms, after_transforms");
    return "before_transforms";
  }

  function nameOf(at: Path): string {
    return at.slice(config.length).join(".");
  }
}

/** Does the connector have a key for them itself? */
function sendsTombstones(definition: ConnectorDefinition): boolean {
  return keysAt(jsonSchemaOf(definition.config), []).includes("tombstone");
}

/** Every value of a map by `change`; what is no map stays, for the schema to complain about. */
function eachOf(tables: unknown, change: (value: unknown) => unknown): unknown {
  if (!isMap(tables)) return tables;
  return Object.fromEntries(Object.entries(tables).map(([table, value]) => [table, change(value)]));
}

/**
 * `column_masks` → `fields` of mask_field. A list or a map of fields is one already; under a table stand its columns,
 * as a list or with how each is masked.
 */
function maskedFields(masks: unknown): unknown {
  if (!isMap(masks)) return masks;
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(masks)) {
    const columns: Record<string, unknown> | undefined = Array.isArray(value)
      ? Object.fromEntries(value.map((column) => [String(column), {}]))
      : isMap(value) && !Object.keys(value).some((key) => MASK_KEYS.has(key))
      ? value
      : undefined;
    if (columns === undefined) fields[name] = value;
    else for (const [column, mask] of Object.entries(columns)) fields[`${name}:${column}`] = mask;
  }
  return fields;
}
