/** Options of pgoutput that the configuration asks for, and the servers that have them. reading.ts and check.ts call it. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { ServerFacts } from "./catalog.ts";
import type { ChangeKeys } from "./wanted.ts";

/** The key of the configuration. */
export interface OriginKeys {
  readonly origin: "any" | "none";
}

/** Options of pgoutput that it asks for. */
export function originOption({ origin }: OriginKeys): string[] {
  return origin === "none" ? ["origin 'none'"] : [];
}

/**
 * What the configuration asks of the server and it can't do.
 *
 * @returns undefined: all is well
 */
export function missingOption(
  { origin, logical_messages }: OriginKeys & Pick<ChangeKeys, "logical_messages">,
  { version, versionText }: ServerFacts,
): ConnectorError | undefined {
  if (origin === "none" && version < 160000) {
    return new ConnectorError(
      `"origin: none" needs PostgreSQL 16 or newer, and the server is ${versionText}`,
      {
        code: "state_origin",
        hint: "Remove it; source.origin of a record tells where its transaction came from",
      },
    );
  }
  if (logical_messages.enabled && version < 140000) {
    return new ConnectorError(
      `"logical_messages" needs PostgreSQL 14 or newer, and the server is ${versionText}`,
      { code: "state_logical_messages", hint: "Remove it, or write enabled: false" },
    );
  }
  return undefined;
}
