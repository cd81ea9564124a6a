/** What the server and the network say, as errors for whoever runs the pipeline. */
import { ConnectorError, type ErrorDetails } from "../../formats/data/errors.ts";
import { type ServerError, WireClosed } from "./wire.ts";
import { RESET } from "./repair.ts";

interface Meaning {
  readonly code: ErrorDetails["code"];
  readonly hint?: string;
  readonly retryable?: boolean;
}

const LOGIN: Meaning = {
  code: "auth_rejected",
  hint:
    "Check user and password, and that pg_hba.conf lets this user in from this host (for replication too)",
};

/** What SQLSTATE 28000 can be about, by what the message says; a server with another language gets the general hint. */
const REFUSALS: readonly (readonly [message: RegExp, meaning: Meaning])[] = [
  [/no pg_hba\.conf entry.*no encryption/s, {
    code: "auth_no_entry",
    hint:
      "pg_hba.conf has no line that lets this user in to this database from here without TLS: set tls.mode to require " +
      "or stricter, or add a line",
  }],
  [/no pg_hba\.conf entry|rejects connection/s, {
    code: "auth_no_entry",
    hint:
      "Add a line to pg_hba.conf that lets this user in to this database from this host: hostssl with TLS, host with " +
      "or without; then reload the server",
  }],
  [/client certificate|certificate authentication/i, {
    code: "auth_client_certificate",
    hint:
      "Give tls.client_cert_path and tls.client_key_path: a certificate that the server's CA has signed, with the " +
      "user's name as its CN",
  }],
  [/role .* does not exist/s, { code: "auth_rejected", hint: "Check `user`: the server has no such role" }],
  [/not permitted to log in/s, { code: "auth_rejected", hint: "Give the role the LOGIN attribute" }],
];

/** SQLSTATE → what it means here. PostgreSQL documentation, appendix A. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  "28P01": LOGIN,
  "28000": { code: "auth_no_entry", hint: LOGIN.hint },
  "3D000": { code: "not_found_database", hint: "Check `database`" },
  "42501": {
    code: "permission_denied",
    hint: "`check` lists the rights that are missing, each with the statement that grants it",
  },
  "42704": { code: "not_found", hint: "`check` says what exists and what would be created" },
  "42P01": { code: "not_found_table", hint: "`discover` lists the tables that this user can read" },
  "53300": {
    code: "rate_limited_connections",
    hint: "Raise max_connections or max_wal_senders, or end connections that nobody uses",
  },
  "53400": {
    code: "rate_limited_slots",
    hint: "Drop replication slots that nobody uses (pg_replication_slots), or raise max_replication_slots",
  },
  "55006": {
    code: "conflict_slot_active",
    hint: "Another process reads from this slot: stop it, or give this source a slot_name of its own",
  },
  "55000": { code: "state_server", hint: "`check` says which server setting is needed", retryable: false },
  "55P03": { code: "conflict_locked", hint: "Another session has locked the table: pg_locks says which one" },
  "57P01": {
    code: "connection_shutdown",
    hint: "The server was told to stop; the pipeline goes on when it is back",
  },
  "57P02": { code: "connection_crash", hint: "The server crashed; the pipeline goes on when it is back" },
  "57P03": { code: "connection_starting", hint: "The server is starting up" },
  "57014": { code: "timeout_statement", hint: "The statement was cancelled or took longer than allowed" },
  "40001": { code: "transient_serialization" },
  "40P01": { code: "transient_deadlock" },
  "25P03": { code: "timeout_idle", hint: "Set idle_in_transaction_session_timeout to 0 for this user" },
  "58P01": {
    code: "state_wal_removed",
    hint:
      `The server has removed log that this slot needs: drop the slot and run ${RESET}, or set snapshot.mode to ` +
      "when_needed: either takes a new snapshot",
    retryable: false,
  },
};

/** By the first two letters, where the whole SQLSTATE has no meaning of its own here. */
const CLASSES: Readonly<Record<string, Meaning>> = {
  "08": { code: "connection_failed" },
  "28": LOGIN,
  "53": { code: "transient_resources", hint: "The server is short of a resource" },
  "57": { code: "connection_intervention" },
  "58": {
    code: "transient_system",
    hint: "The server had trouble with its files or its system: see its log",
  },
  "XX": { code: "transient_server", hint: "The server reports an internal error: see its log" },
};

