/** Which written layout a flow's records have: what the keys `envelope` and `payload` come to. plan.ts asks. */
import type { SinkRole } from "../../connectors/contract.ts";
import { type Layout, LAYOUTS } from "../../formats/data/envelope.ts";
import type { ConfiguredSink, ConfiguredSource } from "./config.ts";
import type { Report } from "./problem.ts";
import type { YamlDocument } from "./yaml_document.ts";

interface Written {
  readonly envelope?: string;
  readonly payload?: string;
}

/**
 * The layout of the records that `source` gives to `sink`, first of: what the sink's config or entry says, what the
 * source's entry or config says, what the connector prefers. `auto` is what suits the sink.
 */
export function layoutOf(
  source: ConfiguredSource,
  sink: ConfiguredSink,
  role: SinkRole,
  document: YamlDocument,
  report: Report,
): Layout {
  const config = ["sinks", sink.name, "config"];
  const own = sink.config as Written;
  // A default of the connector's schema is no wish of the file's.
  const isWritten = (key: string) => document.at([...config, key]) !== undefined;
  const inConfig = wish({
    envelope: isWritten("envelope") ? own.envelope : undefined,
    payload: isWritten("payload") ? own.payload : undefined,
  });
  const beside = wish(sink);
  if (inConfig !== undefined && beside !== undefined && inConfig !== beside) {
    const message = `Sink "${sink.name}" names two layouts: ${beside}, and ${inConfig} in its config`;
    report({
      path: [...config, isWritten("envelope") ? "envelope" : "payload"],
      message,
      hint: "Keep one of them",
    });
  }
  const layout = inConfig ?? beside ?? wish(source) ?? wish(source.config as Written) ??
    wish(own) ?? "auto";
  return layout === "auto" ? role.layout : layout;
}

function wish({ envelope, payload }: Written): Layout | undefined {
  if (envelope === "source_event") return "rivven";
  const layout = LAYOUTS.find((layout) => layout === envelope);
  if (layout !== undefined) return layout;
  if (payload === "data") return "plain";
  return payload === "envelope" ? "auto" : undefined;
}
