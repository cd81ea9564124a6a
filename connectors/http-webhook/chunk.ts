/** The records of one request, and the body that they make. */
import type { Batch } from "../contract.ts";

/** A record by its place; its batch is retained until the request is done. */
export interface Item {
  readonly batch: Batch;
  readonly i: number;
  /** Its text in the flow's layout; never empty. */
  readonly text: Uint8Array;
}

const [OPEN, COMMA, CLOSE] = [..."[,]"].map((char) => char.charCodeAt(0));

/** Records that go to one URL in one request, in order. */
export class Chunk {
  readonly url: string;
  readonly items: Item[] = [];
  /** Size of an array of them. */
  size = 2;

  constructor(url: string) {
    this.url = url;
  }

  add(item: Item): void {
    this.items.push(item);
    this.size += item.text.length + 1;
  }

  /** Two chunks of half the records each. */
  halves(): [Chunk, Chunk] {
    const middle = this.items.length >> 1;
    const parts: [Chunk, Chunk] = [new Chunk(this.url), new Chunk(this.url)];
    this.items.forEach((item, n) => parts[n < middle ? 0 : 1].add(item));
    return parts;
  }

  /** The one record, or with `asArray` a JSON array of all. */
  body(asArray: boolean): Uint8Array<ArrayBuffer> {
    if (!asArray) return this.items[0].text.slice() as Uint8Array<ArrayBuffer>;
    const body = new Uint8Array(1 + this.items.reduce((size, { text }) => size + text.length + 1, 0));
    body[0] = OPEN;
    let end = 1;
    for (const { text } of this.items) {
      body.set(text, end);
      end += text.length;
      body[end++] = COMMA;
    }
    body[end - 1] = CLOSE;
    return body;
  }

  /**
   * `<flow>/<lane>/<first order>-<last order>`: the same whenever these records are sent in one request, so a receiver
   * can tell a request that comes twice. Undefined where the source has no order.
   */
  idempotencyKey(flow: string): string | undefined {
    const [first, last] = [this.items[0], this.items[this.items.length - 1]];
    const [from, to] = [first.batch.order(first.i), last.batch.order(last.i)];
    if (from === undefined || to === undefined) return undefined;
    const lane = first.batch.lane === last.batch.lane
      ? first.batch.lane
      : `${first.batch.lane}+${last.batch.lane}`;
    // A header holds visible ASCII (RFC 9110, 5.5); a flow's or table's name may be anything.
    return encodeURI(from === to ? `${flow}/${lane}/${from}` : `${flow}/${lane}/${from}-${to}`);
  }
}
