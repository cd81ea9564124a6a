/**
 * One upload in pieces: Cloud Storage documentation, "Perform resumable uploads". After a cut the service says how far
 * it has come, so that only the rest is sent again; the object is there with the last piece, and not before.
 */
import { ConnectorError } from "../../../formats/data/errors.ts";
import { slice } from "../bytes.ts";
import type { HttpAnswer, HttpRequest } from "../http.ts";

/** A multiple of 256 KiB, as all pieces but the last must be. */
const PIECE_BYTES = 16 << 20;
/** Answers in a row that show no progress, and sessions that are begun anew, until it is given up. */
const MAX_STALLS = 5;

export interface UploadOptions {
  /** The end of `Cannot …`. */
  readonly what: string;
  readonly body: readonly Uint8Array[];
  readonly size: number;
  /** Begins a session. Undefined: the object is there. */
  begin(): Promise<HttpAnswer | undefined>;
  /** Where the session is that the answer to `begin` names; undefined: it names none. */
  sessionUrl(begun: HttpAnswer): string | undefined;
  /** Sends until there is an answer; `again` is called before each further attempt. */
  send(request: () => HttpRequest, again: () => void): Promise<HttpAnswer>;
  /** Sends once, whatever comes of it. */
  tell(request: HttpRequest): Promise<void>;
  /** Whether the object is there. */
  isDone(): Promise<boolean>;
}

/**
 * Uploads it.
 *
 * @returns the last answer; undefined when the object was found to be there
 * @throws {ConnectorError} when there is no end to it
 */
export async function upload(options: UploadOptions): Promise<HttpAnswer | undefined> {
  for (let sessions = 0; sessions < MAX_STALLS; sessions++) {
    const begun = await options.begin();
    if (begun === undefined || begun.status !== 200 && begun.status !== 201) return begun;
    const url = options.sessionUrl(begun);
    if (url === undefined) break;
    let answer: HttpAnswer | undefined;
    try {
      answer = await sendPieces(options, url);
    } finally {
      // What was sent of it is of no use any more. (499 is the answer to that.)
      if (answer === undefined || answer.status >= 300) {
        await options.tell({ method: "DELETE", url, headers: {} });
      }
    }
    // The session is gone: it has ended, or it has done its work already.
    if (answer.status !== 404 && answer.status !== 410) return answer;
    if (await options.isDone()) return undefined;
  }
  throw noProgress(options.what);
}

/** @returns the answer that is not "go on" */
async function sendPieces({ what, body, size, send }: UploadOptions, url: string): Promise<HttpAnswer> {
  /** Bytes that the service has; undefined when it must be asked. */
  let arrived: number | undefined = 0;
  /** Bytes that were sent at least once. */
  let sent = 0;
  const next = (): HttpRequest => {
    if (arrived === undefined) {
      return { method: "PUT", url, headers: { "Content-Range": `bytes */${size}` }, body: [] };
    }
    const end = Math.min(arrived + PIECE_BYTES, size);
    sent = Math.max(sent, end);
    return {
      method: "PUT",
      url,
      headers: { "Content-Range": `bytes ${arrived}-${end - 1}/${size}` },
      body: slice(body, arrived, end),
    };
  };
  let furthest = 0;
  for (let stalls = 0; stalls < MAX_STALLS;) {
    const answer = await send(next, () => arrived = undefined);
    if (answer.status !== 308) return answer;
    // No header: nothing has arrived. More than was sent can't have, whatever an emulator says.
    const last = /^bytes=0-(\d+)$/.exec(answer.headers.get("range") ?? "")?.[1];
    arrived = last === undefined ? 0 : Math.min(Number(last) + 1, sent);
    if (arrived >= size) arrived = undefined;
    stalls = arrived !== undefined && arrived > furthest ? 0 : stalls + 1;
    furthest = Math.max(furthest, arrived ?? 0);
  }
  throw noProgress(what);
}

function noProgress(what: string): ConnectorError {
  return new ConnectorError(`Cannot ${what}: the service takes no more of it`, {
    code: "transient_gcs_upload",
    hint: "Nothing is lost: it is tried again from the start",
  });
}
