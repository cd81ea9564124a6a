/** The password file `.pgpass`: PostgreSQL documentation, "The Password File". Pure; login.ts reads the file. */
import type { ServerAddress } from "./address.ts";

/** Where a Unix socket is by default, for which the file says "localhost". */
const DEFAULT_SOCKET_FOLDERS = ["/tmp", "/run/postgresql", "/var/run/postgresql"];

export interface PasswordWanted extends ServerAddress {
  readonly database: string;
  readonly user: string;
}

/**
 * The password of the first line that matches: `host:port:database:user:password`, each of the first four may be `*`,
 * `\:` and `\\` stand for `:` and `\`, lines that start with `#` are comments.
 *
 * @returns undefined when no line matches
 */
export function findPassword(text: string, wanted: PasswordWanted): string | undefined {
  const hosts = [wanted.host, ...(DEFAULT_SOCKET_FOLDERS.includes(wanted.host) ? ["localhost"] : [])];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = fieldsOf(line);
    if (fields.length < 5) continue;
    const [host, port, database, user, password] = fields;
    const isMatch = (field: Field, values: readonly string[]) =>
      field.written === "*" || values.includes(field.value);
    if (
      isMatch(host, hosts) && isMatch(port, [String(wanted.port)]) && isMatch(database, [wanted.database]) &&
      isMatch(user, [wanted.user])
    ) return password.value;
  }
}

interface Field {
  /** As it stands in the file: `\*` is an asterisk, and no wildcard. */
  readonly written: string;
  readonly value: string;
}

/** An unescaped colon in the password ends it, as it does for libpq. */
function fieldsOf(line: string): Field[] {
  return line.split(/(?<=(?:^|[^\\])(?:\\\\)*):/).map((part) => part.replace(/:$/, "")).map((written) => ({
    written,
    value: written.replace(/\\(.)/g, "$1"),
  }));
}

/** Others than the owner may use the file: then it is not used. */
export function isOpenToOthers(mode: number): boolean {
  return (mode & 0o077) !== 0;
}
