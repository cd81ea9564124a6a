/** What is in a file, as its name and the configuration say: `orders.jsonl.gz` is JSON Lines, and its stream `orders`. */
import { type Compression, COMPRESSION_SUFFIX, COMPRESSIONS } from "../../formats/files/formats.ts";

export const FORMATS = ["jsonl", "json", "csv", "tsv", "avro", "parquet"] as const;
export type SourceFormat = (typeof FORMATS)[number];

export interface FileKind {
  /** Undefined: neither says it. */
  readonly format: SourceFormat | undefined;
  /** Around the file; Avro and Parquet compress inside. */
  readonly compression: Compression;
  /** The name without folders and endings. */
  readonly stream: string;
}

const ENDINGS: Readonly<Record<string, SourceFormat>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "json",
  csv: "csv",
  tsv: "tsv",
  avro: "avro",
  parquet: "parquet",
};

/** @param name of the file, with or without folders */
export function kindOfName(
  name: string,
  given: { readonly format?: SourceFormat; readonly compression?: Compression | "auto" },
): FileKind {
  let rest = name.slice(name.lastIndexOf("/") + 1);
  const suffixOf = COMPRESSIONS.find((kind) => kind !== "none" && rest.endsWith(COMPRESSION_SUFFIX[kind]));
  if (suffixOf) rest = rest.slice(0, -COMPRESSION_SUFFIX[suffixOf].length);
  const dot = rest.lastIndexOf(".");
  const byEnding = dot > 0 ? ENDINGS[rest.slice(dot + 1).toLowerCase()] : undefined;
  const compression = given.compression ?? "auto";
  const format = given.format ?? byEnding;
  const isTable = format === "avro" || format === "parquet";
  return {
    format,
    compression: isTable ? "none" : compression === "auto" ? suffixOf ?? "none" : compression,
    stream: byEnding || (given.format && dot > 0) ? rest.slice(0, dot) : rest,
  };
}
