/**
 * Connections to the server. npm:pg does what is intricate and seldom: authentication (SCRAM included) and control
 * SQL, over a way that transport.ts has opened. What brings many rows takes the socket over (wire.ts): measured,
 * node:net costs no more CPU per row than Deno.connect (1.4 against 1.5 µs with rows gathered, 4.1 against 5.9 µs
 * without), so pg's socket is good enough.
 */
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Clock } from "../contract.ts";
import { type ServerAddress } from "./address.ts";
import { describeEndpoint, type Endpoint, Servers } from "./endpoint.ts";
import { connectorError } from "./errors.ts";
import { Login, type Requests } from "./login_policy.ts";
import type { SessionKind, TlsMode } from "./login_keys.ts";
import type { Encryption } from "./tls.ts";
import { openTransport, type Protection } from "./transport.ts";
import { SESSION_SETTINGS } from "./types/mod.ts";
import { Wire } from "./wire.ts";

/** A row with every value as the server prints it. */
export type TextRow = Readonly<Record<string, string | null>>;

/** Frame X (protocol, "Message Formats", Terminate). */
const TERMINATE = new Uint8Array([0x58, 0, 0, 0, 4]);
const TERMINATE_MS = 200;

/** Keeps pg from making objects of values: they are read as text, as everywhere in this connector. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** What is tried for each mode, until the server lets us in: libpq's sslmode. */
const PROTECTIONS: Readonly<Record<TlsMode, readonly Protection[]>> = {
  "disable": ["plain"],
  "allow": ["plain", "tls"],
  "prefer": ["offered", "plain"],
  "require": ["tls"],
  "verify-ca": ["tls"],
  "verify-full": ["tls"],
};

export class Connection implements AsyncDisposable {
  /** Its `servers` are the one that this connection goes to. */
  readonly endpoint: Endpoint;
  /** Undefined: the connection is not encrypted. */
  readonly encryption: Encryption | undefined;
  /** How we have logged in: `SCRAM-SHA-256-PLUS`, `MD5`; `none` where the server asked for nothing. */
  readonly authentication: string;
  readonly #client: pg.Client;
  readonly #clock: Clock;
  readonly #forget: () => void;
  #lost: unknown;

  /** Use Connection.open(). */
  constructor(
    endpoint: Endpoint,
    client: pg.Client,
    { encryption, authentication }: Pick<Connection, "encryption" | "authentication">,
    clock: Clock,
    signal: AbortSignal,
  ) {
    this.endpoint = endpoint;
    this.encryption = encryption;
    this.authentication = authentication;
    this.#client = client;
    this.#clock = clock;
    client.on("error", (error) => this.#lost ??= error);
    const cut = () => this.destroy();
    signal.addEventListener("abort", cut);
    this.#forget = () => signal.removeEventListener("abort", cut);
    if (signal.aborted) this.destroy();
  }

  /**
   * Opens a connection with the session settings that the codecs need, to the first server that will do.
   *
   * @param kind `replication`: to this database's walsender, which takes replication commands and simple SQL
   * @param signal cuts the connection, also while it is being opened or a statement is under way
   * @throws {ConnectorError} `connection_*`, `auth_*`, …
   */
  static async open(
    endpoint: Endpoint,
    clock: Clock,
    kind: "sql" | "replication",
    signal: AbortSignal,
  ): Promise<Connection> {
    const { servers, sessions } = endpoint;
    const isDecided = servers.isChosen || sessions === "any";
    const failures: ConnectorError[] = [];
    // prefer-standby goes round twice: for a standby, then for anyone.
    const rounds: readonly SessionKind[] = isDecided
      ? ["any"]
      : sessions === "prefer-standby"
      ? ["standby", "any"]
      : [sessions];
    for (const wanted of rounds) {
      failures.length = 0;
      for (const server of servers.candidates) {
        try {
          const connection = await openOn(server, endpoint, clock, kind, signal);
          if (await connection.#isOf(wanted, failures)) {
            servers.choose(server);
            return connection;
          }
          await connection[Symbol.asyncDispose]();
        } catch (error) {
          const failure = connectorError(`Cannot connect to ${describeEndpoint(endpoint)}`, error);
          // Who is refused as this user by one server won't be let in by the next, and may be locked out.
          if (signal.aborted || servers.candidates.length === 1 || failure.kind === "auth") throw failure;
          failures.push(failure);
        }
      }
    }
    throw noServer(endpoint, failures);
  }

  /** Is this server what `target_session_attrs` wants? If not, the reason goes to `failures`. */
  async #isOf(wanted: SessionKind, failures: ConnectorError[]): Promise<boolean> {
    if (wanted === "any") return true;
    const [{ standby, read_only }] = await this.query(
      "Cannot ask whether it is a standby",
      "SELECT pg_is_in_recovery()::text AS standby, current_setting('transaction_read_only') AS read_only",
    );
    const isStandby = standby === "true";
    const fits: Record<Exclude<SessionKind, "any" | "prefer-standby">, boolean> = {
      "read-write": !isStandby && read_only === "off",
      "read-only": isStandby || read_only === "on",
      "primary": !isStandby,
      "standby": isStandby,
    };
    if (wanted === "prefer-standby" || fits[wanted]) return true;
    const found = isStandby ? "a standby" : read_only === "on" ? "read-only" : "a primary";
    failures.push(
      new ConnectorError(`${this.endpoint.servers} is ${found}, and target_session_attrs is ${wanted}`, {
        code: "connection_no_server",
      }),
    );
    return false;
  }

