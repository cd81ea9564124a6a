/** Records that a sink refuses for good: kept, skipped or fatal, as the pipeline's `on_error` says. */
import type { Logger } from "../connectors/contract.ts";
import type { Batch } from "../formats/data/batch.ts";
import { ConnectorError, type RecordError } from "../formats/data/errors.ts";
import type { DeadLetter } from "./checkpoint.ts";

export interface RejectionPolicy {
  readonly flow: string;
  readonly onError: "skip" | "stop" | "dead_letter";
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
  /** Records in this window and the one before it, and how many of them were rejected. */
  #seen = [0, 0];
  #rejected = [0, 0];

  constructor(policy: RejectionPolicy, log: Logger) {
    this.#policy = policy;
    this.#log = log;
  }

  /** What `context.reject` does. */
  readonly reject = (batch: Batch, i: number, error: RecordError): void => {
    const { name: stream, namespace } = batch.stream(i);
    const order = batch.order(i);
    const where = `record ${order ?? i} of ${stream}`;
    this.#rejected[0]++;
    if (this.#policy.onError === "skip") {
      this.#skipped++;
      this.#log.warn(`Skipped ${where}: ${error.message}`, { code: error.code, lane: batch.lane });
    } else if (this.#policy.onError === "dead_letter") {
      this.#letters.push({
        lane: batch.lane,
        order,
        stream,
        namespace,
        stage: "sink",
        code: error.code,
        error: error.message,
        payload: standardText(batch, i),
        key: batch.span(i, "key")?.slice(),
      });
    } else {
      this.#fatal ??= new ConnectorError(`The sink refused ${where}: ${error.message}`, {
        code: "serialization_record_rejected",
        hint:
          `Set settings.on_error of pipeline "${this.#policy.flow}" to dead_letter or skip to go on without such records`,
        cause: error,
      });
    }
  };

  /** Counts records that were handed to the sink, and stops a flow that rejects too many. */
  count(records: number): void {
    this.#seen[0] += records;
    if (this.#fatal) throw this.#fatal;
    const seen = this.#seen[0] + this.#seen[1];
    const rejected = this.#rejected[0] + this.#rejected[1];
    if (
      this.#policy.onError === "dead_letter" && seen >= WINDOW / 10 && rejected > seen * this.#policy.maxRatio
    ) {
      throw new ConnectorError(`The sink refused ${rejected} of the last ${seen} records`, {
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
    const taken = { deadLetters: this.#letters, skipped: this.#skipped };
    this.#letters = [];
    this.#skipped = 0;
    return taken;
  }
}

/** Put together from the record's parts, so that one whose row can't be parsed is kept as well. */
function standardText(batch: Batch, i: number): Uint8Array {
  return batch.select((k) => k === i).inLayout("standard").bytes.slice();
}
