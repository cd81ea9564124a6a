/**
 * What the keys leave out about the server and the login, from where PostgreSQL's own programs take it: a connection
 * URI, the variables PG…, the password file. Runs on the main thread before the configuration is validated, so that
 * `plan` shows the real host and the worker needs no right to variables or files.
 */
import type { CompletedConfig, Machine } from "../contract.ts";
import { serversOf } from "./address.ts";
import { hostKeys, parseConnectionUri, UriError } from "./connection_uri.ts";
import { CHANNEL_BINDINGS, SESSION_KINDS, TLS_MODES, tlsModeOf } from "./login_keys.ts";
import { findPassword, isOpenToOthers } from "./passfile.ts";

type Keys = Record<string, unknown>;

interface Variable {
  readonly name: string;
  readonly key: string;
  readonly inTls?: boolean;
  /** What may stand in it; anything when left out. */
  readonly choices?: readonly string[];
  /** The value of the key; undefined when it is none. */
  readonly read?: (text: string) => unknown;
}

const seconds = (text: string) => /^\d{1,9}$/.test(text) ? Number(text) : undefined;
const tlsVersion = (text: string) => /^TLSv1\.[23]$/i.test(text) ? text.slice(4) : undefined;
const oneOf = (choices: readonly string[]) => ({
  choices,
  read: (text: string) => choices.includes(text) ? text : undefined,
});

/** PostgreSQL documentation, "Environment Variables". PGHOST, PGPORT and PGPASSWORD are apart. */
const VARIABLES: readonly Variable[] = [
  { name: "PGDATABASE", key: "database" },
  { name: "PGUSER", key: "user" },
  { name: "PGPASSFILE", key: "passfile" },
  { name: "PGCHANNELBINDING", key: "channel_binding", ...oneOf(CHANNEL_BINDINGS) },
  { name: "PGCONNECT_TIMEOUT", key: "connect_timeout_secs", read: seconds },
  { name: "PGAPPNAME", key: "application_name" },
  { name: "PGOPTIONS", key: "options" },
  { name: "PGTARGETSESSIONATTRS", key: "target_session_attrs", ...oneOf(SESSION_KINDS) },
  { name: "PGSSLMODE", key: "mode", inTls: true, choices: TLS_MODES, read: tlsModeOf },
  { name: "PGSSLROOTCERT", key: "ca_cert_path", inTls: true },
  { name: "PGSSLCERT", key: "client_cert_path", inTls: true },
  { name: "PGSSLKEY", key: "client_key_path", inTls: true },
  { name: "PGSSLNEGOTIATION", key: "negotiation", inTls: true, ...oneOf(["postgres", "direct"]) },
  {
    name: "PGSSLMINPROTOCOLVERSION",
    key: "min_protocol_version",
    inTls: true,
    choices: ["TLSv1.2", "TLSv1.3"],
    read: tlsVersion,
  },
];

/** Keys win over the URI, the URI over variables, variables over the password file. */
export function completeLogin(given: Keys, machine: Machine): CompletedConfig {
  const notes: string[] = [];
  const problems: CompletedConfig["problems"][number][] = [];
  let config = { ...given };
  try {
    if (typeof config.connection === "string") config = withUri(config, config.connection, problems);
  } catch (error) {
    if (!(error instanceof UriError)) throw error;
    problems.push({ key: "connection", message: error.message, hint: URI_HINT });
  }
  // What can't be read stays where it is: the schema then asks for nothing that it may have held.
  if (problems.length > 0) return { config, notes, problems };
  try {
    config = withServers(config, machine);
  } catch (error) {
    if (!(error instanceof UriError)) throw error;
    const message = `PGHOST and PGPORT are not understood: ${error.message}`;
    problems.push({ key: "host", message, hint: "Correct the variables, or give host and port" });
  }
  config = withVariables(config, machine, problems);
  if (config.password === undefined) {
    const password = variable(machine, "PGPASSWORD") ?? fromPassfile(config, machine, notes, problems);
    if (password !== undefined) config.password = password;
  }
  delete config.passfile;
  return { config, notes, problems };
}

const URI_HINT =
  "postgres://user:password@host:5432/database?sslmode=verify-full, with %40 for @, %3A for :, " +
  "%2F for / and %25 for % in names and passwords";

