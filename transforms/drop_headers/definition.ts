/** What drop_headers is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileRegex } from "../../formats/data/regex.ts";
import { listOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const patterns = z.array(z.string().min(1)).default([]);

const config = z.strictObject({
  headers: patterns.describe(
    "Headers that go: names, names with * and ?, /regular expressions/; all, when * stands here",
  ),
  keep: patterns.describe("Headers that stay although a pattern of headers fits them"),
});

export type DropHeadersConfig = z.output<typeof config>;

const definition: TransformDefinition<DropHeadersConfig> = defineTransform({
  type: "drop_headers",
  title: "Drop headers",
  summary: "Takes headers off messages",
  description: "Works on every record that has headers; rows and keys stay as they are.",
  config,
  upgradeConfig(config) {
    const upgraded = upgradeKeys(config, { names: "headers" });
    for (const key of ["headers", "keep"]) {
      if (typeof upgraded.config[key] === "string") {
        upgraded.config = { ...upgraded.config, [key]: listOf(upgraded.config[key]) };
      }
    }
    return upgraded;
  },
  checkConfig({ headers, keep }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    if (headers.length === 0) {
      problems.push({ key: "headers", message: "Names no header", hint: 'Write ["*"] for all of them' });
    }
    for (const [key, list] of Object.entries({ headers, keep })) {
      list.forEach((text, i) => {
        try {
          if (/^\/.+\/$/.test(text)) compileRegex(text.slice(1, -1));
        } catch (error) {
          problems.push({ key: `${key}.${i}`, message: (error as Error).message });
        }
      });
    }
    return problems;
  },
  example,
});

export default definition;
