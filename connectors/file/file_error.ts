/** What the system said about a file, in the words of this connector's keys. */
import { fileError as describe, type FileErrorWords } from "../_files/file_error.ts";

const PATH_HINT = "Choose another `path`: this one can't be a file";

const WORDS: FileErrorWords = {
  permission: {
    hint: "Give the user that runs this program the right to write there, or choose another path",
  },
  pathHint: PATH_HINT,
  more: { EEXIST: { code: "config_path", hint: PATH_HINT } },
};

/** @param tried a verb, as in "Cannot append to" */
export function fileError(tried: string, file: string, error: unknown): Error {
  return describe(tried, file, error, WORDS);
}
