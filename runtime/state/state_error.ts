/** What SQLite says about the state, in words for whoever has to mend it; for checkpoint.ts and dead_letter_table.ts. */
import { ConnectorError } from "../../formats/data/errors.ts";

export function stateError(message: string, cause: unknown): ConnectorError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const { code, hint } = FAILURES.find(({ says }) => says.test(text))!;
  return new ConnectorError(`${message}: ${text}`, { code, hint, cause });
}

/** What SQLite says (its sqlite3_errstr) or JSON.parse, and what that means for people; the last one is the rest. */
const FAILURES = [
  {
    says: /disk is full|no space/i,
    code: "transient_disk_full",
    hint: "Make room on that disk; nothing was acknowledged that is not saved",
  },
  {
    says: /not a database|malformed|JSON/,
    code: "state_damaged",
    hint: "Bring the file back from a backup, or move it away: then sources start from the beginning",
  },
  {
    says: /(?:)/,
    code: "state_unusable",
    hint: "settings.state_dir must be a writable folder on a local disk",
  },
] as const;
