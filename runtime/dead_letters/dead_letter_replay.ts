/**
 * Dead letters back into the sink of their pipeline: through a worker with the sink's rights, behind the transforms that
 * they had not come through yet. At least once: what is called when the sink has flushed removes them. For `dlq replay`.
 */
import type { Permissions } from "../../connectors/contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { orderText, type Position } from "../../formats/data/batch.ts";
import type { Json } from "../../formats/data/value.ts";
import { type PlannedStep, transformsOf } from "../chain/chain_plan.ts";
import type { Marks } from "../state/checkpoint.ts";
import type { DeadLetter } from "./dead_letter.ts";
import type { ReplayedRecord } from "./dead_letter_source.ts";
import type { Flushed } from "../pipeline.ts";
import type { PlannedFlow, PlannedSource } from "../plan.ts";
import { type Fields, type LogLevel, PROTOCOL_VERSION } from "../protocol.ts";
import { HEARTBEAT, Remote, type RemoteEvents } from "../remote.ts";
import type { RunContext } from "../source_run.ts";

/** The connector that gives them; it has a worker entry point and no definition. */
export const REPLAY_CONNECTOR = "dead_letters";

/** A letter with the record that is to be written. */
export interface Replayed {
  readonly letter: DeadLetter;
  readonly record: DataRecord;
}

/** What became of one letter: written, or what was wrong this time. */
export type ReplayOutcome = { readonly code: string; readonly error: string } | undefined;

export interface ReplayOptions {
  readonly source: PlannedSource;
  readonly flow: PlannedFlow;
  readonly programVersion: string;
  readonly workerUrl: RunContext["workerUrl"];
  /** How far the flow is, as the checkpoint knows it: where the target stores that with the data, it stays so. */
  readonly marks: Marks;
  readonly position: Position | undefined;
  /** What the sink's last `flush()` returned. */
  readonly saved: Json | undefined;
  /** What the source (whose topics are whose) and the sink have put, and where more of it goes. */
  readonly documents: Readonly<Record<"source" | "sink", Readonly<Record<string, Json>>>>;
  readonly put: (role: "source" | "sink", ...documents: Parameters<RemoteEvents["put"]>) => void;
  readonly log: (level: LogLevel, message: string, fields?: Fields) => void;
}

/** What a replay has made durable. */
export interface ReplayResult {
  /** One for each letter, in their order. */
  readonly outcomes: readonly ReplayOutcome[];
  /** What the sink's last `flush()` returned: to be saved together with the removal of the letters. */
  readonly saved: Json | undefined;
}

/**
 * The transforms that a letter has not come through.
 *
 * @throws {ConnectorError} `config_dead_letter_transform` when the one that failed is not in the pipeline
 */
export function stepsFor(
  letter: DeadLetter,
  source: PlannedSource,
  flow: PlannedFlow,
): readonly PlannedStep[] {
  if (letter.stage === "sink" || letter.stage === "publish" && letter.transform === undefined) return [];
  if (letter.stage === "decode") return [...source.transforms, ...flow.transforms];
  const all = [...source.transforms, ...flow.transforms];
  const found = all.flatMap((step, at) => step.name === letter.transform ? [at] : []);
  if (found.length === 1) return all.slice(found[0]);
  const isInside = [...transformsOf(all)].some(({ name }) => name === letter.transform);
  throw new ConnectorError(
    `Cannot tell where the record goes on: transform "${letter.transform}" of pipeline "${flow.name}" is ` +
      (found.length > 1 ? "there more than once" : isInside ? "inside of a fork" : "there no more"),
    {
      code: "config_dead_letter_transform",
      hint:
        "Bring it back under that name, or drop the letter once its row has reached the sink in another way",
    },
  );
}

/**
 * Replays letters that have the same transforms before them.
 *
 * @throws {ConnectorError} when the sink can't be opened or fails; then nothing is certain, and nothing is to be removed
 */
