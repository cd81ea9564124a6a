// Written by `deno task generate`: change generate.ts or the folders of connectors, not this file.
/** Never called: whoever has this module in his graph has every worker's. */
export const entries: readonly (() => Promise<unknown>)[] = [
  () => import("./datagen_source.gen.ts"),
  () => import("./file_source.gen.ts"),
  () => import("./file_sink.gen.ts"),
  () => import("./http-webhook_sink.gen.ts"),
  () => import("./object-storage_sink.gen.ts"),
  () => import("./postgres-cdc_source.gen.ts"),
  () => import("./rivven_source.gen.ts"),
  () => import("./rivven_sink.gen.ts"),
  () => import("./stdout_sink.gen.ts"),
  () => import("./dead_letters_source.gen.ts"),
  () => import("./probe.ts"),
];
