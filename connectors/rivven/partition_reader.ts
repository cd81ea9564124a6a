/**
 * Reads one partition, as far as its offsets can be believed: a broker that was killed repeats records at offset 0,
 * one that deleted records may answer with nothing for ever. reading.ts has one for each partition.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { RivvenClient } from "./client/client.ts";
import type { IncomingRecord } from "./client/requests.ts";
import type { RivvenConfig } from "./connector.ts";

/** 1000 × 4 KiB is what the broker reads for it at most. */
const MAX_RECORDS = 1000;

export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to ask for. */
  next: number;
  readonly #client: RivvenClient;
  readonly #outOfRange: RivvenConfig["on_out_of_range"];

  constructor(
    client: RivvenClient,
    topic: string,
    partition: number,
    next: number,
    outOfRange: RivvenConfig["on_out_of_range"],
  ) {
    this.#client = client;
    this.topic = topic;
    this.partition = partition;
    this.next = next;
    this.#outOfRange = outOfRange;
  }

  /** What comes next; empty when nothing has come within `waitMs`. */
  async fetch(waitMs: number): Promise<IncomingRecord[]> {
    const { topic, partition, next: offset } = this;
    const options = { topic, partition, offset, maxRecords: MAX_RECORDS, maxWaitMs: waitMs };
    const records = await this.#client.consume(options);
    if (records.length > 0) this.next = records.at(-1)!.offset + 1;
    return records;
  }

  /** Where the saved position is not within what the partition has, goes where the configuration says. */
  async assertInRange(): Promise<void> {
    const bounds = await this.#client.offsets(this.topic, this.partition);
    if (this.next >= bounds.earliest && this.next <= bounds.latest) return;
    this.#leaveRange(bounds);
  }

  /**
   * After an empty answer where there should be records: steps over one that is never given out (a marker of a
   * transaction), or to the first one that is still there.
   */
  async stepOver(): Promise<void> {
    const bounds = await this.#client.offsets(this.topic, this.partition);
    if (this.next < bounds.earliest || this.next > bounds.latest) this.#leaveRange(bounds);
    else if (this.next < bounds.latest) this.next++;
  }

  #leaveRange({ earliest, latest }: { earliest: number; latest: number }): void {
    if (this.#outOfRange !== "stop") {
      this.next = this.#outOfRange === "earliest" ? earliest : latest;
      return;
    }
    const isBelow = this.next < earliest;
    throw new ConnectorError(
      `Cannot read partition ${this.partition} of topic "${this.topic}" from offset ${this.next}: it has ${earliest} to ${latest}`,
      {
        code: isBelow ? "state_offsets_gone" : "state_offset_out_of_range",
        hint:
          (isBelow
            ? "Records were deleted before they were read. "
            : "The topic was made anew, or the broker has lost records. ") +
          "Set on_out_of_range to earliest or latest for once to go on with what is there",
      },
    );
  }
}
