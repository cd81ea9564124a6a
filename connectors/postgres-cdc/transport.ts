/**
 * The way to one server: a TCP connection or a Unix socket, encrypted or not, with nothing said on it yet. pg gets it
 * ready-made (connection.ts), because it would begin to talk before the certificate is verified, and knows neither
 * `prefer` nor `allow`.
 */
import { connect, type Socket } from "node:net";
import { ConnectorError } from "../../formats/data/errors.ts";
import { isSocket, type ServerAddress, socketPath } from "./address.ts";
import type { Endpoint } from "./endpoint.ts";
import { connectorError } from "./errors.ts";
import { encrypt, type Encryption } from "./tls.ts";

/** `plain`: not encrypted; `offered`: encrypted where the server offers it; `tls`: encrypted or not at all. */
export type Protection = "plain" | "offered" | "tls";

export interface Transport {
  readonly socket: Socket;
  /** Undefined: not encrypted. */
  readonly encryption: Encryption | undefined;
}

/** SSLRequest: PostgreSQL documentation, "Message Formats". */
const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * @param tried for messages, as in `Cannot connect to …`
 * @param signal cuts it
 * @throws {ConnectorError} `connection_*`, `auth_tls_*`
 */
export async function openTransport(
  server: ServerAddress,
  { tls, connectTimeoutMs, keepAliveMs }: Endpoint,
  protection: Protection,
  tried: string,
  signal: AbortSignal,
): Promise<Transport> {
  const socket = isSocket(server)
    ? connect({ path: socketPath(server) })
    : connect({ host: server.host, port: server.port });
  // Between those who listen for something an error would end the worker.
  socket.on("error", () => {});
  let isLate = false;
  const cut = () => socket.destroy(new Error("the connection was closed"));
  const timer = setTimeout(() => {
    isLate = true;
    socket.destroy(new Error("timeout expired"));
  }, connectTimeoutMs);
  signal.addEventListener("abort", cut);
  try {
    if (signal.aborted) cut();
    await event(socket, "connect", tried);
    if (!isSocket(server)) {
      socket.setNoDelay(true);
      if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs);
    }
    if (protection === "plain" || isSocket(server)) return { socket, encryption: undefined };
    if (tls.negotiation === "postgres" && !await offersTls(socket, tried)) {
      if (protection === "offered") return { socket, encryption: undefined };
      throw new ConnectorError(`${tried}: the server offers no TLS, and tls.mode is "${tls.mode}"`, {
        code: "auth_tls_missing",
        hint:
          "Set ssl = on on the server; tls.mode: prefer or disable would send everything readable by others",
      });
    }
    return await encrypt(socket, server, tls, tried);
  } catch (error) {
    socket.destroy();
    throw isLate ? connectorError(tried, new Error("timeout expired")) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cut);
  }
}

/** Asks for TLS; the server answers with one byte before anything is encrypted. */
async function offersTls(socket: Socket, tried: string): Promise<boolean> {
  const answer = event<Uint8Array>(socket, "data", tried);
  socket.write(SSL_REQUEST);
  const bytes = await answer;
  // More than one byte would be text that somebody has put in front of what the server encrypts (CVE-2021-23222).
  if (bytes.length === 1 && bytes[0] === 0x53) return true;
  if (bytes.length === 1 && bytes[0] === 0x4e) {
    socket.resume();
    return false;
  }
  throw new ConnectorError(`${tried}: the answer to the request for TLS is not PostgreSQL's`, {
    code: "connection_protocol",
    hint: "Is this the port of a PostgreSQL server? One without room for another process answers so, too",
  });
}

function event<T>(socket: Socket, name: "connect" | "data", tried: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const forget = () => {
      socket.off(name, came).off("error", failed).off("close", closed);
    };
    const came = (value: T) => {
      // What comes next may be TLS: a read that is under way would take it away from who decrypts it.
      if (name === "data") socket.pause();
      forget();
      resolve(value);
    };
    const failed = (error: unknown) => {
      forget();
      reject(connectorError(tried, error));
    };
    const closed = () => failed(new Error("the server closed the connection"));
    socket.on(name, came).on("error", failed).on("close", closed);
  });
}
