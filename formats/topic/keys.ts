/**
 * The keys of a pipeline file that say how names become topics, as zod schemas: for `config.topic_routing` of sources
 * and for connectors that publish to a broker. Workers don't load this.
 */
import { z } from "zod";
import type { Normalization } from "./normalization.ts";
import { patternProblem, PLACEHOLDERS, topicProblem } from "./topic_name.ts";

/** `{source} {database} …`, for descriptions. */
export const placeholders: string = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`).join(" ");

/** A topic in which placeholders stand for the names of a stream. */
export const topicPattern: z.ZodType<string> = z.string().superRefine((pattern, context) => {
  const message = patternProblem(pattern);
  if (message) context.addIssue({ code: "custom", message, input: pattern });
});

/** The name of one topic. */
export const topicName: z.ZodType<string> = z.string().superRefine((topic, context) => {
  const message = topicProblem(topic);
  if (message) context.addIssue({ code: "custom", message, input: topic });
});

/** The `normalization` block. */
export const normalization: z.ZodType<Normalization> = z.strictObject({
  enabled: z.boolean().default(true).describe("False: names go into the topic as they are"),
  case_conversion: z.preprocess(
    (value) => value === "kebab_case" ? "kebab-case" : value,
    z.enum(["none", "lower", "upper", "snake_case", "kebab-case"]),
  ).default("none").describe(
    "Case of the names that fill the placeholders; text of the pattern stays as it is",
  ),
  replacement_char: z.enum(["_", "-"]).default("_").describe(
    "What stands for each character that is no ASCII letter, digit, `_` or `-`",
  ),
  avro_compatible: z.boolean().default(false).describe(
    "Names of letters, digits and `_` only, with no digit in front",
  ),
  strip_prefixes: z.array(z.string().min(1)).default([]).describe(
    "Taken off the front of a name, each once, in this order; case does not count",
  ),
  strip_suffixes: z.array(z.string().min(1)).default([]).describe("The same at the end of a name"),
  truncate_long_names: z.boolean().default(true).describe("Shortens topics of more than 249 bytes"),
  hash_on_truncate: z.boolean().default(true).describe(
    "A shortened topic ends in a hash of its whole name, so that two long ones stay two",
  ),
  snake_case_acronyms: z.boolean().default(false).describe(
    "With snake_case and kebab-case: HTTPRequest becomes http_request instead of httprequest",
  ),
  on_collision: z.enum(["warn", "fail", "hash_suffix"]).default("warn").describe(
    "Two streams with one topic: a warning, the end of the pipeline, or a hash of its name behind the topic of the one " +
      "that comes later",
  ),
}).refine(({ case_conversion, avro_compatible }) => !(case_conversion === "kebab-case" && avro_compatible), {
  message: "case_conversion: kebab-case makes names that avro_compatible forbids",
});
