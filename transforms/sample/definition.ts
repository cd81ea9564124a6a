/** What sample is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { selectionProblems, tables } from "../_shared/selection.ts";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  ratio: z.number().min(0).max(1).describe("The share of rows that stay, from 0 to 1"),
  by: z.enum(["key", "record"]).default("key").describe(
    "key: all changes of a row stay or none, so that what is left is whole; a record without a key counts by itself. " +
      "record: each record counts by itself",
  ),
  seed: z.int().min(0).default(0).describe("Another number chooses other rows"),
  tables,
});

export type SampleConfig = z.output<typeof config>;

const definition: TransformDefinition<SampleConfig> = defineTransform({
  type: "sample",
  title: "Keep a share of the rows",
  summary: "Keeps a share of the rows, the same ones each time",
  description:
    "Which rows stay follows from their keys, or from their places in the source, and from the seed: the same in every " +
    "run and on every machine. Truncations, messages and schema changes pass; a tombstone goes the way of its row. " +
    "Only records with neither key nor place are chosen at random.",
  config,
  checkConfig: ({ tables }) => selectionProblems({ tables }),
  example,
});

export default definition;
