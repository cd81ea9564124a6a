/** The keys that say which server, as whom, and how the way there is protected. A part of connector.ts; loads no client. */
import { z } from "zod";
import { isSocket, serversOf } from "./address.ts";

export const TLS_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

/** libpq's sslmode: PostgreSQL documentation, "SSL Support", table 32.1. */
export type TlsMode = (typeof TLS_MODES)[number];

export interface TlsConfig {
  readonly mode: TlsMode;
  readonly ca_cert_path?: string;
  readonly ca_cert_pem?: string;
  readonly client_cert_path?: string;
  readonly client_key_path?: string;
  readonly sni_hostname?: string;
  readonly accept_invalid_certs: boolean;
  readonly min_protocol_version: "1.2" | "1.3";
  readonly negotiation: "postgres" | "direct";
}

export const SESSION_KINDS = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;

/** libpq's target_session_attrs. */
export type SessionKind = (typeof SESSION_KINDS)[number];

export const CHANNEL_BINDINGS = ["prefer", "require", "disable"] as const;

/** As it is once validated: either `host` or `hosts`. */
export interface LoginConfig {
  readonly host?: string;
  readonly port: number;
  readonly hosts: readonly string[];
  readonly target_session_attrs?: SessionKind;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly channel_binding: (typeof CHANNEL_BINDINGS)[number];
  readonly allow_cleartext: boolean;
  readonly connect_timeout_secs: number;
  readonly tcp_keepalives_idle_secs: number;
  readonly application_name?: string;
  readonly options?: string;
  readonly tls: TlsConfig;
}

const path = z.string().min(1).optional();

const tls = z.strictObject({
  mode: z.enum(TLS_MODES).default("prefer").describe(
    "disable; allow: only if the server insists; prefer: if it offers it; require: always, whoever answers; verify-ca: " +
      "its certificate is from a CA that is trusted; verify-full: and made out to this host",
  ),
  ca_cert_path: path.describe(
    "PEM file of the CAs to trust with verify-ca and verify-full; without it those that come with the program",
  ),
  ca_cert_pem: z.string().min(1).optional().describe("The same as text, in place of a file"),
  client_cert_path: path.describe("PEM file of the certificate to log in with; none when left out"),
  client_key_path: path.describe("PEM file of its private key, not encrypted"),
  sni_hostname: z.string().min(1).optional().describe(
    "Name to ask for and to find in the certificate, where it is another than the host, as behind a tunnel",
  ),
  accept_invalid_certs: z.boolean().default(false).describe(
    "true says what mode require says: any certificate will do; verify-ca and verify-full refuse it",
  ),
  min_protocol_version: z.enum(["1.2", "1.3"]).default("1.2").describe("Oldest TLS version that will do"),
  negotiation: z.enum(["postgres", "direct"]).default("postgres").describe(
    "direct: TLS from the first byte (PostgreSQL 17 and newer; with require, verify-ca and verify-full)",
  ),
});

/** The shape, to be spread into the connector's own. */
export const loginKeys = {
  connection: z.string().min(1).optional().meta({ secret: true }).describe(
    "Connection URI in place of the keys below: postgres://user:password@host:5432/database?sslmode=verify-full",
  ),
  host: z.string().min(1).optional().describe(
    "Host name or address; or the folder of the server's Unix socket, such as /run/postgresql. Default: PGHOST",
  ),
  port: z.int().min(1).max(65535).default(5432).describe("Port of the server. Default: PGPORT, 5432"),
  hosts: z.array(z.string().min(1)).default([]).describe(
    "Several servers in place of host, as host:port, tried in this order: a primary and its standbys",
  ),
  target_session_attrs: z.enum(SESSION_KINDS).optional().describe(
    "Which of the servers will do; without it read-write where there are several, and any where there is one",
  ),
  database: z.string().min(1).describe("Database whose changes are read. Default: PGDATABASE"),
  user: z.string().min(1).describe(
    "Role to log in as; it needs the REPLICATION attribute and SELECT on the tables. Default: PGUSER",
  ),
  password: z.string().default("").meta({ secret: true }).describe(
    "Its password. Default: PGPASSWORD, then what passfile says; none where the server asks for none",
  ),
  passfile: path.describe("Password file in the format of .pgpass. Default: PGPASSFILE, ~/.pgpass"),
  channel_binding: z.enum(CHANNEL_BINDINGS).default("prefer").describe(
    "Binding of the login to the TLS connection (SCRAM-SHA-256-PLUS): require refuses any other login",
  ),
  allow_cleartext: z.boolean().default(false).describe(
    "Send the password as text over an unencrypted connection if the server asks for it that way",
  ),
  connect_timeout_secs: z.int().min(1).max(300).default(10).describe(
    "How long a connection to one server may take to come about",
  ),
  tcp_keepalives_idle_secs: z.int().min(0).max(7200).default(30).describe(
    "Seconds of silence after which TCP probes the connection; 0: never",
  ),
  application_name: z.string().min(1).max(63).optional().describe(
    "How the server's views name the sessions; without it rivven-connect and the source's name",
  ),
  options: z.string().optional().describe("More settings of the sessions: -c name=value …"),
  tls: tls.prefault({}).describe("Encryption of the connections"),
};

const VERIFIES: readonly TlsMode[] = ["verify-ca", "verify-full"];
const ENCRYPTS: readonly TlsMode[] = ["require", ...VERIFIES];

