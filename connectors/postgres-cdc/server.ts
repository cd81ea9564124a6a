/** What a server must be like for this source. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { ServerFacts } from "./catalog.ts";

/** As in server_version_num. Older ones lack publish_via_partition_root and wal_status. */
export const MIN_VERSION = 130000;

/** @throws {ConnectorError} when the server can't copy slots to standbys */
export function requireFailover(facts: ServerFacts): void {
  if (facts.version < 170000) {
    throw new ConnectorError(
      `slot_failover needs PostgreSQL 17 or newer, and this is PostgreSQL ${facts.versionText}`,
      {
        code: "state_slot_failover",
        hint: "Set slot_failover to false; older servers lose their slots in a failover",
      },
    );
  }
  if (facts.isStandby) {
    throw new ConnectorError("slot_failover is for slots of the primary, and the server is a standby", {
      code: "state_slot_failover",
      hint: "Read from the primary, or set slot_failover to false",
    });
  }
}

/** @throws {ConnectorError} `state_*` when no restart can help */
export function requireServer(facts: ServerFacts, needsStream: boolean): void {
  if (facts.version < MIN_VERSION) {
    throw new ConnectorError(`PostgreSQL ${facts.versionText} is too old: version 13 or newer is needed`, {
      code: "state_server_version",
    });
  }
  if (facts.walLevel !== "logical" && needsStream) {
    throw new ConnectorError(
      `wal_level is "${facts.walLevel}", so the server writes no changes that could be read`,
      {
        code: "state_wal_level",
        hint: "Run: ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
      },
    );
  }
}