/** A key that is given beside a URI that says it, too, is a contradiction, also when both say the same. */
function withUri(config: Keys, uri: string, problems: CompletedConfig["problems"][number][]): Keys {
  const { config: said, tls: tlsSaid } = parseConnectionUri(uri);
  const { connection: _, ...own } = config;
  const ownTls = isObject(own.tls) ? own.tls : {};
  const both = [
    ...["host", "port", "hosts"].filter((key) => own[key] !== undefined),
    ...Object.keys(said).filter((key) => own[key] !== undefined && !["host", "port", "hosts"].includes(key)),
    ...Object.keys(tlsSaid).filter((key) => ownTls[key] !== undefined).map((key) => `tls.${key}`),
  ];
  for (const key of both) {
    problems.push({
      key: key.split(".")[0],
      message: `"connection" and "${key}" are both given`,
      hint: "Say it in one of the two places",
    });
  }
  if (problems.length > 0) return config;
  const mode = typeof tlsSaid.mode === "string" ? { mode: tlsModeOf(tlsSaid.mode) ?? tlsSaid.mode } : {};
  return {
    ...own,
    ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
    ...(Object.keys(tlsSaid).length > 0 ? { tls: { ...ownTls, ...tlsSaid, ...mode } } : {}),
  };
}

/** @throws {UriError} */
function withServers(given: Keys, machine: Machine): Keys {
  const hasHost = given.host !== undefined || (Array.isArray(given.hosts) && given.hosts.length > 0);
  const hosts = hasHost ? [] : (variable(machine, "PGHOST") ?? "").split(",").filter((host) => host !== "");
  if (hosts.length === 0 && given.port !== undefined) return given;
  const ports = given.port === undefined ? variable(machine, "PGPORT") : String(given.port);
  const { port, ...more } = { ...given, ...hostKeys(hosts, ports) };
  return port === undefined ? more : { ...more, port };
}

function withVariables(
  given: Keys,
  machine: Machine,
  problems: CompletedConfig["problems"][number][],
): Keys {
  const config = { ...given };
  const tls: Keys = isObject(given.tls) ? { ...given.tls } : {};
  for (const { name, key, inTls, choices, read = (text: string) => text } of VARIABLES) {
    const text = variable(machine, name);
    const keys = inTls ? tls : config;
    if (text === undefined || keys[key] !== undefined) continue;
    const value = read(text);
    if (value === undefined) {
      const may = choices === undefined ? "a whole number" : `one of ${choices.join(", ")}`;
      const message = `Variable ${name} must be ${may}`;
      problems.push({ key: inTls ? "tls" : key, message, hint: `Correct it, or give "${key}"` });
    } else if (hasEffect(name, text, config, tls)) keys[key] = value;
  }
  if (Object.keys(tls).length > 0 && (given.tls === undefined || isObject(given.tls))) config.tls = tls;
  return config;
}

/** A variable that is set for all connections of a machine is passed over, as by libpq, where it can't have an effect. */
function hasEffect(name: string, text: string, config: Keys, tls: Keys): boolean {
  if (name === "PGSSLMODE") return !(typeof config.host === "string" && config.host.startsWith("/"));
  if (name !== "PGSSLROOTCERT") return true;
  return text !== "system" && tls.ca_cert_pem === undefined && /^verify-/.test(String(tls.mode));
}

/** An empty variable is none, as for libpq. */
function variable({ env }: Machine, name: string): string | undefined {
  return env(name) || undefined;
}

function fromPassfile(
  config: Keys,
  machine: Machine,
  notes: string[],
  problems: CompletedConfig["problems"][number][],
): string | undefined {
  const { database, user, host, port, hosts } = config;
  if (typeof database !== "string" || typeof user !== "string") return undefined;
  const servers = serversOf({
    host: typeof host === "string" ? host : undefined,
    port: Number(port ?? 5432),
    hosts: Array.isArray(hosts) ? hosts.map(String) : [],
  });
  const isNamed = typeof config.passfile === "string";
  const path = isNamed ? config.passfile as string : defaultPassfile(machine);
  if (path === undefined || servers.length === 0) return undefined;
  let text: string;
  try {
    text = machine.readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (isNamed) notes.push(`The password file "${path}" is not used, it can't be read: ${reason}`);
    return undefined;
  }
  const mode = machine.fileMode(path);
  if (mode !== undefined && isOpenToOthers(mode)) {
    notes.push(`The password file "${path}" is not used, others may read it: chmod 600 mends that`);
    return undefined;
  }
  const passwords = new Set(
    servers.map((server) => findPassword(text, { ...server, database, user }))
      .filter((password) => password !== undefined),
  );
  if (passwords.size > 1) {
    problems.push({
      key: "hosts",
      message: `The password file "${path}" has different passwords for these servers`,
      hint:
        "A standby has the passwords of its primary: give them one line with * for the host, or set password",
    });
  }
  return [...passwords][0];
}

function defaultPassfile(machine: Machine): string | undefined {
  const home = variable(machine, "HOME");
  if (home !== undefined) return `${home}/.pgpass`;
  const appData = variable(machine, "APPDATA");
  return appData === undefined ? undefined : `${appData}/postgresql/pgpass.conf`;
}

function isObject(value: unknown): value is Keys {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