  /** The server's process of this session. */
  get pid(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Whether the connection was lost since it was opened. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /**
   * Runs one statement.
   *
   * @param tried for the error message, as in `Cannot create publication "p"`
   * @throws {ConnectorError}
   */
  async query(
    tried: string,
    sql: string,
    values?: readonly (string | number | readonly string[])[],
  ): Promise<TextRow[]> {
    try {
      const result = await this.#client.query<TextRow>(sql, values as unknown[]);
      return result.rows;
    } catch (error) {
      throw connectorError(`${tried} on ${describeEndpoint(this.endpoint)}`, error);
    }
  }

  /** Hands the raw connection over, on which no statement may be under way. From then on only `close` is left here. */
  takeOver(): Wire {
    return new Wire(socketOf(this.#client), () => this.#clock.monotonicMs());
  }

  /** From now on an abort does not cut it: whoever took it over ends it in order. */
  ignoreAbort(): void {
    this.#forget();
  }

  /**
   * Says goodbye on a connection that was taken over, so that the server ends the session (and frees the slot) at
   * once, and cuts it when the server does not close it soon.
   */
  async terminate(): Promise<void> {
    const socket = socketOf(this.#client);
    if (!socket.destroyed) {
      socket.write(TERMINATE);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, TERMINATE_MS);
        socket.once("close", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.destroy();
  }

  /** Cuts the connection without a word, where the server would not listen anyway. */
  destroy(): void {
    this.#lost ??= "closed";
    this.#forget();
    socketOf(this.#client).destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lost !== undefined) return this.destroy();
    this.#lost = "closed";
    this.#forget();
    const ended = this.#client.end();
    // A server that does not answer must not keep us.
    const timer = setTimeout(() => socketOf(this.#client).destroy(), 1000);
    await ended.catch(() => {});
    clearTimeout(timer);
  }
}

/** A connection to this server: with TLS and without, in the order of the mode. */
async function openOn(
  server: ServerAddress,
  endpoint: Endpoint,
  clock: Clock,
  kind: "sql" | "replication",
  signal: AbortSignal,
): Promise<Connection> {
  const here = { ...endpoint, servers: new Servers([server]) };
  const failures: ConnectorError[] = [];
  for (const protection of PROTECTIONS[endpoint.tls.mode]) {
    try {
      return await openProtected(server, here, protection, clock, kind, signal);
    } catch (error) {
      if (!(error instanceof ConnectorError) || !mayBeProtection(error)) throw error;
      failures.push(error);
    }
  }
  throw failures.find(({ code }) => code.startsWith("auth_tls_")) ?? failures.at(-1);
}

/** pg_hba.conf lets in with TLS only or without only, or the two can't agree on how to encrypt. */
function mayBeProtection({ code }: ConnectorError): boolean {
  return code === "auth_no_entry" || code.startsWith("auth_tls_");
}

async function openProtected(
  server: ServerAddress,
  endpoint: Endpoint,
  protection: Protection,
  clock: Clock,
  kind: "sql" | "replication",
  signal: AbortSignal,
): Promise<Connection> {
  const { database, user, applicationName, connectTimeoutMs } = endpoint;
  const tried = `Cannot connect to ${describeEndpoint(endpoint)}`;
  const startedMs = clock.monotonicMs();
  const { socket, encryption } = await openTransport(server, endpoint, protection, tried, signal);
  const isPrivate = encryption !== undefined || server.host.startsWith("/");
  const login = new Login(endpoint, encryption !== undefined, isPrivate);
  const client = new pg.Client({
    stream: () => readyMade(socket),
    host: server.host,
    port: server.port,
    database,
    user,
    // As a function, because pg takes an empty password for none and then looks for ~/.pgpass. It is called before
    // anything is answered to the server, so what it throws keeps the password here.
    password: () => login.password(),
    // What is left out here pg would look for in variables.
    ssl: false,
    sslnegotiation: "postgres",
    client_encoding: "UTF8",
    enableChannelBinding: login.bindsChannel,
    scramMaxIterations: MOST_SCRAM_ITERATIONS,
    application_name: applicationName,
    connectionTimeoutMillis: Math.max(1, connectTimeoutMs - (clock.monotonicMs() - startedMs)),
    options: startupOptions(endpoint),
    types: AS_TEXT,
    ...(kind === "replication" ? { replication: "database" } : {}),
  } as pg.ClientConfig);
  // Without a listener what comes behind a failure would end the worker.
  client.on("error", () => {});
  login.watch(innerConnection(client));
  const cut = () => socket.destroy();
  signal.addEventListener("abort", cut);
  try {
    if (signal.aborted) throw new Error("the connection was closed");
    await client.connect();
    login.accept();
  } catch (error) {
    socket.destroy();
    throw connectorError(tried, error);
  } finally {
    signal.removeEventListener("abort", cut);
  }
  return new Connection(endpoint, client, { encryption, authentication: login.method }, clock, signal);
}

/** pg's own limit (100,000) keeps a server from making a browser's tab busy for long; some are set to more. */
const MOST_SCRAM_ITERATIONS = 5_000_000;

/** A socket that is connected already, for pg, which connects the stream it is given and waits for "connect". */
function readyMade(socket: Socket): Socket {
  socket.connect = () => {
    queueMicrotask(() => socket.emit("connect"));
    return socket;
  };
  return socket;
}

function noServer(endpoint: Endpoint, failures: readonly ConnectorError[]): ConnectorError {
  const codes = new Set(failures.map(({ code }) => code));
  return new ConnectorError(
    `None of the servers will do for ${describeEndpoint(endpoint)}: ` +
      failures.map(({ message }) => message).join("; "),
    {
      code: codes.size === 1 ? [...codes][0] : "connection_no_server",
      // One of them may be on its way up, or about to be promoted.
      retryable: true,
      hint: failures.find(({ hint }) => hint !== undefined)?.hint ??
        "Wait for the failover, or correct hosts and target_session_attrs",
      cause: failures[0],
    },
  );
}

function socketOf(client: pg.Client): Duplex {
  return innerConnection(client).stream;
}

/** pg's types leave it out. */
function innerConnection(client: pg.Client): Requests & { readonly stream: Duplex } {
  return (client as unknown as { connection: Requests & { stream: Duplex } }).connection;
}

/** `-c name=value` for each setting, blanks and backslashes escaped (libpq, "options"); the codecs' own win. */
function startupOptions({ options, statementTimeoutMs }: Endpoint): string {
  const settings = Object.entries(SESSION_SETTINGS)
    .filter(([name]) => name !== "client_encoding") // pg sends it by itself
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, "\\$&")}`);
  return [
    ...(statementTimeoutMs === undefined ? [] : [`-c statement_timeout=${statementTimeoutMs}`]),
    ...(options === undefined ? [] : [options]),
    ...settings,
  ].join(" ");
}

/** An identifier in SQL. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string in SQL. Needs standard_conforming_strings, on since 9.1. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
