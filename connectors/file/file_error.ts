/** What the system said about a file, in words for whoever runs the pipeline. */
import { ConnectorError, type ErrorDetails } from "../../formats/data/errors.ts";

/** @param tried a verb, as in "Cannot append to" */
export function fileError(tried: string, file: string, error: unknown): Error {
  // A denied right is explained by the runtime, which knows whose configuration would have to name it.
  if (error instanceof Deno.errors.NotCapable || error instanceof ConnectorError) return error;
  const { code, message } = error as Error & { code?: string };
  return new ConnectorError(`Cannot ${tried} "${file}": ${message}`, { ...detailsOf(code), cause: error });
}

function detailsOf(code: string | undefined): Pick<ErrorDetails, "code" | "hint"> {
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
        hint: "Give the user that runs this program the right to write there, or choose another path",
      };
    case "ENOTDIR":
    case "EISDIR":
    case "EEXIST":
    case "ENAMETOOLONG":
    case "ELOOP":
      return { code: "config_path", hint: "Choose another `path`: this one can't be a file" };
    case "EMFILE":
    case "ENFILE":
      return { code: "transient_open_files", hint: "Raise the limit on open files (ulimit -n)" };
    default:
      return { code: "connection_file", hint: "Look at the disk and at the system's log" };
  }
}
