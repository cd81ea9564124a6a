/**
 * One place in a chain: a transform with its predicate and what becomes of records that it can't handle, or a fork
 * into two chains. chain.ts runs them one after the other.
 */
import type { Batch } from "../../formats/data/batch.ts";
import { ConnectorError, type RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Transform, TransformModule } from "../../transforms/contract.ts";
import type { Chain, ChainOptions } from "./chain.ts";
import type { PlannedPredicate, PlannedStep, PlannedTransform } from "./chain_plan.ts";
import { compilePredicate, type Decision, type Predicate } from "./predicate.ts";
import type { SourceRejections } from "../dead_letters/source_rejections.ts";

/** What a step has to do with the records of a stream. */
export type Route =
  /** Nothing. */
  | { readonly kind: "pass" }
  /** Their stream becomes another one, of which nothing is written in their texts. */
  | { readonly kind: "restream"; readonly to: Stream }
  /** It has to look at the records. */
  | { readonly kind: "parse" };

export interface Step extends AsyncDisposable {
  route(stream: Stream): Route;
  run(records: readonly DataRecord[], batch: Batch): Promise<readonly DataRecord[]>;
}

type Rejections = Pick<SourceRejections, "rejectRecord">;

const PASS: Route = { kind: "pass" };
const PARSE: Route = { kind: "parse" };

/**
 * @param rejections takes the records that can't go on
 * @param openChain opens the chains of a fork
 */
export async function openStep(
  planned: PlannedStep,
  options: ChainOptions,
  rejections: Rejections,
  openChain: (steps: readonly PlannedStep[]) => Promise<Chain>,
): Promise<Step> {
  const { name } = planned;
  const predicate = (one: PlannedPredicate | undefined): Predicate =>
    one === undefined ? () => true : compilePredicate(one, {
      compileCondition: options.compileCondition,
      warn: (message) => options.context.log.warn(`Transform "${name}": ${message}`),
    });
  if (planned.kind === "fork") {
    await using opened = new AsyncDisposableStack();
    const then = opened.use(await openChain(planned.then));
    const otherwise = opened.use(await openChain(planned.otherwise));
    opened.move();
    return new Fork(predicate(planned.predicate), predicate(planned.when), then, otherwise);
  }
  const load = options.implementations[planned.type];
  if (!load) {
    throw new ConnectorError(`There is no transform "${planned.type}" in this build`, { code: "config" });
  }
  const { openTransform } = await load() as TransformModule;
  let transform: Transform;
  try {
    transform = await openTransform(planned.config as never, {
      ...options.context,
      name,
      log: { warn: (message) => options.context.log.warn(`Transform "${name}": ${message}`) },
    });
  } catch (error) {
    throw named(error, name, options.of);
  }
  return new TransformStep(planned, transform, predicate(planned.predicate), rejections, options.of);
}

/** What a transform does with one stream. */
interface Part {
  /** Which of its records are transformed. */
  readonly takes: Decision;
  readonly out: Stream;
}

class TransformStep implements Step {
  readonly #planned: PlannedTransform;
  readonly #transform: Transform;
  readonly #predicate: Predicate;
  readonly #rejections: Rejections;
  readonly #of: string | undefined;
  readonly #parts = new WeakMap<Stream, Part>();
  #lastStream: Stream | undefined;
  #lastPart: Part | undefined;

  constructor(
    planned: PlannedTransform,
    transform: Transform,
    predicate: Predicate,
    rejections: Rejections,
    of: string | undefined,
  ) {
    this.#planned = planned;
    this.#transform = transform;
    this.#predicate = predicate;
    this.#rejections = rejections;
    this.#of = of;
  }

