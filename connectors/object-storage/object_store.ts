/**
 * What the `object-storage` sink needs of a store; s3/, gcs/, azure/ and local/ each have one. A store knows names and
 * bytes, and nothing of records.
 */
import type { CheckReport } from "../contract.ts";

/** One store, with the bucket, container or folder that the configuration names. */
export interface ObjectStore extends AsyncDisposable {
  /**
   * Makes the object, unless there is one of that name; never replaces one. Nobody sees a part of it: it is there as a
   * whole, durably, when this resolves. Retries what may be retried; an answer that was lost counts as unknown, and
   * the store is asked.
   *
   * @returns `exists` when somebody else has made it, or an earlier attempt of ours
   * @throws {ConnectorError} with what was tried, what was answered and what to do
   */
  create(object: NewObject): Promise<"created" | "exists">;

  /** Bytes of an object; undefined when there is none of that name. */
  sizeOf(name: string): Promise<number | undefined>;

  /** Removes what an interrupted `create` of this name has left where nobody sees it but pays for it. */
  cleanUp(name: string): Promise<void>;

  /** Whether it can be reached, and objects be made in it. Leaves nothing behind. */
  check(report: CheckReport): Promise<void>;
}

export interface NewObject {
  /** With the prefix; `/` between folders, no `/` in front. */
  readonly name: string;
  /** Its bytes, in order. */
  readonly body: readonly Uint8Array[];
  readonly contentType: string;
}
