/** What column_filter is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { allowKeyProtection } from "../_protection/config_keys.ts";
import type { KeyProblem } from "../_protection/keys.ts";
import { nameTest } from "../_protection/selector.ts";
import { ignoreCase } from "../_shared/common_keys.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const columns = z.array(z.string().min(1)).default([]);

const filter = z.strictObject({
  include: columns.describe("Only these columns stay: names, * and ?, /regular expressions/; empty: all"),
  exclude: columns.describe("These columns go, also those that include names"),
});

const config = z.strictObject({
  filters: z.record(z.string().min(1), filter).describe(
    "Table → its columns. A table is named as users, public.users or shop.public.users, with * and ?, or by a /regular " +
      "expression/; the most exact entry counts: a name before a pattern before *",
  ),
  strict: z.boolean().default(false).describe(
    "A column that its table doesn't have stops the source; otherwise it is a warning",
  ),
  skip_unchanged: z.boolean().default(false).describe(
    "Updates that change no column that stays are left out; needs the row before (REPLICA IDENTITY FULL)",
  ),
  ignore_case: ignoreCase,
  allow_key_protection: allowKeyProtection,
});

export type ColumnFilterConfig = z.output<typeof config>;

const definition: TransformDefinition<ColumnFilterConfig> = defineTransform({
  type: "column_filter",
  title: "Keep and drop columns",
  summary: "Keeps only some columns of each table, or drops some",
  description:
    "Works on both images of a change, in snapshots and in the stream, and on the stream's columns. A column of the key " +
    "that would go is refused; with allow_key_protection it leaves the rows and stays in the key. Tables that no entry " +
    "names pass as they are. A record that is no row of names and values does not pass.",
  config,
  protects: true,
  hidesKey: ({ allow_key_protection }) => allow_key_protection,
  upgradeConfig(config) {
    const { include, exclude, ...rest } = config;
    if (rest.filters !== undefined || (include === undefined && exclude === undefined)) {
      return { config, notes: [] };
    }
    const all = {
      ...(include === undefined ? {} : { include }),
      ...(exclude === undefined ? {} : { exclude }),
    };
    return { config: { ...rest, filters: { "*": all } }, notes: [] };
  },
  checkConfig({ filters }) {
    const problems: KeyProblem[] = [];
    const check = (key: string, pattern: string) => {
      try {
        nameTest(pattern);
      } catch (error) {
        problems.push({ key, message: error instanceof Error ? error.message : String(error) });
      }
    };
    for (const [table, { include, exclude }] of Object.entries(filters)) {
      check(`filters.${table}`, table);
      for (const column of [...include, ...exclude]) check(`filters.${table}`, column);
    }
    if (Object.keys(filters).length === 0) {
      problems.push({
        key: "filters",
        message: "No table is named",
        hint: "Write public.users: {exclude: […]}",
      });
    }
    return problems;
  },
  example,
});

export default definition;
