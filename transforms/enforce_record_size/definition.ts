/** What enforce_record_size is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { upgradeKeys } from "../_shared/spellings.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  max_bytes: z.int().min(1).describe("Most bytes of a record: its key, both rows and its headers as JSON"),
  action: z.enum(["reject", "truncate", "drop"]).default("reject").describe(
    "What becomes of a larger one: it is rejected, its long texts and bytes are cut, or it goes",
  ),
  drop_before: z.boolean().default(false).describe(
    "The row before the change goes first, where there is one after it; the rest follows when that is not enough",
  ),
  min_field_size: z.int().min(0).default(25_000).describe(
    "With truncate: only fields of more bytes are cut, the longer ones more, and none below this size",
  ),
  truncation_marker: z.string().max(100).default("").describe(
    "With truncate: stands at the end of texts that were cut",
  ),
  truncated_field: z.string().min(1).optional().describe(
    "With truncate: a field of the row after the change that lists the fields that were cut; null in other rows",
  ),
  compression_ratio: z.number().gt(0).max(1).default(1).describe(
    "What remains of a record after the sink's compression: 0.5 lets records be twice as large",
  ),
});

export type EnforceRecordSizeConfig = z.output<typeof config>;

const definition: TransformDefinition<EnforceRecordSizeConfig> = defineTransform({
  type: "enforce_record_size",
  title: "Limit the size",
  summary: "Rejects, cuts or drops records that are too large for what comes behind",
  description:
    "The size is that of the key, the rows and the headers as JSON; what an envelope adds, some hundred bytes, is not counted. " +
    "Texts are cut between characters. Columns of the key, and types that would be wrong when cut (numbers, times, UUIDs), are " +
    "never cut: a record that is still too large then is rejected.",
  config,
  upgradeConfig: (config) =>
    upgradeKeys(config, {
      "max.bytes": (value, config) => ({ ...config, max_bytes: numberOf(value) }),
      "min.field.size": (value, config) => ({ ...config, min_field_size: numberOf(value) }),
      "compression.ratio": (value, config) => ({ ...config, compression_ratio: numberOf(value) }),
      strategy: "action",
    }),
  checkConfig({ action, truncated_field, truncation_marker, max_bytes, min_field_size }) {
    const problems: { key: string; message: string; hint?: string }[] = [];
    if (action !== "truncate") {
      for (const [key, value] of Object.entries({ truncated_field, truncation_marker })) {
        if (value) problems.push({ key, message: "Has a meaning only with action: truncate" });
      }
    } else if (min_field_size >= max_bytes) {
      problems.push({
        key: "min_field_size",
        message: `No field could be cut: fields of ${min_field_size} bytes alone fill max_bytes`,
        hint: "Choose a smaller one",
      });
    }
    return problems;
  },
  example,
});

function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

export default definition;
