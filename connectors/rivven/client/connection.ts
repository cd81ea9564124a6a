/**
 * One connection to a broker: frames out, answers in, strictly in order. Opened by pool.ts, which logs in over it.
 */
import { once } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { type Address, addressText } from "./address.ts";
import { brokerError, connectionError, protocolError, throttledError, timeoutError } from "./errors.ts";
import { type Outcome, readOutcome, type Request } from "./requests.ts";
import { encrypt, type TlsOptions } from "./tls.ts";
import { type Frame, frame, FrameReader, MAX_FRAME_BYTES, WireError } from "./wire.ts";

export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly tls?: TlsOptions;
}

interface Pending {
  readonly correlation: number;
  readonly tried: string;
  readonly answer: (payload: Uint8Array) => void;
  readonly fail: (error: ConnectorError) => void;
}

const MAX_CORRELATION = 0xffffffff;
const NUDGE = new Uint8Array(1);
/** Codes after which a connection is of no use. */
const LAST_WORDS: ReadonlySet<string> = new Set([
  "rate_limited_requests",
  "serialization_too_large",
  "transient_session",
]);

/** Opens a TCP (or TLS) connection. Nothing is sent yet. @throws {ConnectorError} `connection_*`, `auth_tls_*` */
export async function openConnection(address: Address, options: ConnectionOptions): Promise<Connection> {
  const tried = `connect to broker ${addressText(address)}`;
  const tcp = connectTcp({ host: address.host, port: address.port, noDelay: true });
  let socket: Socket = tcp;
  const deadline = setTimeout(
    () => socket.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`)),
    options.connectTimeoutMs,
  );
  try {
    await once(tcp, "connect");
    tcp.setNoDelay(true);
    if (options.tls) {
      const name = options.tls.serverName ?? (isIP(address.host) ? undefined : address.host);
      socket = await encrypt(tcp, address, name, options.tls, tried);
    }
  } catch (error) {
    tcp.destroy();
    if (error instanceof ConnectorError) throw error;
    throw connectionError(tried, error, "Check that the broker is up and that address and port are right");
  } finally {
    clearTimeout(deadline);
  }
  return new Connection(socket, addressText(address), options.requestTimeoutMs);
}

/** An open connection. It is given up for good at the first thing that does not fit. */
export class Connection {
  /** `host:port` of the broker, for messages. */
  readonly address: string;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #frames = new FrameReader(MAX_FRAME_BYTES);
  readonly #pending: Pending[] = [];
  #correlation = 0;
  /** The first byte of the next frame was sent already. */
  #isNudged = false;
  #failed: ConnectorError | undefined;

  constructor(socket: Socket, address: string, timeoutMs: number) {
    this.#socket = socket;
    this.address = address;
    this.#timeoutMs = timeoutMs;
    socket.on("data", (piece: Uint8Array) => this.#receive(piece));
    socket.on("error", (error: Error) => this.#fail(connectionError(this.#tried(), error)));
    socket.on("close", () => this.#fail(connectionError(this.#tried(), "the broker closed the connection")));
  }

  get isOpen(): boolean {
    return this.#failed === undefined;
  }

  /**
   * Sends a request and waits for its answer. Several may be on their way; the broker answers one after the other.
   *
   * @param tried what it is for, as in "publish to topic "orders"": errors say it
   * @throws {ConnectorError} what the broker refused (the connection stays open), or what became of the connection
   */
  async send<Answer>(
    request: Request<Answer>,
    tried: string,
    timeoutMs: number = this.#timeoutMs,
  ): Promise<Answer> {
    if (this.#failed) throw this.#failed;
    const what = `${tried} at ${this.address}`;
    const correlation = this.#correlation = this.#correlation === MAX_CORRELATION ? 1 : this.#correlation + 1;
    const bytes = frame(correlation, (writer) => request.write(writer), request.size);
    const outcome = await new Promise<Outcome<Answer>>((resolve, reject) => {
      // A late answer would be taken for the next one's, so the connection ends with its first silence.
      const timer = setTimeout(() => this.#fail(timeoutError(what, timeoutMs)), timeoutMs);
      this.#pending.push({
        correlation,
        tried: what,
        answer: (payload) => {
          clearTimeout(timer);
          resolve(readOutcome(request, payload));
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(this.#isNudged ? bytes.subarray(1) : bytes);
      this.#isNudged = false;
    });
    if (outcome.kind === "error") {
      const error = brokerError(what, outcome.message);
      // The broker is about to close it, or it has to log in again: a fresh one does both.
      if (LAST_WORDS.has(error.code)) this.#fail(error);
      throw error;
    }
    if (outcome.kind === "throttled") throw throttledError(what, outcome.quota, outcome.waitMs);
    return outcome.value;
  }

  /** Ends the connection; what is on its way fails. Resolves when the socket is closed. */
  async close(): Promise<void> {
    this.#fail(connectionError(this.#tried(), "the connection was closed by this side"));
    if (!this.#socket.closed) await once(this.#socket, "close");
  }

  #receive(piece: Uint8Array): void {
    try {
      // As what it is, not as a Buffer: keys and values are views of it.
      const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
      for (const frame of this.#frames.push(bytes)) this.#answer(frame);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return this.#fail(protocolError(this.#tried(), error));
    }
    this.#nudge();
  }

  /**
   * The broker sends the length of an answer by itself, and the rest only when our side has acknowledged that, which
   * takes an idle kernel 40 ms. A byte that we send carries the acknowledgement at once. It is the first one of the
   * next frame: always 0, since no frame has 16 MiB.
   */
  #nudge(): void {
    if (this.#isNudged || this.#frames.pendingBytes < 4 || this.#pending.length > 1) return;
    this.#isNudged = true;
    this.#socket.write(NUDGE);
  }

  #answer({ correlation, payload }: Frame): void {
    const pending = this.#pending[0];
    // 0 stands for a request that the broker could not read: the oldest one.
    if (pending === undefined || (correlation !== pending.correlation && correlation !== 0)) {
      throw new WireError(
        pending === undefined
          ? "an answer that nobody asked for"
          : `an answer to request ${correlation}, where ${pending.correlation} is next`,
      );
    }
    pending.answer(payload);
    this.#pending.shift();
  }

  #fail(error: ConnectorError): void {
    if (this.#failed) return;
    this.#failed = error;
    this.#socket.destroy();
    for (const { fail } of this.#pending.splice(0)) fail(error);
  }

  #tried(): string {
    return this.#pending[0]?.tried ?? `talk to broker ${this.address}`;
  }
}
