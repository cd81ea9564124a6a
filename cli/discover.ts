/** `discover`: the streams that a source of the pipeline file can see. */
import { stringify } from "yaml";
import type { DiscoveredStream } from "../connectors/contract.ts";
import { qualifiedName } from "../formats/data/stream.ts";
import type { ColumnType } from "../formats/data/value.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { loadPlan } from "./load.ts";
import { logTo } from "./log_lines.ts";
import { jsonText, type Output } from "./output.ts";
import { count } from "./progress.ts";
import { openSourceWorker, requireConfinedWorkers, within } from "./workers.ts";

const TIMEOUT_MS = 60_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  const [name] = args.positionals;
  const source = plan.sources.find((source) => source.name === name);
  if (!source) {
    const names = plan.sources.map((source) => source.name);
    throw new UsageError(
      `There is no enabled source "${name}"`,
      didYouMean(name, names) ?? `There is: ${names.join(", ")}`,
    );
  }
  await requireConfinedWorkers();
  await using remote = await openSourceWorker(source, logTo(output, "warn", "text"));
  const streams = await within(
    args.number("timeout") ?? TIMEOUT_MS,
    `Discovering source "${name}"`,
    remote.call("discover", undefined),
  );
  const format = args.format("table");
  if (format === "json") output.printJson({ source: name, streams: streams.map(asData) });
  else if (format === "yaml") {
    output.print(stringify(JSON.parse(jsonText({ streams: streams.map(asData) }))).trimEnd());
  } else print(streams, output);
  return EXIT.ok;
}

function asData({ stream, estimatedRows, syncModes, remarks }: DiscoveredStream) {
  const { name, namespace, database, columns, key } = stream;
  return {
    name,
    namespace,
    database,
    key,
    columns: columns?.map(({ name, type, nullable, nativeType, default: value }) => ({
      name,
      type: typeText(type),
      native_type: nativeType,
      nullable,
      default: value,
    })),
    estimated_rows: estimatedRows,
    sync_modes: syncModes,
    remarks,
  };
}

function print(streams: readonly DiscoveredStream[], output: Output): void {
  const { bold, dim, yellow } = output.style;
  output.print(`Found ${streams.length} ${streams.length === 1 ? "stream" : "streams"}:`);
  for (const { stream, estimatedRows, remarks } of streams) {
    const rows = estimatedRows === undefined ? "" : dim(`  about ${count(estimatedRows)} rows`);
    output.print(`\n${bold(qualifiedName(stream))}${rows}`);
    const width = Math.max(0, ...(stream.columns ?? []).map(({ name }) => name.length));
    for (const { name, type, nullable, nativeType } of stream.columns ?? []) {
      const notes = [stream.key.includes(name) ? "key" : "", nullable ? "" : "not null"].filter(Boolean).join(
        ", ",
      );
      output.print(
        `  - ${name.padEnd(width)}  ${nativeType ?? typeText(type)}${notes ? dim(`  ${notes}`) : ""}`,
      );
    }
    for (const remark of remarks ?? []) output.print(`  ${yellow("!")} ${remark}`);
  }
}

/** `decimal(12,2)`, `array<int64>`. */
export function typeText(type: ColumnType): string {
  switch (type.kind) {
    case "decimal":
      return type.precision === undefined ? "decimal" : `decimal(${type.precision},${type.scale ?? 0})`;
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
      return `${type.kind}(${type.precision})`;
    case "array":
      return `array<${typeText(type.items)}>`;
    case "map":
      return `map<string,${typeText(type.values)}>`;
    case "struct":
      return `struct<${type.fields.map(({ name, type }) => `${name}:${typeText(type)}`).join(",")}>`;
    default:
      return type.kind;
  }
}
