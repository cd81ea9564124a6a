/**
 * TLS over a TCP connection, as libpq's sslmode says it. With verify-ca and verify-full nothing is sent, not even the
 * user's name, before the certificate was found good. transport.ts calls it for every connection.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { ServerAddress } from "./address.ts";
import { connectorError } from "./errors.ts";
import type { TlsConfig, TlsMode } from "./login_keys.ts";

/** What protects a connection. */
export interface Encryption {
  /** `TLSv1.3`; undefined where this Deno doesn't tell (before 2.9). */
  readonly protocol?: string;
  readonly cipher?: string;
  /** What was proven of the server. */
  readonly verified: "nothing" | "certificate" | "certificate and host name";
}

/** ALPN name that direct negotiation requires: PostgreSQL documentation, "Message Flow", SSL Session Encryption. */
const ALPN = "postgresql";

/**
 * Encrypts a connection on which the server waits for the handshake.
 *
 * @returns when the handshake is over and the server is the one that was meant
 * @throws {ConnectorError} `auth_tls_*`; of files `not_found_tls_file`, `permission_tls_file`, `config_tls_file`
 */
export async function encrypt(
  socket: Socket,
  server: ServerAddress,
  tls: TlsConfig,
  tried: string,
): Promise<{ socket: TLSSocket; encryption: Encryption }> {
  const encrypted = connect({
    ...optionsFor(server, tls),
    socket,
    ...(tls.negotiation === "direct" ? { ALPNProtocols: [ALPN] } : {}),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      encrypted.once("secureConnect", resolve);
      encrypted.once("error", reject);
      encrypted.once(
        "close",
        () => reject(new Error("the server closed the connection in the TLS handshake")),
      );
    });
    await finishHandshake(encrypted);
    requireProtocol(encrypted, tls, tried);
  } catch (error) {
    encrypted.destroy();
    throw tlsError(tried, server, tls, error);
  }
  return { socket: encrypted, encryption: describeEncryption(encrypted, tls.mode) };
}

function optionsFor(server: ServerAddress, tls: TlsConfig): ConnectionOptions {
  const { mode, sni_hostname, min_protocol_version } = tls;
  const verifies = mode === "verify-ca" || mode === "verify-full";
  const ca = verifies ? readCa(tls) : undefined;
  const name = sni_hostname ?? (isIP(server.host) === 0 ? server.host : undefined);
  return {
    host: server.host,
    // A name only: an address is compared with the certificate, but not asked for (RFC 6066, section 3).
    ...(name === undefined ? {} : { servername: name }),
    rejectUnauthorized: verifies,
    ...(mode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === undefined ? {} : { ca }),
    ...readClientCertificate(tls),
    minVersion: `TLSv${min_protocol_version}`,
  };
}

/** Without a CA of its own the ones that Deno brings count; DENO_TLS_CA_STORE chooses which. */
function readCa({ ca_cert_path, ca_cert_pem }: TlsConfig): string | undefined {
  if (ca_cert_path === undefined && ca_cert_pem === undefined) return undefined;
  const text = ca_cert_pem ?? readPem("ca_cert_path", ca_cert_path!);
  requireCertificates(text, ca_cert_pem === undefined ? `"${ca_cert_path}"` : '"ca_cert_pem"');
  return text;
}

function readClientCertificate(
  { client_cert_path, client_key_path }: TlsConfig,
): { cert: string; key: string } | undefined {
  if (client_cert_path === undefined || client_key_path === undefined) return undefined;
  const cert = readPem("client_cert_path", client_cert_path);
  requireCertificates(cert, `"${client_cert_path}"`);
  const key = readPem("client_key_path", client_key_path);
  if (/-----BEGIN ENCRYPTED|^Proc-Type: .*ENCRYPTED/m.test(key)) {
    throw new ConnectorError(`Cannot use the private key in "${client_key_path}": it is encrypted`, {
      code: "config_tls_file",
      hint: "Write it without a passphrase: openssl pkey -in KEY -out NEW_KEY, and protect the file",
    });
  }
  const unusable = whyUnusable(cert, key);
  if (unusable !== undefined) {
    throw new ConnectorError(`Cannot use the private key in "${client_key_path}": ${unusable}`, {
      code: "config_tls_file",
      hint:
        "`client_key_path` names a PEM file with BEGIN PRIVATE KEY, the one that the certificate was made with",
    });
  }
  return { cert, key };
}

/** Deno before 2.9 does not survive a pair that does not belong together. */
function whyUnusable(cert: string, key: string): string | undefined {
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    return `it can't be read (${error instanceof Error ? error.message : error})`;
  }
  return new X509Certificate(cert).checkPrivateKey(privateKey)
    ? undefined
    : "it does not belong to the certificate";
}

