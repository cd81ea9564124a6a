// Written by `deno task generate` from the folders here: change those, not this file.
import type { TransformModule } from "./contract.ts";

/** The code of every transform of this build, by type; each loads when it is called. For workers. */
export const implementations: Readonly<Record<string, () => Promise<TransformModule>>> = {
  content_router: () => import("./content_router/implementation.ts"),
  extract_new_record_state: () => import("./extract_new_record_state/implementation.ts"),
  filter: () => import("./filter/implementation.ts"),
  javascript: () => import("./javascript/implementation.ts"),
  regex_router: () => import("./regex_router/implementation.ts"),
  replace_field: () => import("./replace_field/implementation.ts"),
  sample: () => import("./sample/implementation.ts"),
  timestamp_converter: () => import("./timestamp_converter/implementation.ts"),
  timestamp_router: () => import("./timestamp_router/implementation.ts"),
};
