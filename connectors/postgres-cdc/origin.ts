/** `origin`: whether transactions that were replicated to the server from elsewhere are read. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { ServerFacts } from "./catalog.ts";

/** The key of the configuration. */
export interface OriginKeys {
  readonly origin: "any" | "none";
}

/** Options of pgoutput that it asks for. */
export function originOption({ origin }: OriginKeys): string[] {
  return origin === "none" ? ["origin 'none'"] : [];
}

/** @throws {ConnectorError} `state_origin`: the server can't leave out replicated transactions */
export function requireOrigin({ origin }: OriginKeys, { version, versionText }: ServerFacts): void {
  if (origin === "any" || version >= 160000) return;
  throw new ConnectorError(`"origin: none" needs PostgreSQL 16 or newer, and the server is ${versionText}`, {
    code: "state_origin",
    hint: "Remove it; source.origin of a record tells where its transaction came from",
  });
}
