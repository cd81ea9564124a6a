/** What the system said about a file or a folder, in words for whoever runs the pipeline. */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";

/** @param tried a verb, as in "Cannot write" */
export function localError(tried: string, path: string, error: unknown): Error {
  // A denied right is explained by the runtime, which knows whose configuration would have to name it.
  if (error instanceof Deno.errors.NotCapable || error instanceof ConnectorError) return error;
  const { code, message } = error as Error & { code?: string };
  return new ConnectorError(`Cannot ${tried} "${path}": ${message}`, { ...detailsOf(code), cause: error });
}

/** Tried again, whatever it is: nothing is lost while somebody mends it. */
function detailsOf(code: string | undefined): Pick<ErrorDetails, "code" | "hint" | "retryable"> {
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
      return {
        code: "permission_file",
        hint: "Give the user that runs this program the right to write there (and a file system with links)",
        retryable: true,
      };
    case "ENOTDIR":
    case "EISDIR":
    case "ENAMETOOLONG":
    case "ELOOP":
      return { code: "config_path", hint: "Choose another `local.root` or `prefix`: this can't be a folder" };
    case "EMFILE":
    case "ENFILE":
      return { code: "transient_open_files", hint: "Raise the limit on open files (ulimit -n)" };
    case "ENOTSUP":
    case "EOPNOTSUPP":
    case "EMLINK":
      return {
        code: "config_file_system",
        hint: "Choose a `local.root` on a file system with hard links: objects get their name by link(2)",
      };
    default:
      return { code: "connection_file", hint: "Look at the disk and at the system's log" };
  }
}
