/** `rivven-connect record`: real records of a source, written as a test gives them. */
import { stringify } from "yaml";
import { systemClock } from "../runtime/clock.ts";
import { rfc3339 } from "../formats/data/envelope.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { DataRecord } from "../formats/data/record.ts";
import { qualifiedName } from "../formats/data/stream.ts";
import { typeText } from "../transforms/_testing/column_types.ts";
import { writtenOf } from "../transforms/_testing/notation.ts";
import { type Arguments, EXIT } from "./command.ts";
import { chooseSource, readFirst } from "./first_records.ts";
import { loadPlan } from "./load.ts";
import { logTo } from "./log_lines.ts";
import type { Output } from "./output.ts";
import { requireConfinedWorkers } from "./workers.ts";

const DEFAULT_LIMIT = 100;
const DEFAULT_TIMEOUT_MS = 30_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  const source = chooseSource(plan.sources, args.positionals[0]);
  const limit = args.number("limit") ?? DEFAULT_LIMIT;
  const timeoutMs = args.number("timeout") ?? DEFAULT_TIMEOUT_MS;
  await requireConfinedWorkers();
  const records: DataRecord[] = [];
  await readFirst({ ...source, transforms: [] }, { ...source.flows[0], transforms: [] }, {
    limit,
    timeoutMs,
    log: logTo(output, "warn", "text"),
    clock: systemClock,
    take: (batch, i) => records.push(batch.records[i]),
  });
  const text = recordingText(records, source.name);
  const file = args.text("out");
  if (file === undefined) output.print(text.trimEnd());
  else {
    write(file, text, args.flag("force"));
    output.say(`Wrote ${records.length} records into ${file}`);
  }
  return EXIT.ok;
}

function write(file: string, text: string, isForced: boolean): void {
  try {
    Deno.writeTextFileSync(file, text, { createNew: !isForced });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    const hint = "Write it over with --force, or name another file";
    throw new ConnectorError(`There is a file "${file}" already`, { code: "config_file", hint });
  }
}

/** Records and the types of their columns, as `recorded:` of a test wants them. */
export function recordingText(records: readonly DataRecord[], source: string): string {
  const columns: Record<string, Record<string, string>> = {};
  for (const { stream } of records) {
    if (!stream.columns) continue;
    columns[qualifiedName(stream)] ??= Object.fromEntries(stream.columns.map(({ name, type, nullable }) => {
      const isKey = stream.key.includes(name);
      return [name, typeText(type) + (isKey ? " key" : nullable ? "" : " not null")];
    }));
  }
  const given = records.map((record) => {
    const { stream, timeMicros, source } = record;
    return {
      ...writtenOf(record),
      ...stream.database === undefined ? {} : { database: stream.database },
      time: rfc3339(timeMicros),
      ...source === undefined ? {} : { source },
    };
  });
  const body = stringify({ ...Object.keys(columns).length > 0 ? { columns } : {}, given }, {
    lineWidth: 110,
  });
  return `# ${records.length} records of source "${source}", before its transforms. A test takes them with\n` +
    `# recorded: and the name of this file. Look through them for what must not be kept.\n${body}`;
}
