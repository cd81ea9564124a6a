/** Tables in Markdown: for docs.ts and transform_pages.ts. */
import { remarksOf } from "./field_table.ts";
import { configFields, type Described, type Field, showJson } from "./fields.ts";

/** The keys of a config. */
export function fieldTable(definition: Described): string {
  const fields = configFields(definition);
  if (fields.length === 0) return "It has no keys.";
  return markdownTable(["Key", "Type", "Default", "What it does"], fields.map(fieldRow));
}

function fieldRow(field: Field): string[] {
  const marks = remarksOf(field).map((remark) => `**${remark}** `).join("");
  return [
    `\`${field.path}\``,
    field.type,
    field.required
      ? "**required**"
      : field.default === undefined || field.isParent
      ? ""
      : `\`${showJson(field.default)}\``,
    marks + field.description,
  ];
}

/** A table as `deno fmt` leaves it: cells padded to the widest of their column. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " "))
  );
  const widths = header.map((_, column) => Math.max(3, ...all.map((row) => [...row[column]].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i] - [...cell].length)).join(" | ")} |`;
  return [line(all[0]), line(widths.map((width) => "-".repeat(width))), ...all.slice(1).map(line)].join("\n");
}
