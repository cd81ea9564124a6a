/** Keys that choose the streams a transform is for, as several definitions have them, and what they mean. */
import { z } from "zod";
import { streamMatcher } from "../../formats/data/stream_pattern.ts";
import { compileRegex } from "../../formats/data/regex.ts";

type Problem = { key: string; message: string; hint?: string };

/** `tables`. */
export const tables: z.ZodType<string[]> = z.array(z.string().min(1)).default([]).describe(
  "Only for these tables: `schema.table`, `*` and `?` stand for parts of a name, `/…/` is a regular expression. " +
    "All when left out; records of others pass as they are",
);

/** `topic_regex`. */
export const topicRegex: z.ZodType<string | undefined> = z.string().min(1).optional().describe(
  "Only for records whose topic so far (`schema.table` where none is decided) this regular expression matches whole",
);

/** What is wrong with the two. */
export function selectionProblems(
  { tables, topic_regex }: { readonly tables: readonly string[]; readonly topic_regex?: string },
): Problem[] {
  const problems: Problem[] = [];
  try {
    streamMatcher(tables);
  } catch (error) {
    problems.push({ key: "tables", message: (error as Error).message });
  }
  if (topic_regex !== undefined) problems.push(...regexProblems("topic_regex", topic_regex));
  return problems;
}

/** What is wrong with a pattern. */
export function regexProblems(key: string, pattern: string): Problem[] {
  try {
    compileRegex(pattern);
    return [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [{ key, message: error.message }];
  }
}
