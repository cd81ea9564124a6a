/**
 * Connections to the server. npm:pg does what is intricate and seldom: authentication (SCRAM included) and control
 * SQL. What brings many rows takes the socket over (wire.ts): measured, node:net costs no more CPU per row than
 * Deno.connect (1.4 against 1.5 µs with rows gathered, 4.1 against 5.9 µs without), so pg's socket is good enough.
 */
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import type { Duplex } from "node:stream";
import type { Clock } from "../contract.ts";
import { connectorError } from "./errors.ts";
import { SESSION_SETTINGS } from "./types/mod.ts";
import { Wire } from "./wire.ts";

/** Where the server is and who we are there. */
export interface Endpoint {
  /** A host, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly connectTimeoutMs: number;
  /** How the server's views name our sessions. */
  readonly applicationName: string;
}

/** A row with every value as the server prints it. */
export type TextRow = Readonly<Record<string, string | null>>;

/** Frame X (protocol, "Message Formats", Terminate). */
const TERMINATE = new Uint8Array([0x58, 0, 0, 0, 4]);
const TERMINATE_MS = 200;

/** Keeps pg from making objects of values: they are read as text, as everywhere in this connector. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

export class Connection implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #client: pg.Client;
  readonly #clock: Clock;
  readonly #forget: () => void;
  #lost: unknown;

  private constructor(endpoint: Endpoint, client: pg.Client, clock: Clock, signal: AbortSignal) {
    this.endpoint = endpoint;
    this.#client = client;
    this.#clock = clock;
    // Without a listener the loss of an idle connection would end the worker.
    client.on("error", (error) => this.#lost ??= error);
    const cut = () => this.destroy();
    signal.addEventListener("abort", cut);
    this.#forget = () => signal.removeEventListener("abort", cut);
  }

  /**
   * Opens a connection with the session settings that the codecs need.
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
    const { host, port, database, user, password, applicationName, connectTimeoutMs } = endpoint;
    const client = new pg.Client({
      host,
      port,
      database,
      user,
      // As a function, because pg takes an empty password for none and then looks for ~/.pgpass.
      password: () => password,
      ssl: false,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 30_000,
      options: startupOptions(),
      types: AS_TEXT,
      ...(kind === "replication" ? { replication: "database" } : {}),
    });
    const connection = new Connection(endpoint, client, clock, signal);
    try {
      if (signal.aborted) throw new Error("the connection was closed");
      await client.connect();
    } catch (error) {
      connection.destroy();
      throw connectorError(`Cannot connect to ${describeEndpoint(endpoint)}`, error);
    }
    return connection;
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

function socketOf(client: pg.Client): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream;
}

/** `-c name=value` for each setting, blanks and backslashes escaped (libpq, "options"). */
function startupOptions(): string {
  return Object.entries(SESSION_SETTINGS)
    .filter(([name]) => name !== "client_encoding") // pg sends it by itself
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, "\\$&")}`)
    .join(" ");
}

/** How messages name the server: never with the password. */
export function describeEndpoint({ host, port, database, user }: Endpoint): string {
  return `database "${database}" on ${host.startsWith("/") ? `socket ${host}` : host}:${port} as "${user}"`;
}

/** An identifier in SQL. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string in SQL. Needs standard_conforming_strings, on since 9.1. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
