// Written by `deno task generate` from the folders here: change those, not this file.
import type { TransformDefinition } from "./contract.ts";

interface Module {
  readonly default: TransformDefinition;
}

/** The definition of every transform of this build, by type; each loads when it is called. */
export const registry: Readonly<Record<string, () => Promise<Module>>> = {
  cast: () => import("./cast/definition.ts"),
  column_filter: () => import("./column_filter/definition.ts"),
  compute_field: () => import("./compute_field/definition.ts"),
  content_router: () => import("./content_router/definition.ts"),
  decode_json: () => import("./decode_json/definition.ts"),
  decrypt_field: () => import("./decrypt_field/definition.ts"),
  dedupe: () => import("./dedupe/definition.ts"),
  drop_headers: () => import("./drop_headers/definition.ts"),
  encrypt_field: () => import("./encrypt_field/definition.ts"),
  enforce_record_size: () => import("./enforce_record_size/definition.ts"),
  extract_changed_fields: () => import("./extract_changed_fields/definition.ts"),
  extract_new_record_state: () => import("./extract_new_record_state/definition.ts"),
  filter: () => import("./filter/definition.ts"),
  flatten: () => import("./flatten/definition.ts"),
  header_to_value: () => import("./header_to_value/definition.ts"),
  hoist_field: () => import("./hoist_field/definition.ts"),
  insert_field: () => import("./insert_field/definition.ts"),
  javascript: () => import("./javascript/definition.ts"),
  mask_field: () => import("./mask_field/definition.ts"),
  outbox_router: () => import("./outbox_router/definition.ts"),
  regex_router: () => import("./regex_router/definition.ts"),
  replace_field: () => import("./replace_field/definition.ts"),
  sample: () => import("./sample/definition.ts"),
  set_null: () => import("./set_null/definition.ts"),
  timestamp_converter: () => import("./timestamp_converter/definition.ts"),
  timestamp_router: () => import("./timestamp_router/definition.ts"),
  timezone_converter: () => import("./timezone_converter/definition.ts"),
  tombstone: () => import("./tombstone/definition.ts"),
  unwrap: () => import("./unwrap/definition.ts"),
  value_to_header: () => import("./value_to_header/definition.ts"),
  value_to_key: () => import("./value_to_key/definition.ts"),
};
