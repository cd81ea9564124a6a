/**
 * Rows with a value that can't be read: what `event_processing_failure_handling_mode` and the pipeline's `on_error` say
 * happens to them. In the letter such a value is the server's own text, so that it can be corrected and replayed.
 */
import type { Batch } from "../../formats/data/batch.ts";
import { RecordError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { SourceContext } from "../contract.ts";

export function unreadableRows(config: FailureKeys, context: Pick<SourceContext, "reject">): UnreadableRows {
  return new UnreadableRows(context.reject, config.event_processing_failure_handling_mode);
}

export interface FailureKeys {
  /** Debezium's word; undefined: what the pipeline's `on_error` says. */
  readonly event_processing_failure_handling_mode?: "fail" | "warn" | "skip";
}

export class UnreadableRows {
  readonly #reject: SourceContext["reject"];
  readonly #mode: FailureKeys["event_processing_failure_handling_mode"];

  constructor(reject: SourceContext["reject"], mode: FailureKeys["event_processing_failure_handling_mode"]) {
    this.#reject = reject;
    this.#mode = mode;
  }

  /** @param batch what the row became; its records never get into another one */
  reject(batch: Batch, error: RecordError): void {
    const onError = this.#mode && (this.#mode === "fail" ? "stop" as const : "skip" as const);
    for (let i = 0; i < batch.length; i++) {
      this.#reject({
        stream: batch.stream(i),
        lane: batch.lane,
        order: batch.order(i),
        payload: batch.select((k) => k === i).inLayout("standard").bytes,
        key: batch.span(i, "key"),
        onError,
        quiet: this.#mode === "skip",
      }, error);
    }
  }
}

/** The same error with the name of the column. */
export function unreadableColumn(stream: Stream, place: number, cause: RecordError): RecordError {
  const column = stream.columns?.[place]?.name ?? `number ${place + 1}`;
  return new RecordError(`Cannot read column "${column}" of "${qualifiedName(stream)}": ${cause.message}`, {
    code: cause.code,
    cause,
  });
}
