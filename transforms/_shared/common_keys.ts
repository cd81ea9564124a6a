/** Keys that several transforms have, with one meaning. For their definitions, on the main thread alone. */
import { z } from "zod";
import { PARTS, type RowPart } from "./parts.ts";

const part = z.enum(PARTS);

/** Rows and key. */
export const applyTo: z.ZodType<RowPart[]> = z.array(part).min(1).default(["after", "before", "key"])
  .describe(
    "What is changed: the row after the change, the row before it, the key. Left out: all three, so that they agree",
  );

/** The row after the change. */
export const applyToAfter: z.ZodType<RowPart[]> = z.array(part).min(1).default(["after"]).describe(
  "What is changed: the row after the change, the row before it, the key. Left out: the row after the change",
);

export const ignoreCase: z.ZodType<boolean> = z.boolean().default(false).describe(
  "Names of fields fit whatever their case",
);
