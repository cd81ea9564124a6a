/**
 * Where transforms stand in a pipeline file, and in which order records meet them: at a source in its `config` (behind
 * what the keys of cdc_features.ts stand for) and beside it, then at the pipeline, then at the sink. config.ts asks.
 */
import type { ConnectorDefinition } from "../../connectors/contract.ts";
import { cdcFeatures, withoutCdcFeatures } from "./cdc_features.ts";
import { isDisabled } from "./not_built.ts";
import type { Path } from "./problem.ts";
import { findConnector } from "./registry.ts";
import { type ConfiguredStep, TransformReader, type TransformReaderOptions } from "./transform_config.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

/** The transforms of each source, pipeline and sink that has some, by name. */
export interface ConfiguredTransforms {
  readonly sources: ReadonlyMap<string, readonly ConfiguredStep[]>;
  readonly pipelines: ReadonlyMap<string, readonly ConfiguredStep[]>;
  readonly sinks: ReadonlyMap<string, readonly ConfiguredStep[]>;
}

export interface ReadTransformsOptions extends TransformReaderOptions {
  readonly connectors: readonly ConnectorDefinition[];
}

/** The config of the source or sink at `entry` as its connector sees it: without what stands for transforms. */
export function withoutTransforms(
  config: Record<string, unknown>,
  definition: ConnectorDefinition,
  entry: Path,
): Record<string, unknown> {
  if (entry[0] !== "sources") return config;
  const { transforms: _, ...rest } = config;
  return definition.category === "database_cdc" ? withoutCdcFeatures(rest, definition) : rest;
}

/** All transforms of a file, or undefined when one is not valid; what is disabled is not looked at. */
export function readTransforms(
  document: YamlDocument,
  options: ReadTransformsOptions,
): ConfiguredTransforms | undefined {
  const reader = new TransformReader(document, options);
  let good = true;
  const read = (section: string, chainOf: (path: Path, entry: Record<string, unknown>) => Chain) => {
    const chains = new Map<string, readonly ConfiguredStep[]>();
    for (const [name, entry] of document.entries(section)) {
      const path = [section, name];
      if (!isMap(entry) || isDisabled(document, path)) continue;
      const chain = chainOf(path, entry);
      if (chain === undefined) good = false;
      else if (chain.length > 0) chains.set(name, chain);
    }
    return chains;
  };
  const sources = read("sources", (path, { connector }) => {
    const found = typeof connector === "string" ? findConnector(options.connectors, connector) : undefined;
    const features = found?.definition.category === "database_cdc"
      ? cdcFeatures(document, path, found.definition, options.report)
      : { front: [], back: [], isValid: true };
    const front = features.front.map((one) => reader.implied(one));
    const own = reader.list([...path, "config", "transforms"], { before: front.length });
    const before = front.length + (own?.length ?? 0);
    const beside = reader.list([...path, "transforms"], { before });
    const back = features.back.map((one) => reader.implied(one));
    return features.isValid ? joined(front, own, beside, back) : undefined;
  });
  const pipelines = read("pipelines", (path, { source }) => {
    const unless = new Set(sources.get(String(source))?.map(({ name }) => name));
    return reader.list([...path, "transforms"], { of: `pipeline ${path[1]}`, unless });
  });
  const sinks = read("sinks", (path) => reader.list([...path, "transforms"], { of: `sink ${path[1]}` }));
  reader.finish();
  return good ? { sources, pipelines, sinks } : undefined;
}

type Chain = readonly ConfiguredStep[] | undefined;

function joined(...parts: (readonly (ConfiguredStep | undefined)[] | undefined)[]): Chain {
  const steps = parts.flatMap((part) => part ?? [undefined]);
  return steps.every((step) => step !== undefined) ? steps : undefined;
}
