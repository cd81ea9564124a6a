/** Where the server is and who we are there: what connections are opened with, and how messages name it. */
import { addressText, type ServerAddress, serversOf } from "./address.ts";
import type { LoginConfig, SessionKind, TlsConfig } from "./login_keys.ts";

export interface Endpoint {
  readonly servers: Servers;
  /** Which of several servers will do. */
  readonly sessions: SessionKind;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly channelBinding: LoginConfig["channel_binding"];
  /** Whether the password may be sent as text where nothing encrypts it. */
  readonly sendsCleartext: boolean;
  readonly tls: TlsConfig;
  /** Of each server. */
  readonly connectTimeoutMs: number;
  /** Silence after which TCP probes the connection; 0: never. */
  readonly keepAliveMs: number;
  /** How the server's views name our sessions. */
  readonly applicationName: string;
  /** More settings of the session, as libpq's `options`. */
  readonly options?: string;
  /** Longest statement; no limit of ours when left out. */
  readonly statementTimeoutMs?: number;
}

/**
 * The servers of a configuration. All connections of a source go to the one that the first of them has found: a
 * snapshot that one server has exported is unknown to the others, and a slot is read where it was looked at. A source
 * that has lost its server is opened again by the runtime, and then looks for one anew.
 */
export class Servers {
  readonly all: readonly ServerAddress[];
  #chosen: ServerAddress | undefined;

  constructor(all: readonly ServerAddress[]) {
    this.all = all;
  }

  /** Those to try, in this order. */
  get candidates(): readonly ServerAddress[] {
    return this.#chosen === undefined ? this.all : [this.#chosen];
  }

  /** Has one of several been decided for? */
  get isChosen(): boolean {
    return this.#chosen !== undefined;
  }

  choose(server: ServerAddress): void {
    this.#chosen = server;
  }

  toString(): string {
    return this.candidates.map((server) =>
      server.host.startsWith("/") ? `socket ${addressText(server)}` : addressText(server)
    ).join(" or ");
  }
}

/** @param name the source's, in the pipeline file */
export function endpointOf(config: LoginConfig, name: string): Endpoint {
  const all = serversOf(config);
  return {
    servers: new Servers(all),
    sessions: config.target_session_attrs ?? (all.length > 1 ? "read-write" : "any"),
    database: config.database,
    user: config.user,
    password: config.password,
    channelBinding: config.channel_binding,
    sendsCleartext: config.allow_cleartext,
    tls: config.tls,
    connectTimeoutMs: config.connect_timeout_secs * 1000,
    keepAliveMs: config.tcp_keepalives_idle_secs * 1000,
    applicationName: config.application_name ?? `rivven-connect ${name}`,
    ...(config.options === undefined ? {} : { options: config.options }),
  };
}

/** How messages name the server: never with the password. */
export function describeEndpoint({ servers, database, user }: Endpoint): string {
  return `database "${database}" on ${servers} as "${user}"`;
}
