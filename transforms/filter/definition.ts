/** What filter is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { compileExpression, expressionProblem } from "../_expression/expression.ts";
import { fieldCondition, fromScript } from "../_expression/spellings.ts";
import { selectionProblems, tables, topicRegex } from "../_shared/selection.ts";
import { booleanOf, upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  condition: z.string().min(1).optional().describe(
    "The expression that is asked about each row, as in `amount > 100 AND status <> 'draft'`: see " +
      "transforms/_expression/README.md. Left out only together with `drop: true`: then everything goes that the " +
      "predicate lets through",
  ),
  drop: z.boolean().default(false).describe(
    "True: rows for which the condition holds go. False: only they stay; where it is neither true nor false they don't",
  ),
  delete_policy: z.enum(["pass", "evaluate", "drop"]).default("pass").describe(
    "What becomes of a delete whose old row lacks a column of the condition, as with PostgreSQL's default replica " +
      "identity: it passes, so that no row stays behind at the destination; it is judged with what is missing as " +
      "null; it goes. Deletes with those columns are judged like every row",
  ),
  tombstones: z.enum(["follow", "keep", "drop", "evaluate"]).default("follow").describe(
    "What becomes of tombstones: the same as of their delete; they stay; they go; the condition is asked about the key",
  ),
  non_row_events: z.enum(["pass", "drop", "evaluate"]).default("pass").describe(
    "What becomes of truncations, messages and schema changes, which have no row",
  ),
  row_transition: z.enum(["none", "synthesize"]).default("none").describe(
    "What becomes of an update with which a row stops or starts to be one that stays. synthesize: a delete and an " +
      "insert, as PostgreSQL's row filters do, which takes the old row; none: the row after the change alone decides",
  ),
  on_missing_field: z.enum(["unknown", "error"]).default("unknown").describe(
    "A column of the condition that a row does not have counts as null, or makes the record an error",
  ),
  tables,
  topic_regex: topicRegex,
});

export type FilterConfig = z.output<typeof config>;

const definition: TransformDefinition<FilterConfig> = defineTransform({
  type: "filter",
  title: "Keep or drop records",
  summary: "Keeps the records for which a condition holds, or drops them",
  description:
    "Asks an expression about the row after the change, of a delete about the row before it. Inserts, updates, deletes, " +
    "rows of a snapshot and records of queues are judged; truncations, messages and schema changes pass unless " +
    "non_row_events says otherwise, and a tombstone goes the way of its delete. Counted in records_filtered_total and " +
    "deletes_unjudged_total.",
  config,
  upgradeConfig(config) {
    const { field, equals, ...others } = config;
    const notes: string[] = [];
    let upgraded: Record<string, unknown> = config;
    if (typeof field === "string" && equals !== undefined && config.condition === undefined) {
      const condition = fieldCondition(field, equals);
      if (condition !== undefined) {
        upgraded = { ...others, condition };
        notes.push("field and equals are written as a condition here");
      }
    }
    if (typeof config.language === "string" && typeof config.condition === "string") {
      const { language, condition, ...rest } = upgraded;
      upgraded = { ...rest, condition: fromScript(String(condition)) };
      notes.push(`language: ${language} has no effect here: the condition is read as an expression`);
    }
    const renamed = upgradeKeys(upgraded, {
      "topic.regex": "topic_regex",
      "null.handling.mode": "tombstones",
      null_handling_mode: "tombstones",
      filter_expression: "condition",
    });
    if (renamed.config.drop !== undefined) {
      renamed.config = { ...renamed.config, drop: booleanOf(renamed.config.drop) };
    }
    return { config: renamed.config, notes: [...notes, ...renamed.notes] };
  },
  checkConfig(config) {
    const problems = selectionProblems(config);
    if (config.condition === undefined) {
      if (!config.drop) {
        problems.push({
          key: "condition",
          message: "There is no condition",
          hint:
            "Write condition: <expression>, or drop: true with a predicate to drop all that it lets through",
        });
      }
      return problems;
    }
    try {
      const { needs } = compileExpression(config.condition);
      if (config.row_transition === "synthesize" && (needs.before || needs.after)) {
        problems.push({
          key: "row_transition",
          message: "With synthesize the condition is asked about both rows, so it can't name one of them",
          hint: "Write columns without before. and after., and no changed()",
        });
      }
    } catch (error) {
      problems.push(expressionProblem("condition", error));
    }
    return problems;
  },
  example,
});

export default definition;
