/** What hoist_field is: its keys and what they mean. implementation.ts does the work. */
import { z } from "zod";
import { defineTransform, type TransformDefinition } from "../contract.ts";
import example from "./example.gen.ts";

const config = z.strictObject({
  field: z.string().min(1).describe("Name of the field that the whole value becomes"),
});

export type HoistFieldConfig = z.output<typeof config>;

const definition: TransformDefinition<HoistFieldConfig> = defineTransform({
  type: "hoist_field",
  title: "Wrap the row",
  summary: "Puts the whole row into one field of a new row",
  description:
    "Works on both images of a change, and on values that are no rows, such as texts from a queue. The columns become the " +
    "fields of one struct; a column that was not sent is named field.column then. The key stays as it is, so a sink that " +
    "looks for its columns in the row doesn't find them there.",
  config,
  example,
});

export default definition;
