/**
 * Reads one partition, as far as its offsets can be believed: a broker that was killed repeats records at offset 0,
 * one that deleted records may answer with nothing for ever. reading.ts has one for each partition.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { RivvenClient } from "./client/client.ts";
import type { Messages } from "./client/messages.ts";
import type { RivvenConfig } from "./connector.ts";

/** 1000 × 4 KiB is what the broker reads for it at most. */
const MAX_RECORDS = 1000;

/** What of a client is used. */
export type PartitionClient = Pick<RivvenClient, "fetch" | "offsets">;

export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to ask for. */
  next: number;
  readonly #client: PartitionClient;
  readonly #outOfRange: RivvenConfig["on_out_of_range"];
  /** Where a look found nothing although the partition goes on behind it. */
  #emptyAt: number | undefined;

  constructor(
    client: PartitionClient,
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

  /** Whether the last look found nothing where something should be. */
  get isSuspicious(): boolean {
    return this.#emptyAt === this.next;
  }

  /** What comes next; undefined when nothing has come within `waitMs`. */
  async fetch(waitMs: number): Promise<Messages | undefined> {
    const { topic, partition, next: offset } = this;
    const options = { topic, partition, offset, maxRecords: MAX_RECORDS, maxWaitMs: waitMs };
    const messages = await this.#client.fetch(options);
    this.next = messages.next;
    return messages.length > 0 ? messages : undefined;
  }

  /** Where the saved position is not within what the partition has, goes where the configuration says. */
  async assertInRange(): Promise<void> {
    const bounds = await this.#client.offsets(this.topic, this.partition);
    if (this.next >= bounds.earliest && this.next <= bounds.latest) return;
    this.#leaveRange(bounds);
  }

  /**
   * After an empty answer where there may be records: goes to the first one that is still there, or over one that is
   * never given out (a marker of a transaction). A record that was written since that answer looks the same, so the
   * place is asked for again, and left only when two looks, one after the other, found nothing at it.
   *
   * @returns what has come meanwhile; undefined: nothing
   */
  async look(): Promise<Messages | undefined> {
    const bounds = await this.#client.offsets(this.topic, this.partition);
    if (this.next < bounds.earliest || this.next > bounds.latest) this.#leaveRange(bounds);
    if (this.next >= bounds.latest) return undefined;
    const offset = this.next;
    const messages = await this.fetch(0);
    if (messages) return messages;
    if (this.#emptyAt === offset) this.next++;
    else this.#emptyAt = offset;
    return undefined;
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
