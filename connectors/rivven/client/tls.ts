/** TLS over an open TCP connection (rivvend speaks TLS 1.3 from the first byte). Called by connection.ts. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { ConnectorError } from "../../../formats/data/errors.ts";
import { type Address, addressText } from "./address.ts";

export interface TlsOptions {
  /** PEM file of the CAs that are trusted instead of the system's. */
  readonly caPath?: string;
  /** PEM files of the client's certificate and its key; both or none. */
  readonly certPath?: string;
  readonly keyPath?: string;
  /** The name that the certificate must have and that SNI tells; the host's own when left out. */
  readonly serverName?: string;
  /** Encrypts without asking who the other side is. */
  readonly insecure?: boolean;
}

/** @throws {ConnectorError} `auth_tls` when it fails, `not_found_tls_file` when a file can't be read */
export async function encrypt(
  tcp: Socket,
  address: Address,
  name: string | undefined,
  tls: TlsOptions,
  tried: string,
): Promise<TLSSocket> {
  const socket = connectTls({
    socket: tcp,
    host: name ?? address.host,
    ...(name === undefined ? {} : { servername: name }),
    minVersion: "TLSv1.2",
    rejectUnauthorized: !tls.insecure,
    ca: pem("tls.ca_path", tls.caPath),
    cert: pem("tls.cert_path", tls.certPath),
    key: pem("tls.key_path", tls.keyPath),
  });
  try {
    await Promise.race([
      once(socket, "secureConnect"),
      once(socket, "close").then(() => {
        throw new Error("the broker closed the connection in the TLS handshake");
      }),
    ]);
    return socket;
  } catch (error) {
    socket.destroy();
    throw new ConnectorError(
      `Cannot ${tried} with TLS${name === undefined ? "" : ` as "${name}"`}: ${
        error instanceof Error ? error.message : error
      }`,
      {
        code: "auth_tls",
        hint: `Check that ${
          addressText(address)
        } speaks TLS, tls.ca_path, tls.server_name and the client's certificate`,
        retryable: false,
        cause: error,
      },
    );
  }
}

function pem(key: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConnectorError(
      `Cannot read ${key} "${path}": ${error instanceof Error ? error.message : error}`,
      {
        code: "not_found_tls_file",
        hint: "Give the path of a PEM file that this user can read",
        cause: error,
      },
    );
  }
}
