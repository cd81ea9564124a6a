/** What the system said about a file or a folder, in the words of this connector's keys. */
import { fileError, type FileErrorDetails, type FileErrorWords } from "../../_files/file_error.ts";

const NO_LINKS: FileErrorDetails = {
  code: "config_file_system",
  hint: "Choose a `local.root` on a file system with hard links: objects get their name by link(2)",
};

const WORDS: FileErrorWords = {
  // Tried again: nothing is lost while somebody mends it.
  permission: {
    hint: "Give the user that runs this program the right to write there (and a file system with links)",
    retryable: true,
  },
  pathHint: "Choose another `local.root` or `prefix`: this can't be a folder",
  more: { ENOTSUP: NO_LINKS, EOPNOTSUPP: NO_LINKS, EMLINK: NO_LINKS },
};

/** @param tried a verb, as in "Cannot write" */
export function localError(tried: string, path: string, error: unknown): Error {
  return fileError(tried, path, error, WORDS);
}
