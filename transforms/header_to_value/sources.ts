/** Names that earlier versions gave to facts about a record, for header_to_value. */

/** The fact's own name: `source_type` is the connector of the source. */
export function sourceOf(name: string): string {
  return name === "source_type" || name === "source" ? "connector" : name;
}

/** What `all_headers_prefix` adds, in this order. */
export const ALL_FACTS: readonly string[] = ["source_type", "database", "schema", "table", "op", "ts"];
