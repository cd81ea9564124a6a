/**
 * What holds for every transform of rows, whatever record comes: nothing is changed in place, what comes out is what a
 * sink reads from its bytes (run() of testing.ts looks at both), orders stay, and only the two kinds of expected
 * errors are thrown.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { anyRecord } from "../../tests/fakes/arbitraries.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { implementations } from "../implementations.gen.ts";
import { registry } from "../registry.gen.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { configOf, run, testContext } from "./testing.ts";

const CASES: readonly (readonly [type: string, config: Record<string, unknown>])[] = [
  ["replace_field", { renames: { id: "total", total: "id" } }],
  ["replace_field", {
    renames: [{ match: "(.+)", to: "x_$1" }],
    exclude: ["customer"],
    filter_names: "old",
    on_key_column: "remove",
  }],
  ["replace_field", {
    renames: { id: "customer", total: "in.to" },
    overwrite: true,
    include: ["*"],
    on_key_column: "keep",
  }],
  ["replace_field", { include: ["id", "customer.*"], on_key_column: "keep" }],
  ["extract_new_record_state", {
    add_table: true,
    add_op: true,
    add_ts: true,
    add_headers: ["op", "source.lsn"],
  }],
  ["extract_new_record_state", {
    delete_handling: "rewrite",
    add_fields: ["before.id", "after.total", "source.txId", "order"],
  }],
  ["extract_new_record_state", { add_fields: ["ts_us:id", "op:total"], add_fields_prefix: "" }],
  ["extract_new_record_state", { delete_handling: "delete_to_tombstone", non_row_events: "drop" }],
  ["value_to_key", {
    fields: ["id", "total"],
    on_missing: "null",
    keep_value_field: "__key",
    tombstone_for_old_key: true,
  }],
  ["value_to_key", { fields: ["total", "customer"], on_missing: "skip", format: "string" }],
  ["insert_field", {
    static_fields: { total: 5, more: [1] },
    copy_fields: { copy: "id" },
    templates: { t: "{table} {op} {source.lsn}" },
    key_field: "k",
    uuid_field: "u",
    event_timestamp_field: "at",
  }],
  ["insert_field", { static_fields: { id: "x" }, overwrite: false, apply_to: ["after", "before"] }],
  ...[
    "string",
    "int64",
    "int8",
    "uint64",
    "float32",
    "decimal(20,3)",
    "boolean",
    "bytes",
    "json",
    "uuid",
    "date",
    "timestamptz(3)",
  ]
    .flatMap((type) =>
      ["null", "keep", "fail"].map((on_error) => ["cast", { specs: { "*": type }, on_error }] as const)
    ),
  ...["keep", "null"].flatMap((on_error) =>
    ["iso8601", "epoch_nanos", "date"].map((format) =>
      ["timestamp_converter", { fields: ["*", "customer.id"], format, on_error }] as const
    )
  ),
  ["timezone_converter", { fields: ["*"], to: "Europe/Berlin" }],
  ["timezone_converter", { fields: ["*"], from: "America/New_York", dst_ambiguous: "keep", format: "%F %T" }],
  ["flatten", { on_collision: "suffix" }],
  ["flatten", { delimiter: "_", arrays: "index", max_depth: 1, on_collision: "overwrite" }],
  ["flatten", { arrays: "json_string", prefix: "p." }],
  ["flatten", { apply_to: ["after"], on_collision: "suffix" }],
  ["replace_field", { renames: { id: "x" }, apply_to: ["after"] }],
  ["cast", { specs: { id: "string", total: "int64" }, apply_to: ["after"] }],
  ["header_to_value", {
    fields: { ts: "id", "key.id": "total", op: "customer.op" },
    apply_to: ["after", "before"],
  }],
  ["unwrap", { field: "id", on_collision: "overwrite" }],
  ["unwrap", { field: "total", mode: "replace", parse_json: true }],
  ["unwrap", { field: "id", mode: "replace", target: "key" }],
  ["hoist_field", { field: "value" }],
  ["header_to_value", {
    fields: { op: "id", "source.lsn": "x.y" },
    all_headers_prefix: "__",
    operation: "move",
  }],
  ["value_to_header", { fields: { id: "i", total: "t" }, templates: { a: "{key.id}" } }],
  ["value_to_header", { fields: { customer: "c" }, operation: "move" }],
  ["drop_headers", { headers: ["*"] }],
  ["extract_changed_fields", { changed_field: "__changed", unchanged_header: "same", ignore: ["total"] }],
  ["decode_json", { fields: ["*"] }],
  ["decode_json", { fields: ["id"], messages: true, on_error: "null" }],
  ["enforce_record_size", { max_bytes: 60, action: "truncate", min_field_size: 8, truncated_field: "__cut" }],
];

for (const [type, written] of CASES) {
  Deno.test(`${type} ${JSON.stringify(written)} keeps what every transform must`, async () => {
    const { default: definition } = await registry[type]();
    const { openTransform } = await implementations[type]();
    const open = openTransform as (config: unknown, context: TransformContext) => Transform;
    const config = configOf(definition, written);
    await fc.assert(
      fc.asyncProperty(fc.array(anyRecord, { minLength: 1, maxLength: 3 }), async (given) => {
        const context = { ...testContext(), origin: { connector: "fake", name: "fake", version: "0" } };
        let result;
        try {
          result = await run(open(config, context), given);
        } catch (error) {
          // The transform can't work on such a table, and says so.
          assert.ok(error instanceof ConnectorError, String(error));
          assert.match(error.code, /^config_/);
          return;
        }
        const orders = (records: readonly DataRecord[]) => new Set(records.map(({ order }) => order));
        for (const order of orders(result.records)) {
          assert.ok(
            [...orders(given)].some((one) => order === one || one !== undefined && order?.startsWith(one)),
          );
        }
      }),
      { seed: 7, numRuns: 60 },
    );
  });
}
