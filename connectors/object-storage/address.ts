/** Addresses of stores, as definitions and stores write them. */

/** `host:port` of an address, as a right is written. */
export function hostOf(address: string): string {
  const { protocol, hostname, port } = new URL(address);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** A name of an object as the path of a URL: all but its slashes encoded. */
export function namePath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}
