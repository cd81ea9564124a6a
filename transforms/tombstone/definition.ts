/** What tombstone is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { nameTest } from "../_protection/selector.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  after_delete: z.boolean().default(true).describe("false: sends none"),
  behavior: z.enum(["emit_null"], {
    error: ({ input }) =>
      input === "emit_with_key" ? 'Tombstone behavior "emit_with_key" is not in this build yet' : undefined,
  }).default("emit_null").describe("What the value of a tombstone is: empty"),
  exclude_tables: z.array(z.string().min(1)).default([]).describe(
    "Tables whose deletes have none: users or public.users, with * and ?, or a /regular expression/",
  ),
});

export type TombstoneConfig = z.output<typeof config>;

const definition: TransformDefinition<TombstoneConfig> = defineTransform({
  type: "tombstone",
  title: "Send tombstones",
  summary: "Sends a tombstone, a key without a value, after each delete",
  description:
    "For topics that are compacted, where a key without a value says that older ones may go. Sources that send " +
    "tombstones themselves, such as postgres-cdc, don't need it: a delete that has one already gets no second. Tables " +
    "without a key have none.",
  config,
  upgradeConfig(config) {
    if (!("emit_tombstone_after_delete" in config) || "after_delete" in config) return { config, notes: [] };
    const { emit_tombstone_after_delete, ...rest } = config;
    return { config: { after_delete: emit_tombstone_after_delete, ...rest }, notes: [] };
  },
  checkConfig({ exclude_tables }) {
    return exclude_tables.flatMap((pattern, i) => {
      try {
        nameTest(pattern);
        return [];
      } catch (error) {
        return [{
          key: `exclude_tables.${i}`,
          message: error instanceof Error ? error.message : String(error),
        }];
      }
    });
  },
  example,
});

export default definition;
