/** A pattern of streams or topics as a key of the configuration: connector.ts files and the pipeline file's schema use it. */
import { z } from "zod";
import { patternTest } from "./stream_pattern.ts";

/** A name, one with `*` and `?`, or a `/regular expression/`, which is compiled here so that a mistake has its line. */
export const streamPattern: z.ZodType<string> = z.string().min(1).superRefine((pattern, { addIssue }) => {
  try {
    patternTest(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    addIssue({ code: "custom", message: error.message });
  }
});