/** What the network says, by node's error code. */
const NETWORK: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: {
    code: "connection_refused",
    hint: "Is the server running, and does it listen on this address (listen_addresses)?",
  },
  ENOTFOUND: { code: "connection_unknown_host", hint: "Check `host`: no address was found for it" },
  EAI_AGAIN: { code: "connection_unknown_host", hint: "The name could not be resolved at the moment" },
  ENOENT: { code: "connection_no_socket", hint: "Check `host` and `port`: there is no such socket file" },
  ETIMEDOUT: {
    code: "connection_timeout",
    hint: "Nothing answers there: check `host`, `port` and firewalls",
  },
  EHOSTUNREACH: {
    code: "connection_unreachable",
    hint: "There is no way to this host: check `host` and the network",
  },
  ENETUNREACH: {
    code: "connection_unreachable",
    hint: "There is no way to this host: check `host` and the network",
  },
  EACCES: { code: "permission_socket", hint: "This process may not use the server's socket file" },
  EPERM: {
    code: "permission_network",
    hint: "The connector may only reach the host and port of its configuration",
  },
};

/**
 * An error of the server, of pg or of the network as a ConnectorError; a ConnectorError stays as it is.
 *
 * @param tried what was being done and on what, as in `Cannot read table "public.orders"`
 */
export function connectorError(tried: string, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error;
  if (isServerError(error)) return serverError(tried, error);
  const cause = error instanceof WireClosed && error.cause !== undefined ? error.cause : error;
  if (cause instanceof ConnectorError) return cause;
  const { message, code } = describe(cause);
  if (code !== undefined && NETWORK[code]) {
    return new ConnectorError(`${tried}: ${message}`, { ...NETWORK[code], cause });
  }
  if (/Requires net access|NotCapable/.test(message)) {
    return new ConnectorError(`${tried}: ${message}`, { ...NETWORK.EPERM, cause });
  }
  if (code?.startsWith("ERR_SSL") || /received fatal alert/.test(message)) {
    return new ConnectorError(`${tried}: TLS was broken off: ${message}`, {
      code: "auth_tls_handshake",
      hint:
        "Look into the server's log: the client certificate (tls.client_cert_path) may not be one that it trusts",
      cause,
    });
  }
  if (/timeout expired/.test(message)) {
    return new ConnectorError(`${tried}: no answer within connect_timeout_secs`, {
      ...NETWORK.ETIMEDOUT,
      cause,
    });
  }
  if (error instanceof WireClosed || code !== undefined || /terminated|closed|ended/i.test(message)) {
    return new ConnectorError(`${tried}: the connection was lost (${message})`, {
      code: "connection_lost",
      cause,
    });
  }
  if (/SASL|SCRAM|password/i.test(message)) {
    return new ConnectorError(`${tried}: ${message}`, { ...LOGIN, cause });
  }
  return new ConnectorError(`${tried}: ${message}`, { code: "internal", cause });
}

/** An ErrorResponse, whichever of the two parsers read it, as a ConnectorError. */
export function serverError(tried: string, error: ServerError): ConnectorError {
  const { code: sqlState, message, hint } = error;
  const refusal = sqlState === "28000" ? REFUSALS.find(([pattern]) => pattern.test(message))?.[1] : undefined;
  const meaning: Meaning = refusal ?? MEANINGS[sqlState] ?? CLASSES[sqlState.slice(0, 2)] ??
    { code: "fatal_server" };
  return new ConnectorError(`${tried}: ${message} (SQLSTATE ${sqlState})`, {
    ...meaning,
    hint: meaning.hint ?? hint,
    cause: error instanceof Error ? error : undefined,
  });
}

/**
 * pg's DatabaseError and our ServerError alike: a SQLSTATE of five characters, with a digit among them in every class
 * there is. EPIPE has none.
 */
export function isServerError(error: unknown): error is ServerError {
  return error !== null && typeof error === "object" && "code" in error && typeof error.code === "string" &&
    /^(?=.*\d)[0-9A-Z]{5}$/.test(error.code) && !(error.code in NETWORK) && "message" in error;
}

function describe(error: unknown): { message: string; code?: string } {
  // Deno and Node throw an AggregateError without a message when a name has several addresses.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return {
      ...describe(error.errors[0]),
      message: error.errors.map((each) => describe(each).message).join("; "),
    };
  }
  if (!(error instanceof Error)) return { message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { message: error.message || error.name, code };
}
