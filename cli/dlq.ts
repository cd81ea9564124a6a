/** `dlq`: the records that could not go on: listed, shown, put back into their pipeline's sink, or dropped. */
import { qualifiedName } from "../formats/data/stream.ts";
import { rfc3339 } from "../formats/data/envelope.ts";
import { letterJson } from "../runtime/dead_letters/dead_letter_record.ts";
import type { LetterFilter } from "../runtime/dead_letters/dead_letter_table.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { idOf, type Letter, Letters, type Summary } from "./dlq_letters.ts";
import { replayLetters } from "./dlq_replay.ts";
import { loadPlan } from "./load.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { logTo } from "./log_lines.ts";
import { jsonText, type Output } from "./output.ts";
import { renderTable } from "./table.ts";
import type { Plan } from "../runtime/plan.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

export async function run(args: Arguments, output: Output): Promise<number> {
  const [action, ...ids] = args.positionals;
  const act = ACTIONS[action];
  checkOptions(action, ids, args);
  const { config, plan } = await loadPlan(args, output);
  using letters = new Letters({
    plan,
    isLocal: args.flag("local"),
    changes: action === "replay" || action === "drop",
    timeoutMs: args.number("timeout") ?? DEFAULT_TIMEOUT_MS,
    log: logTo(output, "warn", "text"),
  });
  const flows = plan.sources.flatMap((source) => source.flows.map(({ name }) => name));
  const written = config.document.entries("pipelines").map(([name]) => name);
  return await act({ letters, ids, args, output, plan, pipelines: [...new Set([...flows, ...written])] });
}

interface Context {
  readonly letters: Letters;
  readonly ids: readonly string[];
  readonly args: Arguments;
  readonly output: Output;
  readonly plan: Plan;
  /** Of the file, those that are disabled too. */
  readonly pipelines: readonly string[];
}

const ACTIONS: Readonly<Record<string, (context: Context) => Promise<number>>> = { list, show, replay, drop };

/** Options that say something to some actions only. */
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  raw: ["show"],
  all: ["replay", "drop"],
  edit: ["replay"],
  set: ["replay"],
  from: ["replay"],
  yes: ["drop"],
  pipeline: ["list", "replay", "drop"],
  since: ["list", "replay", "drop"],
  stream: ["list", "replay", "drop"],
};

function checkOptions(action: string, ids: readonly string[], args: Arguments): void {
  for (const [name, actions] of Object.entries(OPTIONS_OF)) {
    if ((args.flag(name) || args.text(name) !== undefined) && !actions.includes(action)) {
      throw new UsageError(
        `"dlq ${action}" has no option --${name}`,
        `It is one of: dlq ${actions.join(", dlq ")}`,
      );
    }
  }
  if (action === "list" && ids.length > 0) {
    throw new UsageError(
      `"dlq list" can do nothing with "${ids[0]}"`,
      `Look at it with: rivven-connect dlq show ${ids[0]}`,
    );
  }
  if (action === "show" && ids.length !== 1) {
    throw new UsageError('"dlq show" needs the id of one dead letter', SEE);
  }
  if (action !== "replay" && action !== "drop") return;
  const isFiltered = ["pipeline", "since", "stream"].some((name) => args.text(name) !== undefined);
  if (ids.length > 0 ? args.flag("all") || isFiltered : !args.flag("all")) {
    throw new UsageError(
      `"dlq ${action}" needs ids of dead letters, or --all, which --pipeline, --stream and --since narrow down`,
      SEE,
    );
  }
  const edits = ["edit", "set", "from"].filter((name) => args.text(name) !== undefined);
  if (edits.length > 0 && ids.length !== 1) {
    throw new UsageError(`--${edits[0]} is for one dead letter: give one id`, SEE);
  }
  if (edits.includes("from") && edits.length > 1) {
    throw new UsageError(
      "--from gives the whole record, so there is nothing left to edit",
      "Leave the others out",
    );
  }
}

const SEE = "See them with: rivven-connect dlq list";