/** Rules over several keys. */
export function refineLogin(
  config: LoginConfig & { readonly connection?: string },
  { addIssue }: { addIssue(issue: z.core.$ZodRawIssue): void },
): void {
  const refuse = (path: string[], message: string, hint?: string) =>
    addIssue({ code: "custom", path, message, input: config, ...(hint ? { params: { hint } } : {}) });
  const { host, hosts, tls, channel_binding } = config;
  const servers = serversOf(config);
  if (host !== undefined && hosts.length > 0) {
    refuse(["hosts"], '"host" and "hosts" both say where the server is', "Leave one of them out");
  } else if (host !== undefined && servers.length === 0) {
    refuse(
      ["host"],
      '"host" must be a host name, an address, or a folder that starts with /',
      "The port has a key of its own; several servers go under hosts",
    );
  } else if (servers.length < hosts.length) {
    refuse(["hosts"], '"hosts" must be a list of host:port', "Such as [db1:5432, db2:5432, [::1]:5432]");
  } else if (host === undefined && hosts.length === 0 && config.connection === undefined) {
    refuse(["host"], 'Missing key "host"', "Give host, hosts or connection, or set PGHOST");
  }
  if (ENCRYPTS.includes(tls.mode) && servers.some(isSocket)) {
    refuse(
      ["tls", "mode"],
      `TLS mode "${tls.mode}" can't be had over a Unix socket, which is never encrypted`,
      "Write mode: disable for a socket, or the host's name to go over TCP",
    );
  }
  if (tls.accept_invalid_certs && VERIFIES.includes(tls.mode)) {
    refuse(
      ["tls", "accept_invalid_certs"],
      `"accept_invalid_certs: true" and mode "${tls.mode}" contradict each other`,
      "To trust any certificate, write mode: require",
    );
  }
  for (const key of ["ca_cert_path", "ca_cert_pem"] as const) {
    if (tls[key] === undefined || VERIFIES.includes(tls.mode)) continue;
    refuse(
      ["tls", key],
      `"${key}" has no effect with mode "${tls.mode}", which trusts any certificate`,
      "Write mode: verify-full, or verify-ca where the certificate is made out to another name",
    );
  }
  if (tls.ca_cert_path !== undefined && tls.ca_cert_pem !== undefined) {
    refuse(
      ["tls", "ca_cert_pem"],
      '"ca_cert_path" and "ca_cert_pem" are both given',
      "Leave one of them out",
    );
  }
  if ((tls.client_cert_path === undefined) !== (tls.client_key_path === undefined)) {
    const [has, lacks] = tls.client_cert_path === undefined ? ["key", "cert"] : ["cert", "key"];
    refuse(["tls", `client_${has}_path`], `"client_${has}_path" needs "client_${lacks}_path" beside it`);
  }
  if (tls.negotiation === "direct" && !ENCRYPTS.includes(tls.mode)) {
    refuse(
      ["tls", "negotiation"],
      `"negotiation: direct" needs TLS, and mode is "${tls.mode}"`,
      "Write mode: require, verify-ca or verify-full",
    );
  }
  if (channel_binding === "require" && !ENCRYPTS.includes(tls.mode)) {
    refuse(
      ["channel_binding"],
      `"channel_binding: require" needs TLS, and tls.mode is "${tls.mode}"`,
      "Write tls.mode: require, verify-ca or verify-full",
    );
  }
}

/** Other spellings of the keys → these; for `upgradeConfig`. */
export function upgradeLogin(config: Record<string, unknown>, notes: string[]): void {
  const rename = (from: string, to: string) => {
    if (!(from in config) || to in config) return;
    config[to] = config[from];
    delete config[from];
    notes.push(`"${from}" is called "${to}"`);
  };
  rename("username", "user");
  rename("dbname", "database");
  for (const name of ["url", "uri", "connection_string", "dsn"]) rename(name, "connection");
  if (
    typeof config.sslmode === "string" || typeof config.ssl_mode === "string" || "sslnegotiation" in config
  ) {
    const tls = isObject(config.tls) ? { ...config.tls } : {};
    for (
      const [from, to] of [["sslmode", "mode"], ["ssl_mode", "mode"], ["sslnegotiation", "negotiation"]]
    ) {
      if (!(from in config) || to in tls) continue;
      tls[to] = config[from];
      delete config[from];
      notes.push(`"${from}" is called "${to}" in "tls"`);
    }
    config.tls = tls;
  }
  if (isObject(config.tls)) config.tls = upgradeTls({ ...config.tls }, notes);
}

function upgradeTls(tls: Record<string, unknown>, notes: string[]): Record<string, unknown> {
  if ("sslnegotiation" in tls && !("negotiation" in tls)) {
    tls.negotiation = tls.sslnegotiation;
    delete tls.sslnegotiation;
    notes.push('"sslnegotiation" is called "negotiation" in "tls"');
  }
  if (typeof tls.mode === "string") {
    const mode = tlsModeOf(tls.mode);
    if (mode !== undefined && mode !== tls.mode) {
      notes.push(`TLS mode "${tls.mode}" is called "${mode}"`);
      tls.mode = mode;
    }
  }
  if (typeof tls.verify_hostname === "boolean") {
    const { verify_hostname, ...rest } = tls;
    if (!verify_hostname && tls.mode === "verify-full") {
      notes.push('"verify_hostname: false" is what mode "verify-ca" means');
      return { ...rest, mode: "verify-ca" };
    }
    if (verify_hostname && tls.mode === "verify-ca") {
      notes.push('"verify_hostname: true" is what mode "verify-full" means');
      return { ...rest, mode: "verify-full" };
    }
    notes.push('"verify_hostname" follows from the mode of "tls": remove it');
    return rest;
  }
  return tls;
}

/** The mode of that name, however it is spelled. */
export function tlsModeOf(text: string): TlsMode | undefined {
  const plain = text.toLowerCase().replace(/[-_ ]/g, "");
  if (plain === "verifyidentity") return "verify-full";
  return TLS_MODES.find((mode) => mode.replace("-", "") === plain);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
