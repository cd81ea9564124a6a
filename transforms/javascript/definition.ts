/** What the `javascript` transform is: a function of the user's own, in a worker without any right. */
import { z } from "zod";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";
import { codeProblem } from "./user_code.ts";

const config = z.strictObject({
  language: z.enum(["javascript", "typescript"]).default("javascript").describe(
    "What the code is written in; TypeScript's types are taken off, not checked, and nothing but types is allowed (no enum)",
  ),
  file: z.string().min(1).optional().describe(
    "File with the code, from the working directory; read once, at the start. A file in .ts is TypeScript",
  ),
  code: z.string().min(1).optional().describe("The code itself, in place of `file`"),
  columns: z.enum(["keep", "drop"]).default("drop").describe(
    "`drop`: nothing is known of the columns that come out, so typed sinks tell from the values. `keep`: the function changes neither names nor types of columns",
  ),
  timeout_ms: z.int().min(10).max(600_000).default(10_000).describe(
    "Longest time for one batch (up to 1000 records), in milliseconds; then the source is started anew",
  ),
}).refine(({ code, file }) => code !== undefined || file !== undefined, {
  message: "Name the `file` with the code, or write it as `code`",
});

export type JavascriptConfig = z.output<typeof config>;

const definition: TransformDefinition<JavascriptConfig> = defineTransform<JavascriptConfig>({
  type: "javascript",
  aliases: { typescript: { language: "typescript" } },
  title: "JavaScript function",
  summary: "Calls a function of your own for each record, in a worker that can reach nothing",
  description:
    "The code is a module whose default export is called with each record, of every operation, and returns it as it " +
    "shall go on: the record or one like it, a list of several, or nothing to leave it out. A record has `stream` " +
    "(name, namespace, database, topic, key), `operation`, `key`, `before`, `after`, `time` (RFC 3339), `source`, " +
    "`headers` and `unavailable`; `topic` in what is returned decides where broker sinks publish it. int64 is bigint, " +
    "decimals and times are text, bytes are Uint8Array. What the function throws rejects the record. It runs in a " +
    "worker of its own without rights: no network, no files, no variables; `console` writes to the log.",
  config,
  completeConfig: (config, _env, readFile) => {
    const { file } = config;
    if (typeof file !== "string" || config.code !== undefined) {
      const both = file !== undefined && config.code !== undefined;
      const problems = both
        ? [{ key: "code", message: "There is a `file` and `code`: keep one of them" }]
        : [];
      return { config, problems };
    }
    try {
      const language = config.language ?? (/\.[cm]?ts$/.test(file) ? "typescript" : "javascript");
      return { config: { ...config, language, code: readFile(file) }, problems: [] };
    } catch {
      const hint = "Paths are relative to the working directory";
      return { config, problems: [{ key: "file", message: `The file "${file}" can't be read`, hint }] };
    }
  },
  checkConfig: ({ language, code, file }) => {
    const problem = codeProblem(code!, language);
    return problem === undefined ? [] : [{ key: file === undefined ? "code" : "file", ...problem }];
  },
  example,
});

export default definition;
