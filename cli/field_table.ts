/** The keys of a config as a table on a terminal: for spec.ts. */
import { type Field, showJson } from "./fields.ts";
import type { Output } from "./output.ts";
import { paragraph, renderTable, wrapText } from "./table.ts";

/** Narrower terminals get a list: four columns would leave the descriptions three words a line. */
export const NARROW = 110;

/** A row for each key, or a few lines where the terminal is narrow. */
export function fieldTable(fields: readonly Field[], output: Output): string {
  if (output.width < NARROW) return fields.map((field) => fieldLines(field, output)).join("\n");
  const { bold, dim, cyan } = output.style;
  const rows = fields.map((field) => [
    "  ".repeat(field.depth) + cyan(nameOf(field)),
    field.type,
    defaultOf(field, output),
    remarksOf(field).map((remark) => dim(`[${remark}] `)).join("") + field.description,
  ]);
  return renderTable(rows, {
    header: ["key", "type", "default", "what it does"].map((word) => bold(word)),
    width: output.width,
    indent: "  ",
    flexible: [1, 3],
  });
}

function fieldLines(field: Field, output: Output): string {
  const { dim, cyan } = output.style;
  const indent = "  ".repeat(field.depth + 1);
  const fallback = field.required || field.default === undefined || field.isParent ? "" : dim("default ");
  const facts = [field.type, ...(field.required || fallback ? [fallback + defaultOf(field, output)] : [])];
  const remarks = remarksOf(field).map((remark) => `[${remark}] `).join("");
  return [
    indent + wrapText(`${cyan(nameOf(field))}  ${facts.join(", ")}`, output.width - indent.length - 2)
      .join(`\n${indent}  `),
    ...(field.description ? [paragraph(remarks + field.description, output.width, `${indent}    `)] : []),
  ].join("\n");
}

function nameOf({ path, depth }: Field): string {
  return depth === 0 ? path : path.split(".").at(-1)!;
}

function defaultOf(field: Field, { style }: Output): string {
  if (field.required) return style.yellow("required");
  return field.default === undefined || field.isParent ? style.dim("–") : shorten(showJson(field.default));
}

/** What else is to be said about a key, as short marks. */
export function remarksOf(field: Field): string[] {
  return [
    ...(field.secret ? ["secret"] : []),
    ...(field.deprecated ? ["deprecated"] : []),
    ...(field.when ? [field.when] : []),
    ...(field.since ? [`since ${field.since}`] : []),
  ];
}

function shorten(text: string): string {
  return text.length <= 24 ? text : `${text.slice(0, 23)}…`;
}
