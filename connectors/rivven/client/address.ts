/** Where brokers are, as configurations write it. Pure: connector.ts derives the worker's rights from it. */

export interface Address {
  /** A host name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_PORT = 9092;

/** `broker`, `broker:9092`, `[::1]:9092`; undefined when it is none of these. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, name, digits] =
    /^(?:\[([\da-f:.]+)\]|([^\s,:/@[\]]+))(?::(\d{1,5}))?$/i.exec(text.trim()) ?? [];
  const host = bracketed ?? name;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  return host === undefined || port < 1 || port > 65535 ? undefined : { host, port };
}

/** `host:port`, an IPv6 address in brackets: for messages and for rights. */
export function addressText({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
