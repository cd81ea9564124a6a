/**
 * Connection URIs: `postgres://user:password@host:port,host:port/database?sslmode=…`, as libpq reads them (PostgreSQL
 * documentation, "Connection Strings"), as keys of this connector. Pure; login.ts puts them in their place.
 */
import { addressText, parseAddress } from "./address.ts";

/** What a URI says: keys of the configuration, those below `tls` apart. */
export interface UriKeys {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tls: Readonly<Record<string, unknown>>;
}

interface Parameter {
  readonly key: string;
  readonly inTls?: boolean;
  readonly isNumber?: boolean;
}

/** libpq's names, and those of other drivers for the same. */
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  host: { key: "host" },
  hostaddr: { key: "host" },
  port: { key: "port" },
  dbname: { key: "database" },
  user: { key: "user" },
  password: { key: "password" },
  passfile: { key: "passfile" },
  channel_binding: { key: "channel_binding" },
  connect_timeout: { key: "connect_timeout_secs", isNumber: true },
  application_name: { key: "application_name" },
  options: { key: "options" },
  keepalives_idle: { key: "tcp_keepalives_idle_secs", isNumber: true },
  target_session_attrs: { key: "target_session_attrs" },
  sslmode: { key: "mode", inTls: true },
  sslnegotiation: { key: "negotiation", inTls: true },
  sslrootcert: { key: "ca_cert_path", inTls: true },
  sslcert: { key: "client_cert_path", inTls: true },
  sslkey: { key: "client_key_path", inTls: true },
  ssl_min_protocol_version: { key: "min_protocol_version", inTls: true },
};

/** Parameters that change nothing here: what they could ask for is the way it is done anyway. */
const HARMLESS = ["client_encoding", "fallback_application_name", "gssencmode", "sslcompression", "sslsni"];

/** What is wrong with a URI. Never holds a part of it that may be a password. */
export class UriError extends Error {
  override readonly name = "UriError";
}

/** @throws {UriError} */
export function parseConnectionUri(uri: string): UriKeys {
  const scheme = /^postgres(?:ql)?:\/\//i.exec(uri)?.[0];
  if (scheme === undefined) {
    throw new UriError(
      '"connection" must be a URI: postgres://user@host:5432/database?sslmode=verify-full',
    );
  }
  const [address, query = ""] = splitAt(uri.slice(scheme.length), "?");
  const [authority, path] = splitAt(address, "/");
  // A password that was not encoded may hold @ and :, but not / and ?.
  const at = authority.lastIndexOf("@");
  const [user, password] = at < 0 ? [] : splitAt(authority.slice(0, at), ":");
  const config: Record<string, unknown> = {};
  const tls: Record<string, unknown> = {};
  const set = (key: string, value: string | undefined) => {
    if (value !== undefined && value !== "") config[key] = value;
  };
  set("user", user && decoded(user));
  set("password", password && decoded(password));
  set("database", path && decoded(path));
  const hosts = authority.slice(at + 1).split(",").filter((host) => host !== "").map(decoded);
  for (const [name, value] of parametersOf(query)) {
    if (HARMLESS.includes(name) || value === "") continue;
    const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (name === "ssl" && /^(true|1)$/.test(value)) tls.mode ??= "require";
    else if (name === "host" || name === "hostaddr") hosts.splice(0, hosts.length, ...value.split(","));
    else if (parameter === undefined) {
      const known = Object.keys(PARAMETERS).join(", ");
      throw new UriError(`"connection" has an unknown parameter "${name}"; known are ${known}`);
    } else if (parameter.inTls) tls[parameter.key] = value;
    else config[parameter.key] = parameter.isNumber ? wholeNumber(name, value) : value;
  }
  if (tls.ca_cert_path === "system") delete tls.ca_cert_path;
  if (typeof tls.min_protocol_version === "string") {
    tls.min_protocol_version = tls.min_protocol_version.replace(/^TLSv/i, "");
  }
  return { config: { ...config, ...hostKeys(hosts, config.port as string | undefined) }, tls };
}

/**
 * `host` and `port`, or `hosts` where there are several. Shared with the variables PGHOST and PGPORT, which may be
 * lists, too.
 *
 * @param ports one for all hosts, or one for each, with commas; what a host has of its own wins
 * @throws {UriError} when the two can't be read together
 */
export function hostKeys(hosts: readonly string[], ports: string | undefined): Record<string, unknown> {
  const each = ports === undefined || ports === "" ? [] : ports.split(",");
  if (each.some((port) => !/^\d*$/.test(port))) throw new UriError("A port must be a number");
  if (hosts.length === 0) {
    if (each.length > 1) throw new UriError("There are several ports, but no hosts");
    return each.length === 0 ? {} : { port: Number(each[0]) };
  }
  if (each.length > 1 && each.length !== hosts.length) {
    throw new UriError(`There are ${hosts.length} hosts and ${each.length} ports`);
  }
  const servers = hosts.map((host, i) => {
    const server = parseAddress(host, Number(each[each.length > 1 ? i : 0] || 5432));
    if (server === undefined) throw new UriError(`Host ${i + 1} is no host, host:port or [address]:port`);
    return server;
  });
  if (servers.length > 1) return { hosts: servers.map(addressText), port: undefined };
  return { host: servers[0].host, port: servers[0].port };
}

function parametersOf(query: string): [string, string][] {
  return query.split("&").filter((one) => one !== "").map((one) => {
    const [name, value = ""] = splitAt(one, "=");
    return [decoded(name), decoded(value)];
  });
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new UriError(`"connection": parameter "${name}" must be a whole number`);
  return Number(value);
}

function splitAt(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UriError('"connection" has a % that starts no code: write %25 for the sign itself');
  }
}
