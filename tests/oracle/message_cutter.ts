/**
 * Cuts connections inside a message of a chosen kind. It reads what the server sends, each connection from its first
 * byte: PostgreSQL documentation, "Message Formats" and "Logical Replication Message Formats".
 */
import type { TcpProxy } from "../servers/proxy.ts";

/** Where a cut can be. `update old` has the old row or the old key in it. */
export const MESSAGE_KINDS = [
  "copy row",
  "keepalive",
  "begin",
  "relation",
  "type",
  "insert",
  "update",
  "update old",
  "delete",
  "message",
  "commit",
] as const;

export type MessageKind = (typeof MESSAGE_KINDS)[number];

const PGOUTPUT: Readonly<Record<string, MessageKind>> = {
  B: "begin",
  R: "relation",
  Y: "type",
  I: "insert",
  D: "delete",
  M: "message",
  C: "commit",
};

/** Behind type and length of CopyData, w, start, end and clock: the message of pgoutput. */
const PGOUTPUT_AT = 30;
/** Behind its kind and the table: whether an old row (O), an old key (K) or the new row (N) follows. */
const ROW_KIND_AT = PGOUTPUT_AT + 5;

export class MessageCutter {
  readonly #proxy: TcpProxy;
  readonly #connections = new Map<number, Uint8Array>();
  #wanted: { kind: MessageKind; part: number } | undefined;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
    this.#arm();
  }

  /**
   * Cuts in the next message of the kind.
   *
   * @param part how much of it is let through: 0 a byte, 1 all but one
   */
  cut(kind: MessageKind, part: number): void {
    this.#wanted = { kind, part };
    this.#arm();
  }

  /** Whether the last cut has been made. */
  get isDone(): boolean {
    return this.#wanted === undefined;
  }

  #arm(): void {
    this.#proxy.cutWhere((connection, piece) => this.#find(connection, piece));
  }

  #find(connection: number, piece: Uint8Array): number | undefined {
    const known = this.#connections.get(connection) ?? new Uint8Array();
    const bytes = new Uint8Array(known.length + piece.length);
    bytes.set(known);
    bytes.set(piece, known.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (at + 5 <= bytes.length) {
      const end = at + 1 + view.getInt32(at + 1);
      const wanted = this.#wanted;
      if (wanted !== undefined && end <= bytes.length && kindOf(bytes.subarray(at, end)) === wanted.kind) {
        const cut = at + 1 + Math.round((end - at - 2) * wanted.part);
        // What came before this piece has been passed on already.
        if (cut > known.length) {
          this.#wanted = undefined;
          this.#connections.clear();
          return cut - known.length;
        }
      }
      if (end > bytes.length) break;
      at = end;
    }
    this.#connections.set(connection, bytes.slice(at));
    return undefined;
  }
}

function kindOf(frame: Uint8Array): MessageKind | undefined {
  const char = (at: number) => String.fromCharCode(frame[at]);
  if (char(0) !== "d") return undefined;
  if (char(5) === "k" && frame.length === 23) return "keepalive";
  if (char(5) !== "w" || frame.length <= PGOUTPUT_AT) return "copy row";
  const kind = char(PGOUTPUT_AT);
  if (kind === "U") return char(ROW_KIND_AT) === "N" ? "update" : "update old";
  return PGOUTPUT[kind] ?? "copy row";
}
