/**
 * What the keys leave out about the server and the login, from where PostgreSQL's own programs take it: a connection
 * URI, the variables PG…, the password file. Runs on the main thread before the configuration is validated, so that
 * `plan` shows the real host and the worker needs no right to variables or files.
 */
import type { CompletedConfig, Machine } from "../contract.ts";
import { serversOf } from "./address.ts";
import { hostKeys, parseConnectionUri, UriError } from "./connection_uri.ts";
import { tlsModeOf } from "./login_keys.ts";
import { findPassword, isOpenToOthers } from "./passfile.ts";

type Keys = Record<string, unknown>;

/** Variable → key; PostgreSQL documentation, "Environment Variables". PGHOST, PGPORT and PGPASSWORD are apart. */
const VARIABLES: Readonly<Record<string, string>> = {
  PGDATABASE: "database",
  PGUSER: "user",
  PGPASSFILE: "passfile",
  PGCHANNELBINDING: "channel_binding",
  PGCONNECT_TIMEOUT: "connect_timeout_secs",
  PGAPPNAME: "application_name",
  PGOPTIONS: "options",
  PGTARGETSESSIONATTRS: "target_session_attrs",
};
const TLS_VARIABLES: Readonly<Record<string, string>> = {
  PGSSLMODE: "mode",
  PGSSLROOTCERT: "ca_cert_path",
  PGSSLCERT: "client_cert_path",
  PGSSLKEY: "client_key_path",
  PGSSLNEGOTIATION: "negotiation",
  PGSSLMINPROTOCOLVERSION: "min_protocol_version",
};

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
    config = withVariables(config, machine);
  } catch (error) {
    if (!(error instanceof UriError)) throw error;
    const message = `PGHOST and PGPORT are not understood: ${error.message}`;
    problems.push({ key: "host", message, hint: "Correct the variables, or give host and port" });
  }
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

function withVariables(given: Keys, machine: Machine): Keys {
  const config = { ...given };
  const hasHost = config.host !== undefined || (Array.isArray(config.hosts) && config.hosts.length > 0);
  const hosts = hasHost ? [] : (variable(machine, "PGHOST") ?? "").split(",").filter((host) => host !== "");
  const ports = config.port === undefined ? variable(machine, "PGPORT") : String(config.port);
  for (
    const [key, value] of Object.entries(
      hosts.length > 0 || config.port === undefined ? hostKeys(hosts, ports) : {},
    )
  ) {
    if (value === undefined) delete config[key];
    else config[key] = value;
  }
  for (const [name, key] of Object.entries(VARIABLES)) {
    const value = variable(machine, name);
    if (config[key] !== undefined || value === undefined) continue;
    config[key] = key === "connect_timeout_secs" && /^\d+$/.test(value) ? Number(value) : value;
  }
  const tls: Keys = isObject(config.tls) ? { ...config.tls } : {};
  const hasCa = tls.ca_cert_path !== undefined || tls.ca_cert_pem !== undefined;
  for (const [name, key] of Object.entries(TLS_VARIABLES)) {
    const value = variable(machine, name);
    if (tls[key] !== undefined || value === undefined) continue;
    if (key === "mode") tls.mode = tlsModeOf(value) ?? value;
    else if (key === "min_protocol_version") tls[key] = value.replace(/^TLSv/i, "");
    // A variable that is set for everything on a machine has no effect here, as with libpq, where it can't have one.
    else if (key !== "ca_cert_path" || (!hasCa && value !== "system" && verifies(tls.mode))) tls[key] = value;
  }
  if (Object.keys(tls).length > 0 && (config.tls === undefined || isObject(config.tls))) config.tls = tls;
  return config;
}

function verifies(mode: unknown): boolean {
  return typeof mode === "string" && /^verify-/.test(mode);
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
