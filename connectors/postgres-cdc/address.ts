/** Where servers are, as configurations write it. connector.ts derives the worker's rights from it; pure. */
import { isIPv6 } from "node:net";

export interface ServerAddress {
  /** A host name, an address without brackets, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

/**
 * `db`, `db:5433`, `10.0.0.1`, `::1`, `[::1]:5433`, `/run/postgresql`, `/run/postgresql:5433`.
 *
 * @returns undefined when it is none of these
 */
export function parseAddress(text: string, defaultPort: number): ServerAddress | undefined {
  const [, bracketed, other, digits] = /^(?:\[([^\]]+)\]|(.*?))(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  // An IPv6 address without brackets has no port: its last group looks like one.
  const bare = bracketed === undefined && !text.startsWith("/") && text.split(":").length > 2;
  const host = bare ? text.trim() : bracketed ?? withoutTrailingSlash(other ?? "");
  const port = bare || digits === undefined ? defaultPort : Number(digits);
  if (host === "" || /[\s,@]/.test(host) || port < 1 || port > 65535) return undefined;
  if (!host.startsWith("/") && host.includes("/")) return undefined;
  if (!bare && bracketed === undefined && !host.startsWith("/") && host.includes(":")) return undefined;
  if ((bare || bracketed !== undefined) && !isIPv6(host)) return undefined;
  return { host, port };
}

function withoutTrailingSlash(host: string): string {
  return host.length > 1 ? host.replace(/\/+$/, "") : host;
}

/** Is it a folder with the server's socket in it? */
export function isSocket({ host }: ServerAddress): boolean {
  return host.startsWith("/");
}

/** The socket file: PostgreSQL documentation, unix_socket_directories. */
export function socketPath({ host, port }: ServerAddress): string {
  return `${host === "/" ? "" : host}/.s.PGSQL.${port}`;
}

/** `db:5432`, `[::1]:5432`; of a socket its folder: `/run/postgresql:5432`. */
export function addressText({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The servers that a validated configuration names, in the order in which they are tried. */
export function serversOf(
  { host, port, hosts }: { readonly host?: string; readonly port: number; readonly hosts: readonly string[] },
): ServerAddress[] {
  const texts = host === undefined ? hosts : [host];
  return texts.flatMap((text) => parseAddress(host === undefined ? text : bracketed(text), port) ?? []);
}

/** `host` is a host alone: the colons of an IPv6 address are part of it. */
function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") && !host.startsWith("/") ? `[${host}]` : host;
}