function filterOf(args: Arguments): LetterFilter {
  const since = args.text("since");
  return {
    pipeline: args.text("pipeline"),
    stream: args.text("stream"),
    sinceMicros: since === undefined ? undefined : microsOf(since),
  };
}

/** A time, or how long ago: `2h`. */
function microsOf(since: string): bigint {
  const [, number, unit] = /^(\d+)(s|m|h|d)$/.exec(since) ?? [];
  const now = BigInt(Date.now()) * 1000n;
  if (number !== undefined) {
    return now -
      BigInt(number) * { s: 1_000_000n, m: 60_000_000n, h: 3_600_000_000n, d: 86_400_000_000n }[unit]!;
  }
  const millis = /^\d{4}-\d\d-\d\d/.test(since) ? Date.parse(since) : NaN;
  if (Number.isNaN(millis)) {
    throw new UsageError(
      `--since needs a time, not "${since}"`,
      "Such as 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z",
    );
  }
  return BigInt(millis) * 1000n;
}

/** @throws {UsageError} when nothing is found for a pipeline that is not in the file; one that was may have left some */
async function listed({ letters, args, pipelines }: Context): Promise<readonly Summary[]> {
  const filter = filterOf(args);
  const found = await letters.list(filter);
  if (found.length > 0 || filter.pipeline === undefined || pipelines.includes(filter.pipeline)) return found;
  throw new UsageError(
    `There is no pipeline "${filter.pipeline}" in this file, and no dead letter of it`,
    didYouMean(filter.pipeline, pipelines, "Its pipelines are"),
  );
}

async function list(context: Context): Promise<number> {
  const { output } = context;
  const found = await listed(context);
  if (output.json) output.printJson(found.map(summaryAsData));
  else if (found.length === 0) output.say("There are no dead letters");
  else {
    const { bold, dim, yellow } = output.style;
    output.print(renderTable(
      found.map((letter) => [
        idOf(letter.place),
        letter.pipeline,
        dim(rfc3339(letter.atMicros).slice(0, 19) + "Z"),
        yellow(stepOf(letter)),
        qualifiedName(letter.stream),
        letter.error,
      ]),
      {
        header: ["id", "pipeline", "time", "stage", "stream", "error"].map(bold),
        width: output.width,
      },
    ));
  }
  return EXIT.ok;
}

/** `sink`, or `transform cast #1`. */
function stepOf({ stage, transform }: Pick<Summary, "stage" | "transform">): string {
  return transform === undefined ? stage : `${stage} ${transform}`;
}

function summaryAsData(letter: Summary) {
  const { place, pipeline, atMicros, stage, transform, stream, code, error, retryCount, connectorName } =
    letter;
  return {
    id: idOf(place),
    place: place.kind === "state" ? "state" : place.topic,
    pipeline,
    time: rfc3339(atMicros),
    stage,
    transform,
    connector_name: connectorName,
    stream: stream.name,
    namespace: stream.namespace,
    error_class: code,
    error,
    retry_count: retryCount,
    lane: letter.lane,
    order: letter.order,
    withheld: letter.withheld,
    original_topic: letter.origin?.topic,
    original_partition: letter.origin?.partition,
    original_offset: letter.origin?.offset,
  };
}

async function show({ letters, ids: [id], args, output }: Context): Promise<number> {
  const letter = await letters.get(id);
  const text = utf8(letter.payload);
  if (args.flag("raw")) {
    if (text === undefined) output.warn("It is no text: printed as base64");
    output.print(text?.replace(/\n$/, "") ?? letter.payload.toBase64());
    return EXIT.ok;
  }
  const json = letterJson(letter);
  const { key, headers, payload } = letter;
  if (output.json) {
    output.printJson({
      ...summaryAsData(letter),
      original_key_b64: key,
      original_headers: headers,
      record: json,
      payload_b64: json === undefined ? payload : undefined,
    });
    return EXIT.ok;
  }
  const { dim, bold, yellow } = output.style;
  const rows = detailsOf(letter, text).filter((row): row is [string, string] => row[1] !== undefined);
  output.print(bold(`Dead letter ${idOf(letter.place)}`));
  output.print(
    renderTable(rows.map(([name, value]) => [dim(name), value]), { width: output.width, indent: "  " }),
  );
  if (letter.withheld) {
    output.print(
      yellow("  Its row is not kept: what failed was to hide a part of it, or would have been behind"),
    );
  }
  output.print();
  output.print(
    json !== undefined ? jsonText(json) : text ?? letter.payload.toHex().replace(/(..)/g, "$1 ").trimEnd(),
  );
  return EXIT.ok;
}