/** Read for each connection, so that certificates can be renewed while the pipeline runs. */
function readPem(key: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    const why = cause instanceof Error ? cause.message.replace(/ \(os error \d+\).*$/s, "") : String(cause);
    throw new ConnectorError(`Cannot read "${path}" (tls.${key}): ${why}`, {
      code: isMissing ? "not_found_tls_file" : "permission_tls_file",
      hint: "Mount the file, or correct the path; a relative one starts at the working directory",
      cause,
    });
  }
}

/** node:tls passes over what it can't read, and would then trust other CAs than those that were meant. */
function requireCertificates(text: string, what: string): void {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new Error("there is no BEGIN CERTIFICATE in it");
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectorError(`Cannot use the certificates of ${what}: ${why}`, {
      code: "config_tls_file",
      hint: "It must be PEM text: one or several blocks from BEGIN CERTIFICATE to END CERTIFICATE",
      cause,
    });
  }
}

/**
 * Deno before 2.9 says "secureConnect" ahead of the handshake, which the first write then drives; where it has failed
 * there is no certificate behind it. What is written here is nothing at all.
 */
async function finishHandshake(socket: TLSSocket): Promise<void> {
  if (certificateOf(socket) !== undefined) return;
  await new Promise<void>((resolve) => socket.write(new Uint8Array(0), () => resolve()));
  if (certificateOf(socket) === undefined) throw new Error("the handshake failed");
}

function certificateOf(socket: TLSSocket): Uint8Array | undefined {
  return socket.getPeerCertificate()?.raw;
}

function protocolOf(socket: TLSSocket): string | undefined {
  return socket.getProtocol?.() ?? undefined;
}

/** Deno before 2.9 takes no heed of `minVersion`. */
function requireProtocol(socket: TLSSocket, { min_protocol_version }: TlsConfig, tried: string): void {
  if (min_protocol_version === "1.2" || protocolOf(socket) === "TLSv1.3") return;
  throw new ConnectorError(
    `${tried}: the connection has ${protocolOf(socket) ?? "a TLS version that this Deno doesn't tell"}, ` +
      "and tls.min_protocol_version is 1.3",
    { code: "auth_tls_version", hint: "Let the server speak TLS 1.3, and run on Deno 2.9 or newer" },
  );
}

function describeEncryption(socket: TLSSocket, mode: TlsMode): Encryption {
  const protocol = protocolOf(socket);
  const cipher = socket.getCipher?.()?.name;
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...(cipher === undefined ? {} : { cipher }),
    verified: mode === "verify-full"
      ? "certificate and host name"
      : mode === "verify-ca"
      ? "certificate"
      : "nothing",
  };
}

interface Meaning {
  readonly code: `auth_tls_${string}`;
  readonly hint: string;
}

const UNTRUSTED: Meaning = {
  code: "auth_tls_untrusted",
  hint:
    "Name the CA that has signed it in tls.ca_cert_path; if it is the right one already, this is another server",
};

/** node's codes of a handshake that came to nothing. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_HAS_EXPIRED: {
    code: "auth_tls_expired",
    hint: "Renew the server's certificate, and look at the clocks",
  },
  CERT_NOT_YET_VALID: { code: "auth_tls_expired", hint: "Look at the clocks here and on the server" },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: "auth_tls_host",
    hint:
      "Name the server as its certificate does, give that name in tls.sni_hostname, or, where the CA signs for " +
      "nobody else, write tls.mode: verify-ca",
  },
  CERT_REVOKED: { code: "auth_tls_untrusted", hint: "Give the server a certificate that is not revoked" },
};

const HANDSHAKE: Meaning = {
  code: "auth_tls_handshake",
  hint:
    "Look into the server's log; check its certificate (CA, dates, name), tls.client_cert_path and the TLS versions",
};

function tlsError(tried: string, server: ServerAddress, tls: TlsConfig, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  // A line that breaks in the handshake says nothing about certificates: it is tried again.
  if (["ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(code)) return connectorError(tried, error);
  const { message } = error instanceof Error ? error : { message: String(error) };
  const meaning = MEANINGS[code] ?? HANDSHAKE;
  const what = meaning.code === "auth_tls_host"
    ? `its certificate is not made out to "${tls.sni_hostname ?? server.host}" (${message})`
    : `TLS (${tls.mode}) can't be had: ${message}`;
  return new ConnectorError(`${tried}: ${what}`, { ...meaning, cause: error });
}