export async function replay(
  letters: readonly Replayed[],
  steps: readonly PlannedStep[],
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { source, flow, programVersion } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const due = new Due();
  const remote = (role: "source" | "sink", connector: string, title: string, permissions: Permissions) =>
    new Remote({
      title,
      permissions,
      url: options.workerUrl(connector, role),
      ...HEARTBEAT,
      events: {
        log: options.log,
        beat: () => {},
        due: () => due.ask(),
        ended: () => {},
        failed: failed.reject,
        put: (...documents) => options.put(role, ...documents),
      },
    });
  const records = letters.map(({ letter, record }, i): ReplayedRecord => ({
    lane: letter.lane,
    // By its order a record is found again among what was rejected.
    record: record.order === undefined ? { ...record, order: orderText("replay", i) } : record,
  }));
  const common = { protocol: PROTOCOL_VERSION, debug: false, failpoint: undefined, ...HEARTBEAT } as const;
  await using workers = new AsyncDisposableStack();
  const giver = workers.use(remote("source", REPLAY_CONNECTOR, `the dead letters of "${flow.name}"`, {}));
  const sink = workers.use(
    remote("sink", flow.sink.connector, `sink "${flow.sink.name}"`, flow.sink.permissions),
  );
  const orFail = <T>(work: Promise<T>) => Promise.race([work, failed.promise]);
  await orFail(Promise.all([
    giver.call("open", {
      ...common,
      role: "source",
      connector: REPLAY_CONNECTOR,
      name: source.name,
      config: { records },
      documents: options.documents.source,
      origin: { connector: source.connector, name: source.name, version: programVersion },
      layout: flow.layout,
      streams: [],
      // Those that were never decoded have no topic yet.
      routing: source.routing,
      preview: false,
    }),
    sink.call("open", {
      ...common,
      role: "sink",
      connector: flow.sink.connector,
      name: flow.sink.name,
      config: flow.sink.config,
      documents: options.documents.sink,
      flow: flow.name,
      layout: flow.layout,
      saved: options.saved,
      limits: flow.batch,
      onError: "dead_letter",
      deadLetterMaxRatio: 1,
    }),
  ]));
  const { port1, port2 } = new MessageChannel();
  const from = { name: source.name, connector: source.connector };
  const progress = await orFail(sink.call("recover", undefined)) ?? {
    source: source.name,
    connector: source.connector,
    marks: options.marks,
    ...(options.position ? { position: options.position } : {}),
  };
  // No marks: a letter is behind them.
  await orFail(sink.call("startSink", { port: port2, marks: {}, source: from, progress }, [port2]));
  const flows = [{ port: port1, streams: [], transforms: keepingAll(steps), eventsPerSecond: 0 }];
  const start = { from: undefined, flows, transforms: [], eventsPerSecond: 0 };
  await orFail(giver.call("startSource", start, [port1]));

  const rejected: DeadLetter[] = [];
  let saved: Json | undefined;
  let flushed: Flushed;
  do {
    await orFail(due.next());
    flushed = await orFail(sink.call("flush", undefined));
    rejected.push(...flushed.deadLetters);
    saved = flushed.saved ?? saved;
  } while (!flushed.isLast);
  const outcomes = records.map(({ lane, record: { order } }): ReplayOutcome => {
    const again = rejected.find((letter) => letter.lane === lane && letter.order === order);
    return again && { code: again.code, error: again.error };
  });
  return { outcomes, saved };
}

/** A replay tells what can't go on, whatever the pipeline does about it. */
function keepingAll(steps: readonly PlannedStep[]): readonly PlannedStep[] {
  return steps.map((step) =>
    step.kind === "fork"
      ? { ...step, then: keepingAll(step.then), otherwise: keepingAll(step.otherwise) }
      : step.onError === "pass"
      ? step
      : { ...step, onError: "dead_letter" }
  );
}

/** Requests for a flush, of which none is lost. */
class Due {
  #isAsked = false;
  #wake: (() => void) | undefined;

  ask(): void {
    this.#isAsked = true;
    this.#wake?.();
  }

  async next(): Promise<void> {
    while (!this.#isAsked) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#isAsked = false;
  }
}