function detailsOf(letter: Letter, text: string | undefined): [string, string | undefined][] {
  const { origin, key, headers, retryCount } = letter;
  return [
    ["pipeline", letter.pipeline || undefined],
    ["time", rfc3339(letter.atMicros)],
    ["stage", `${stepOf(letter)} (${letter.connectorName})`],
    ["error", `${letter.error} [${letter.code}]`],
    ["replayed", retryCount > 0 ? `${retryCount} times in vain` : undefined],
    ["stream", qualifiedName(letter.stream)],
    ["lane", letter.lane || undefined],
    ["order", letter.order],
    ["message", origin && `${origin.topic}, partition ${origin.partition}, offset ${origin.offset}`],
    ["key", key && (utf8(key) ?? key.toHex())],
    ...(headers ?? []).map(([name, value]): [string, string] => [
      `header ${name}`,
      typeof value === "string" ? value : utf8(value) ?? value.toHex(),
    ]),
    ["size", `${letter.payload.length.toLocaleString("en")} bytes${text === undefined ? ", no text" : ""}`],
  ];
}

async function chosen(context: Context): Promise<readonly Letter[]> {
  const { letters, ids } = context;
  const wanted = ids.length > 0 ? [...new Set(ids)] : (await listed(context)).map(({ place }) => idOf(place));
  const found: Letter[] = [];
  for (const id of wanted) found.push(await letters.get(id));
  return found;
}

async function replay(context: Context): Promise<number> {
  const { letters, args, output, plan } = context;
  const found = await chosen(context);
  if (found.length === 0) {
    output.say("There is nothing to replay");
    return EXIT.ok;
  }
  const results = await replayLetters(found, { plan, letters, args, log: logTo(output, "warn", "text") });
  const failed = results.filter(({ error }) => error !== undefined);
  if (output.json) output.printJson(results);
  else {
    for (const { id, error } of failed) output.warn(`${id} was rejected again: ${error}`);
    output.print(
      `${results.length - failed.length} of ${results.length} dead letters are in their sink` +
        (failed.length > 0 ? "; the others are kept" : ""),
    );
  }
  return failed.length > 0 ? EXIT.failed : EXIT.ok;
}

async function drop(context: Context): Promise<number> {
  const { letters, args, output } = context;
  const found = await chosen(context);
  if (found.length === 0) {
    output.say("There is nothing to drop");
    return EXIT.ok;
  }
  const what = found.length === 1 ? "1 dead letter" : `${found.length} dead letters`;
  if (!args.flag("yes") && !await isConfirmed(`Drop ${what} for good?`, output)) return EXIT.failed;
  letters.drop(found.map(({ place }) => place));
  if (output.json) output.printJson({ dropped: found.map(({ place }) => idOf(place)) });
  else output.print(`${what} dropped`);
  return EXIT.ok;
}

async function isConfirmed(question: string, output: Output): Promise<boolean> {
  if (!Deno.stdin.isTerminal()) {
    throw new UsageError("Dropping is for good, and nobody is there to be asked", "Add --yes");
  }
  output.say(`${question} [y/N]`);
  const buffer = new Uint8Array(64);
  const size = await Deno.stdin.read(buffer) ?? 0;
  return /^y(es)?\s*$/i.test(new TextDecoder().decode(buffer.subarray(0, size)));
}

const strict = new TextDecoder("utf-8", { fatal: true });

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
