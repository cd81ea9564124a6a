/** What unwrap is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { isPattern, parsePath, pathProblem } from "../_shared/paths.ts";
import { upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  field: z.string().min(1).describe("The field that holds what is wanted: a name or a path"),
  mode: z.enum(["merge", "replace"]).default("merge").describe(
    "The members of the object join the row, in which the field itself goes; or the field's value takes the place of the " +
      "whole row",
  ),
  target: z.enum(["value", "key"]).default("value").describe(
    "Whether the row is unwrapped, or the key: with mode replace the key is then the field's value alone, as text",
  ),
  parse_json: z.boolean().default(false).describe("The field holds JSON as text, which is parsed first"),
  on_missing: z.enum(["keep", "drop", "fail"]).default("keep").describe(
    "When there is no such field, or no object to merge: the record stays as it is, goes, or is rejected",
  ),
  on_collision: z.enum(["fail", "keep", "overwrite"]).default("fail").describe(
    "When the row has a field that the object has too: the record is rejected, the row's field stays, or the object's wins",
  ),
});

export type UnwrapConfig = z.output<typeof config>;

const definition: TransformDefinition<UnwrapConfig> = defineTransform({
  type: "unwrap",
  aliases: { extract_field: { mode: "replace" } },
  title: "Unwrap a field",
  summary: "Puts the content of one field in the place of the row, or into it",
  description:
    "Works on both images of a change. With mode replace the value is written by itself, whatever the layout, a number or a " +
    "text too; a delete keeps its envelope, because written by itself it would be nothing. A field that is a struct brings " +
    "its columns along; what is in JSON has none, so the stream has none afterwards. The key stays, unless it is the target.",
  config,
  upgradeConfig: (config) => upgradeKeys(config, { path: "field" }),
  checkConfig({ field, target, mode }) {
    const message = pathProblem(field) ??
      (isPattern(parsePath(field)) ? "One field is meant, without patterns" : undefined);
    const problems = message ? [{ key: "field", message }] : [];
    if (target === "key" && mode === "merge") {
      problems.push({ key: "target", message: "A key can't be merged: say mode: replace" });
    }
    return problems;
  },
  unwraps: true,
  example,
});

export default definition;
