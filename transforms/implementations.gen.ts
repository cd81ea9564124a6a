// Written by `deno task generate` from the folders here: change those, not this file.
import type { TransformModule } from "./contract.ts";

/** The code of every transform of this build, by type; each loads when it is called. For workers. */
export const implementations: Readonly<Record<string, () => Promise<TransformModule>>> = {
  cast: () => import("./cast/implementation.ts"),
  column_filter: () => import("./column_filter/implementation.ts"),
  compute_field: () => import("./compute_field/implementation.ts"),
  content_router: () => import("./content_router/implementation.ts"),
  decrypt_field: () => import("./decrypt_field/implementation.ts"),
  dedupe: () => import("./dedupe/implementation.ts"),
  drop_headers: () => import("./drop_headers/implementation.ts"),
  encrypt_field: () => import("./encrypt_field/implementation.ts"),
  extract_new_record_state: () => import("./extract_new_record_state/implementation.ts"),
  filter: () => import("./filter/implementation.ts"),
  flatten: () => import("./flatten/implementation.ts"),
  header_to_value: () => import("./header_to_value/implementation.ts"),
  hoist_field: () => import("./hoist_field/implementation.ts"),
  insert_field: () => import("./insert_field/implementation.ts"),
  javascript: () => import("./javascript/implementation.ts"),
  mask_field: () => import("./mask_field/implementation.ts"),
  outbox_router: () => import("./outbox_router/implementation.ts"),
  regex_router: () => import("./regex_router/implementation.ts"),
  replace_field: () => import("./replace_field/implementation.ts"),
  sample: () => import("./sample/implementation.ts"),
  set_null: () => import("./set_null/implementation.ts"),
  timestamp_converter: () => import("./timestamp_converter/implementation.ts"),
  timestamp_router: () => import("./timestamp_router/implementation.ts"),
  tombstone: () => import("./tombstone/implementation.ts"),
  unwrap: () => import("./unwrap/implementation.ts"),
  value_to_header: () => import("./value_to_header/implementation.ts"),
  value_to_key: () => import("./value_to_key/implementation.ts"),
};
