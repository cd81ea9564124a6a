/**
 * What the system said about a file or a folder, in words for whoever runs the pipeline. For the connectors that write
 * files, each of which says in its own keys what can be done.
 */
import { ConnectorError, type ErrorDetails } from "../../formats/data/errors.ts";

/** What one kind of error is called, and what to do. */
export type FileErrorDetails = Pick<ErrorDetails, "code" | "hint" | "retryable">;

/** What a connector has to say of its own. */
export interface FileErrorWords {
  /** The user of this program may not do that. */
  readonly permission: Omit<FileErrorDetails, "code">;
  /** There can be no such file here: the key to change. */
  readonly pathHint: string;
  /** By the system's name of it, such as `EMLINK`. */
  readonly more?: Readonly<Record<string, FileErrorDetails>>;
}

/** @param tried a verb, as in "Cannot append to" */
export function fileError(tried: string, path: string, error: unknown, words: FileErrorWords): Error {
  // A denied right is explained by the runtime, which knows whose configuration would have to name it.
  if (error instanceof Deno.errors.NotCapable || error instanceof ConnectorError) return error;
  const { code, message } = error as Error & { code?: string };
  const details = words.more?.[code ?? ""] ?? detailsOf(code, words);
  return new ConnectorError(`Cannot ${tried} "${path}": ${message}`, { ...details, cause: error });
}

function detailsOf(code: string | undefined, { permission, pathHint }: FileErrorWords): FileErrorDetails {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return {
        code: "transient_disk_full",
        hint: "Make room on the disk; nothing is lost, and the pipeline goes on when there is some",
      };
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return { code: "permission_file", ...permission };
    case "ENOTDIR":
    case "EISDIR":
    case "ENAMETOOLONG":
    case "ELOOP":
      return { code: "config_path", hint: pathHint };
    case "EMFILE":
    case "ENFILE":
      return { code: "transient_open_files", hint: "Raise the limit on open files (ulimit -n)" };
    default:
      return { code: "connection_file", hint: "Look at the disk and at the system's log" };
  }
}
