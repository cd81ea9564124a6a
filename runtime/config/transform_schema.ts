/** Transforms and predicates as zod schemas: what stands around the config of a transform, which has its own. */
import { z } from "zod";
import { OPERATIONS } from "../../formats/data/record.ts";

const text = z.string().min(1);
const texts = z.union([text, z.array(text).min(1)]);
const ANYTHING = z.unknown();

/** One entry of a list of transforms, or of the top-level `transforms`. */
export const transformEntry = z.strictObject({
  type: text.describe("Which transform: one that `rivven-connect spec` lists"),
  name: text.optional().describe("How messages call it; its type and place when left out"),
  config: ANYTHING.optional().describe("Keys of the transform itself: `rivven-connect spec <type>`"),
  predicate: ANYTHING.optional().describe(
    "Which records it is for, the others pass untransformed: a name under predicates, or a predicate",
  ),
  on_error: z.enum(["stop", "fail", "skip", "dead_letter", "pass"]).optional().describe(
    "What becomes of a record that it can't handle: stop (fail is another name), skip, dead_letter, or pass, which " +
      "leaves it as it was; without it what the pipeline's settings say, in a source's own transforms stop",
  ),
});

/** What `type:` says for a fork into two chains. */
export const FORK_TYPES: readonly string[] = ["conditional", "conditional_smt"];

/** The config of a fork. */
export const forkConfig = z.strictObject({
  when: ANYTHING.describe("An expression as in filter, a name under predicates, or a predicate"),
  then: z.array(ANYTHING).default([]).describe("Transforms for records for which it holds"),
  else: z.array(ANYTHING).default([]).describe("Transforms for the other records"),
});

/** Other names for operations, from Debezium and earlier versions. */
export const OPERATION_NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(OPERATIONS.map((name) => [name, name])),
  c: "insert",
  create: "insert",
  u: "update",
  d: "delete",
  r: "snapshot",
  read: "snapshot",
  t: "truncate",
  m: "message",
  ddl: "schema",
};

/** Which records a transform is for. */
export const predicateEntry = z.strictObject({
  table: texts.optional().describe(
    "Regular expression for the bare name of the table, matched anywhere in it; with = in front the name itself",
  ),
  tables: texts.optional().describe("The same for several tables, of which any will do"),
  schema: texts.optional().describe("Regular expression for the namespace, as table"),
  schemas: texts.optional().describe("The same for several namespaces"),
  database: texts.optional().describe("Regular expression for the database, as table"),
  topic: texts.optional().describe(
    "Regular expression for the topic as it is at this place of the chain, else the stream's name",
  ),
  match: z.enum(["regex", "exact"]).default("regex").describe(
    "exact: table, schema, database and topic are names, not expressions",
  ),
  operations: texts.optional().describe(
    "insert, update, delete, snapshot, truncate, tombstone, message, schema or record; any of them will do",
  ),
  field_exists: text.optional().describe("A field that the row has; of a delete the row before it"),
  field_value: z.strictObject({
    field: text.describe("Name of a field"),
    value: ANYTHING.describe("The value that it has"),
  }).optional().describe("A field with a value; a row without the field does not match"),
  has_header: text.optional().describe("A header that the record has"),
  is_tombstone: z.boolean().optional().describe("true: tombstones only; false: all other records"),
  condition: text.optional().describe("An expression as in filter; unknown counts as false"),
  any_of: z.array(ANYTHING).min(1).optional().describe(
    "Predicates, or names of some, of which one must hold",
  ),
  all_of: z.array(ANYTHING).min(1).optional().describe("Predicates, or names of some, that all must hold"),
  negate: z.boolean().default(false).describe("true: turns the whole around"),
});

export type PredicateEntry = z.output<typeof predicateEntry>;
