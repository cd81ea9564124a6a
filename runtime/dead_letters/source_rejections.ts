/**
 * What a source could not decode and what its transforms could not handle, on its way to the sink's end of the flow
 * together with the batch whose position covers it. Lives in the source's worker; rejections.ts is the other end.
 */
import type { UndecodedRecord } from "../../connectors/contract.ts";
import type { BatchHead } from "../../formats/data/batch.ts";
import type { RecordError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { letterOfRecord, type OnError, type Rejected } from "./dead_letter.ts";

export interface TransformFailure {
  /** The transform's name in messages. */
  readonly transform: string;
  /** It hides something: the letter holds no row. */
  readonly withoutRow: boolean;
  /** Its own `on_error`; undefined: the flow's. */
  readonly onError?: OnError;
}

export class SourceRejections {
  /** Some transform hides something: of what could not be decoded, and so not be hidden, nothing is kept. */
  withholds = false;
  #rejected: Rejected[] = [];

  /** What `SourceContext.reject` does. */
  readonly reject = (record: UndecodedRecord, error: RecordError): void => {
    const { stream, lane, order, payload, key, headers, origin, onError, quiet } = record;
    this.#rejected.push({
      letter: {
        stage: "decode",
        code: error.code,
        error: error.message,
        lane,
        order,
        stream: { key: [], payload: "bytes", version: 0, ...stream },
        payload: this.withholds ? new Uint8Array() : payload.slice(),
        withheld: this.withholds,
        key: this.withholds ? undefined : key?.slice(),
        headers: this.withholds ? undefined : headers,
        origin,
      },
      onError,
      quiet,
    });
  };

  /**
   * A transform can't handle a record.
   *
   * @param head of the batch that the record is in: `batch.encoded()`, or what the batch is made of
   * @param record as it entered the transform
   */
  rejectRecord(head: BatchHead, record: DataRecord, error: RecordError, failure: TransformFailure): void {
    this.#rejected.push({ letter: letterOfRecord(head, record, error, failure), onError: failure.onError });
  }

  /** Hands over what was rejected since the last call: it belongs to the batch that comes next. */
  take(): readonly Rejected[] {
    if (this.#rejected.length === 0) return NONE;
    const taken = this.#rejected;
    this.#rejected = [];
    return taken;
  }
}

const NONE: readonly Rejected[] = [];

/** What of it concerns a flow that takes only some streams. */
export function rejectedFor(
  rejected: readonly Rejected[],
  takes: ((stream: Stream) => boolean) | undefined,
): readonly Rejected[] {
  return takes && rejected.length > 0 ? rejected.filter(({ letter }) => takes(letter.stream)) : rejected;
}