  route(stream: Stream): Route {
    const { takes, out } = this.#part(stream);
    if (takes === false) return PASS;
    if (this.#transform.apply) return PARSE;
    if (out === stream) return PASS;
    return takes === true && isWrittenAlike(stream, out) ? { kind: "restream", to: out } : PARSE;
  }

  run(records: readonly DataRecord[], batch: Batch): Promise<readonly DataRecord[]> {
    return inRuns(
      records,
      (record) => holds(this.#part(record.stream).takes, record),
      (run, takes) => takes ? this.#apply(run, batch) : run,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transform[Symbol.asyncDispose]?.();
  }

  #part(stream: Stream): Part {
    // Records of a table mostly follow each other.
    if (stream === this.#lastStream) return this.#lastPart!;
    let part = this.#parts.get(stream);
    if (!part) this.#parts.set(stream, part = this.#makePart(stream));
    this.#lastStream = stream;
    this.#lastPart = part;
    return part;
  }

  #makePart(stream: Stream): Part {
    try {
      const takes = this.#predicate(stream);
      if (takes === false || this.#transform.matches?.(stream) === false) {
        return { takes: false, out: stream };
      }
      return { takes, out: this.#transform.stream?.(stream) ?? stream };
    } catch (error) {
      throw named(error, this.#planned.name, this.#of);
    }
  }

  async #apply(records: readonly DataRecord[], batch: Batch): Promise<readonly DataRecord[]> {
    const entering = this.#withStreams(records);
    if (!this.#transform.apply) return entering;
    const rejected: [DataRecord, RecordError][] = [];
    let made: readonly DataRecord[];
    try {
      made = await this.#transform.apply(entering, (record, error) => rejected.push([record, error]));
    } catch (error) {
      throw named(error, this.#planned.name, this.#of);
    }
    if (rejected.length === 0) return made;
    const passed: DataRecord[] = [];
    for (const [record, error] of rejected) {
      const asItCame = records[entering.indexOf(record)] ?? record;
      const { name, onError, withoutRow } = this.#planned;
      if (onError === "pass") passed.push(asItCame);
      else this.#rejections.rejectRecord(batch, asItCame, error, { transform: name, withoutRow, onError });
    }
    return passed.length === 0 ? made : inOrder(made, passed);
  }

  #withStreams(records: readonly DataRecord[]): readonly DataRecord[] {
    let changed = false;
    const out = records.map((record) => {
      const { out } = this.#part(record.stream);
      if (out === record.stream) return record;
      changed = true;
      return { ...record, stream: out };
    });
    return changed ? out : records;
  }
}

class Fork implements Step {
  readonly #predicate: Predicate;
  readonly #when: Predicate;
  readonly #then: Chain;
  readonly #otherwise: Chain;
  readonly #decisions = new WeakMap<Stream, { takes: Decision; when: Decision }>();

  constructor(predicate: Predicate, when: Predicate, then: Chain, otherwise: Chain) {
    this.#predicate = predicate;
    this.#when = when;
    this.#then = then;
    this.#otherwise = otherwise;
  }

  route(stream: Stream): Route {
    const { takes, when } = this.#decide(stream);
    if (takes === false) return PASS;
    const ways = when === true
      ? [this.#then]
      : when === false
      ? [this.#otherwise]
      : [this.#then, this.#otherwise];
    const routes = ways.map((chain) => chain.route(stream));
    if (routes.every(({ kind }) => kind === "pass")) return PASS;
    return takes === true && routes.length === 1 ? routes[0] : PARSE;
  }

  run(records: readonly DataRecord[], batch: Batch): Promise<readonly DataRecord[]> {
    const wayOf = (record: DataRecord) => {
      const { takes, when } = this.#decide(record.stream);
      if (!holds(takes, record)) return undefined;
      return holds(when, record) ? this.#then : this.#otherwise;
    };
    return inRuns(records, wayOf, (run, way) => way ? way.runRecords(run, batch) : run);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#otherwise[Symbol.asyncDispose]();
    await this.#then[Symbol.asyncDispose]();
  }

  #decide(stream: Stream): { takes: Decision; when: Decision } {
    let decided = this.#decisions.get(stream);
    if (!decided) {
      decided = { takes: this.#predicate(stream), when: this.#when(stream) };
      this.#decisions.set(stream, decided);
    }
    return decided;
  }
}

function holds(decision: Decision, record: DataRecord): boolean {
  return typeof decision === "boolean" ? decision : decision(record);
}

/** Records that go the same way, as long as they follow each other, so that their order stays. */
async function inRuns<Way>(
  records: readonly DataRecord[],
  wayOf: (record: DataRecord) => Way,
  run: (records: readonly DataRecord[], way: Way) => readonly DataRecord[] | Promise<readonly DataRecord[]>,
): Promise<readonly DataRecord[]> {
  const out: DataRecord[] = [];
  let start = 0;
  let way = wayOf(records[0]);
  for (let i = 1; i <= records.length; i++) {
    const next = i < records.length ? wayOf(records[i]) : undefined;
    if (i < records.length && next === way) continue;
    const isAll = start === 0 && i === records.length;
    const made = await run(isAll ? records : records.slice(start, i), way);
    if (isAll) return made;
    for (const record of made) out.push(record);
    start = i;
    way = next!;
  }
  return out;
}

/** Does a record of either stream have the same text in every layout? */
function isWrittenAlike(a: Stream, b: Stream): boolean {
  return a.name === b.name && a.namespace === b.namespace && a.database === b.database &&
    a.payload === b.payload && a.columns === b.columns && a.version === b.version &&
    a.key.length === b.key.length && a.key.every((name, i) => name === b.key[i]);
}

/** Records that passed untransformed, back at their places; at the end where records have no order. */
function inOrder(made: readonly DataRecord[], passed: readonly DataRecord[]): readonly DataRecord[] {
  const out: DataRecord[] = [];
  let k = 0;
  for (const record of made) {
    while (k < passed.length && isBefore(passed[k], record)) out.push(passed[k++]);
    out.push(record);
  }
  for (; k < passed.length; k++) out.push(passed[k]);
  return out;
}

function isBefore({ order: a }: DataRecord, { order: b }: DataRecord): boolean {
  return a !== undefined && b !== undefined && a < b;
}

/**
 * Says which transform failed. What is no ConnectorError is a fault of the transform's code, and its message may hold
 * a value of the row (`Cannot convert 4111… to a BigInt`), so that only its kind and place are told.
 */
function named(error: unknown, name: string, of: string | undefined): ConnectorError {
  const whose = of === undefined || name.endsWith(of) ? `"${name}"` : `"${name}" of ${of}`;
  if (error instanceof ConnectorError) {
    const { message, code, hint, retryable, retryAfterMs, cause } = error;
    if (message.includes(`"${name}"`)) return error;
    return new ConnectorError(`Transform ${whose}: ${message}`, {
      code,
      hint,
      retryable,
      retryAfterMs,
      cause,
    });
  }
  const kind = error instanceof Error ? error.name : typeof error;
  return new ConnectorError(`Transform ${whose} failed: ${kind}`, {
    code: "internal_transform",
    cause: error,
  });
}
