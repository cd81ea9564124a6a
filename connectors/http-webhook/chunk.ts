/** The records of one request, and the body that they make. */
import type { Batch } from "../contract.ts";

/** Records `from` to `to` (exclusive) of a batch, none without a text; the batch is retained until the request is done. */
interface Run {
  readonly batch: Batch;
  readonly from: number;
  to: number;
}

const [OPEN, COMMA, CLOSE] = [..."[,]"].map((char) => char.charCodeAt(0));

/** Records that go to one URL in one request, in order. */
export class Chunk {
  readonly url: string;
  readonly #runs: Run[] = [];
  /** Where in an array the texts' line ends are, of which commas are made. */
  readonly #lineEnds: number[] = [];
  /** Size of an array of them. */
  size = 2;

  constructor(url: string) {
    this.url = url;
  }

  /** @param bytes of the record's text, with the line end or with the comma that takes its place */
  add(batch: Batch, i: number, bytes: number): void {
    const last = this.#runs.at(-1);
    if (last?.batch === batch && last.to === i) last.to++;
    else this.#runs.push({ batch, from: i, to: i + 1 });
    this.size += bytes;
    this.#lineEnds.push(this.size - 2);
  }

  /** How many records it has. */
  get length(): number {
    return this.#lineEnds.length;
  }

  /** The first record. */
  get first(): { readonly batch: Batch; readonly i: number } {
    const [{ batch, from }] = this.#runs;
    return { batch, i: from };
  }

  /** Two chunks of half the records each. */
  halves(): [Chunk, Chunk] {
    const middle = this.length >> 1;
    const parts: [Chunk, Chunk] = [new Chunk(this.url), new Chunk(this.url)];
    let n = 0;
    for (const { batch, from, to } of this.#runs) {
      for (let i = from; i < to; i++) {
        parts[n++ < middle ? 0 : 1].add(batch, i, batch.span(i, "text")!.length);
      }
    }
    return parts;
  }

  /** The one record, or with `asArray` a JSON array of all. */
  body(asArray: boolean): Uint8Array<ArrayBuffer> {
    if (!asArray) return linesOf(this.#runs[0]).slice(0, -1);
    const body = new Uint8Array(this.size - 1);
    let end = 1;
    for (const run of this.#runs) {
      const lines = linesOf(run);
      body.set(lines, end);
      end += lines.length;
    }
    for (const lineEnd of this.#lineEnds) body[lineEnd] = COMMA;
    body[0] = OPEN;
    body[end - 1] = CLOSE;
    return body;
  }

  /**
   * `<flow>/<lane>/<first order>-<last order>`: the same whenever these records are sent in one request, so a receiver
   * can tell a request that comes twice. Undefined where the source has no order.
   */
  idempotencyKey(flow: string): string | undefined {
    const [first, last] = [this.#runs[0], this.#runs[this.#runs.length - 1]];
    const [from, to] = [first.batch.order(first.from), last.batch.order(last.to - 1)];
    if (from === undefined || to === undefined) return undefined;
    const lane = first.batch.lane === last.batch.lane
      ? first.batch.lane
      : `${first.batch.lane}+${last.batch.lane}`;
    // A header holds visible ASCII (RFC 9110, 5.5); a flow's or table's name may be anything.
    return encodeURI(from === to ? `${flow}/${lane}/${from}` : `${flow}/${lane}/${from}-${to}`);
  }
}

/** The texts of a run, which lie one behind the other. */
function linesOf({ batch, from, to }: Run): Uint8Array<ArrayBuffer> {
  const [first, last] = [batch.span(from, "text")!, batch.span(to - 1, "text")!];
  const end = last.byteOffset + last.length;
  return new Uint8Array(first.buffer as ArrayBuffer, first.byteOffset, end - first.byteOffset);
}
