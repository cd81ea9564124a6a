/** `dlq replay`: letters as they were or edited, grouped by where they go on, and settled group by group. */
import { ConnectorError } from "../formats/data/errors.ts";
import { parseJson } from "../formats/data/json_value.ts";
import type { Row, Value } from "../formats/data/value.ts";
import type { PlannedStep } from "../runtime/chain/chain_plan.ts";
import { letterJson, merged, recordOf, withValue } from "../runtime/dead_letters/dead_letter_record.ts";
import { replay, type Replayed, stepsFor } from "../runtime/dead_letters/dead_letter_replay.ts";
import { armFailpoint, parseFailpoint, reached } from "../runtime/failpoint.ts";
import type { Plan, PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { workerUrl } from "../runtime/remote.ts";
import { type Arguments, UsageError } from "./command.ts";
import { idOf, type Letter, type Letters } from "./dlq_letters.ts";
import type { Log } from "./log_lines.ts";
import { VERSION } from "./version.ts";
import { requireConfinedWorkers } from "./workers.ts";

/** So many are under way before they are settled; after a crash, as many may come twice. */
const GROUP = 500;

export interface ReplayedLetter {
  readonly id: string;
  readonly pipeline: string;
  /** Why it was rejected again; undefined: it is in the sink. */
  readonly error?: string;
}

interface Group {
  readonly source: PlannedSource;
  readonly flow: PlannedFlow;
  readonly steps: readonly PlannedStep[];
  readonly letters: (Replayed & { readonly letter: Letter })[];
}

export async function replayLetters(
  found: readonly Letter[],
  { plan, letters, args, log }: {
    readonly plan: Plan;
    readonly letters: Letters;
    readonly args: Arguments;
    readonly log: Log;
  },
): Promise<readonly ReplayedLetter[]> {
  const edit = await editOf(args);
  // Everything that can be wrong with a letter is, before the first one is written.
  const groups = groupsOf(found, plan, edit);
  await requireConfinedWorkers();
  armFailpoint(parseFailpoint(Deno.env.get("RIVVEN_FAILPOINT")));
  const results: ReplayedLetter[] = [];
  for (const { source, flow, steps, letters: group } of groups) {
    const { checkpoints } = letters;
    const scopes = { source: `source ${source.name}`, sink: `sink ${flow.sink.name}` };
    const { outcomes, saved } = await replay(group, steps, {
      source,
      flow,
      programVersion: VERSION,
      workerUrl,
      marks: checkpoints?.marks(flow.name) ?? {},
      position: checkpoints?.position(source.name, source.connector),
      saved: checkpoints?.saved(flow.name, flow.sink.name),
      documents: {
        source: checkpoints?.documents(scopes.source) ?? {},
        sink: checkpoints?.documents(scopes.sink) ?? {},
      },
      put: (role, documents) => checkpoints?.putDocuments(scopes[role], documents),
      log: (level, message, fields) => log(level, `${flow.name} → ${flow.sink.name}`, message, fields),
    });
    const done = group.filter((_, i) => outcomes[i] === undefined).map(({ letter }) => letter.place);
    const failed = group.flatMap(({ letter: { place } }, i) =>
      outcomes[i] ? [{ place, ...outcomes[i] }] : []
    );
    reached("before_save");
    letters.settle({ flow: flow.name, sink: flow.sink.name, saved }, done, failed);
    results.push(...group.map(({ letter }, i) => ({
      id: idOf(letter.place),
      pipeline: flow.name,
      ...(outcomes[i] ? { error: outcomes[i].error } : {}),
    })));
  }
  return results;
}

function groupsOf(
  found: readonly Letter[],
  plan: Plan,
  edit: (letter: Letter) => Value | undefined,
): Group[] {
  const groups: Group[] = [];
  for (const letter of found) {
    const { source, flow } = flowOf(letter, plan);
    const record = recordOf(letter, edit(letter));
    const steps = stepsFor(letter, source, flow);
    let group = groups.at(-1);
    if (
      group?.flow !== flow || group.letters.length >= GROUP || group.steps.length !== steps.length ||
      group.steps.some((step, i) => step !== steps[i])
    ) {
      group = { source, flow, steps, letters: [] };
      groups.push(group);
    }
    group.letters.push({ letter, record });
  }
  return groups;
}

function flowOf(letter: Letter, plan: Plan): { source: PlannedSource; flow: PlannedFlow } {
  for (const source of plan.sources) {
    const flow = source.flows.find(({ name }) => name === letter.pipeline);
    if (flow) return { source, flow };
  }
  throw new ConnectorError(
    `Cannot replay dead letter ${idOf(letter.place)}: the file has no enabled pipeline "${letter.pipeline}"`,
    {
      code: "config_dead_letter_pipeline",
      hint: "Bring the pipeline back, or choose others with --pipeline NAME",
    },
  );
}

/** What a letter is to be, as the options say. */
async function editOf(args: Arguments): Promise<(letter: Letter) => Value | undefined> {
  const [from, patch] = [args.text("from"), args.text("edit")];
  if (from !== undefined) {
    const whole = await readJson(from, "--from");
    return () => whole;
  }
  const change = patch === undefined ? undefined : await readJson(patch, "--edit");
  const sets = args.list("set").map(assignmentOf);
  return (letter) => {
    const json = letterJson(letter);
    if (letter.withheld) {
      throw new ConnectorError(
        `Dead letter ${idOf(letter.place)} has no row: what failed was to hide a part of it`,
        {
          code: "serialization_dead_letter",
          hint: "Give the whole record with --from FILE; it goes through the transform that failed",
        },
      );
    }
    if (json === undefined) return json;
    if (!letter.record?.bare && letter.record?.operation !== "schema") {
      for (const { path: [name] } of sets) refuseUnknown(name, "--set", json);
      for (const name of isRow(change) ? Object.keys(change) : []) refuseUnknown(name, "--edit", json);
    }
    return sets.reduce<Value>(
      (edited, { path, value }) => withValue(edited, path, value),
      change === undefined ? json : merged(json, change),
    );
  };
}

const ROWS: readonly string[] = ["before", "after", "message"];

/** A member that no record has would change nothing: most often a column without the row that it is in. */
function refuseUnknown(name: string, option: string, json: Value): void {
  if (ROWS.includes(name) || (isRow(json) && Object.hasOwn(json, name))) return;
  throw new UsageError(
    `${option}: the record has no "${name}" to be changed`,
    `Columns are in the row, as in after.${name}`,
  );
}

function isRow(value: Value | undefined): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** `after.total=12.5`: the value as JSON, or as text where it is none. */
function assignmentOf(text: string): { path: readonly string[]; value: Value } {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new UsageError(`--set needs a path and a value, not "${text}"`, "Such as --set after.total=12.5");
  }
  const [path, written] = [text.slice(0, equals), text.slice(equals + 1)];
  let value: Value = written;
  try {
    value = parseJson(written, true);
  } catch {
    // Text it is.
  }
  return { path: path.split("."), value };
}

async function readJson(file: string, option: string): Promise<Value> {
  let text: string;
  try {
    text = file === "-" ? await new Response(Deno.stdin.readable).text() : await Deno.readTextFile(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read the file of ${option}: ${why}`);
  }
  try {
    return parseJson(text, true);
  } catch (cause) {
    throw new UsageError(`The file of ${option} is no JSON: ${(cause as Error).message}`);
  }
}
