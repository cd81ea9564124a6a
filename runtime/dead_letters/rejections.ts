/**
 * Records that can't go on: kept, skipped or fatal, as the pipeline's `on_error` says. Those that the sink refuses
 * come from `context.reject`, those from before it with their batch (source_rejections.ts).
 */
import type { Logger } from "../../connectors/contract.ts";
import type { Batch } from "../../formats/data/batch.ts";
import { ConnectorError, type RecordError } from "../../formats/data/errors.ts";
import { type DeadLetter, letterOf, type OnError, type Rejected } from "./dead_letter.ts";

export interface RejectionPolicy {
  readonly flow: string;
  readonly onError: OnError;
  /** More rejected ones than this share of the last 1000 records stop the flow. */
  readonly maxRatio: number;
}

/** How many records the ratio looks back on. */
const WINDOW = 1000;

export class Rejections {
  readonly #policy: RejectionPolicy;
  readonly #log: Logger;
  #letters: DeadLetter[] = [];
  #skipped = 0;
  #fatal: ConnectorError | undefined;
  /** Records in this window and the one before it, and how many of them became dead letters. */
  #seen = [0, 0];
  #rejected = [0, 0];

  constructor(policy: RejectionPolicy, log: Logger) {
    this.#policy = policy;
    this.#log = log;
  }

  /** How many dead letters wait for the next flush. */
  get waiting(): number {
    return this.#letters.length;
  }

  /** What `context.reject` of a sink does. */
  readonly reject = (batch: Batch, i: number, error: RecordError): void => {
    const { name } = batch.stream(i);
    const where = { stream: name, lane: batch.lane, order: batch.order(i), i };
    const onError = this.#policy.onError;
    if (onError === "dead_letter") this.#keep(letterOf(batch, i, "sink", error));
    else if (onError === "skip") this.#skip(where, error);
    else this.#stop(`The sink refused ${recordAt(where)}: ${error.message}`, { cause: error });
  };

  /** A record that never came as far as the sink. */
  add({ letter, onError: own, quiet }: Rejected): void {
    const onError = own ?? this.#policy.onError;
    const where = { stream: letter.stream.name, lane: letter.lane, order: letter.order };
    this.#seen[0]++;
    if (onError === "dead_letter") this.#keep(letter);
    else if (onError === "skip") this.#skip(where, { message: letter.error, code: letter.code }, quiet);
    else {
      const what = letter.stage === "decode" ? "Cannot decode" : `Transform "${letter.transform}" failed on`;
      const hint = own &&
        (letter.stage === "decode"
          ? "Its source's event_processing_failure_handling_mode asks for that"
          : `Give transform "${letter.transform}" on_error: dead_letter or skip to go on without such records`);
      this.#stop(`${what} ${recordAt(where)}: ${letter.error}`, { hint });
    }
  }

  /** Stops a flow of which a record must not be rejected. */
  check(): void {
    if (this.#fatal) throw this.#fatal;
  }

  /** Counts records that were handed to the sink, and stops a flow that rejects too many. */
  count(records: number): void {
    this.check();
    this.#seen[0] += records;
    const seen = this.#seen[0] + this.#seen[1];
    const rejected = this.#rejected[0] + this.#rejected[1];
    if (seen >= WINDOW / 10 && rejected > seen * this.#policy.maxRatio) {
      throw new ConnectorError(`${rejected} of the last ${seen} records were rejected`, {
        code: "fatal_too_many_rejected",
        hint: "Mend the target or the pipeline first; settings.dead_letter_max_ratio sets the bound",
      });
    }
    if (this.#seen[0] >= WINDOW) {
      this.#seen = [0, this.#seen[0]];
      this.#rejected = [0, this.#rejected[0]];
    }
  }

  /** Hands over what was rejected since the last call. */
  take(): { deadLetters: readonly DeadLetter[]; skipped: number } {
    if (this.#fatal) throw this.#fatal;
    const taken = { deadLetters: this.#letters.toSorted(inOrder), skipped: this.#skipped };
    this.#letters = [];
    this.#skipped = 0;
    return taken;
  }

  #keep(letter: DeadLetter): void {
    this.#letters.push(letter);
    this.#rejected[0]++;
  }

  #skip(where: Where, { message, code }: { message: string; code: string }, quiet = false): void {
    this.#skipped++;
    if (!quiet) this.#log.warn(`Skipped ${recordAt(where)}: ${message}`, { code, lane: where.lane });
  }

  #stop(message: string, { hint, cause }: { hint?: string; cause?: RecordError }): void {
    this.#fatal ??= new ConnectorError(message, {
      code: "serialization_record_rejected",
      hint: hint ??
        `Set settings.on_error of pipeline "${this.#policy.flow}" to dead_letter or skip to go on without such records`,
      cause,
    });
  }
}

/** As the records were, since a sink may refuse in another order what it sends side by side. */
function inOrder(a: DeadLetter, b: DeadLetter): number {
  if (a.lane !== b.lane) return a.lane < b.lane ? -1 : 1;
  const [first = "", second = ""] = [a.order, b.order];
  return first === second ? 0 : first < second ? -1 : 1;
}

interface Where {
  readonly stream: string;
  readonly lane: string;
  readonly order: string | undefined;
  /** Its number in its batch, where it has no order. */
  readonly i?: number;
}

function recordAt({ stream, order, i }: Where): string {
  const number = order ?? i;
  return number === undefined ? `a record of ${stream}` : `record ${number} of ${stream}`;
}
