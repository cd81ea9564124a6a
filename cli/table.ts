/** Text laid out for a terminal: tables whose wide columns wrap, and paragraphs. Used by the commands that list. */
import { stripVTControlCharacters } from "node:util";

export interface TableOptions {
  readonly header?: readonly string[];
  /** Columns to fit into; Infinity: nothing wraps. */
  readonly width?: number;
  /** Columns that may be narrowed and wrapped, by index; the last one when left out. */
  readonly flexible?: readonly number[];
  /** Put before every line. */
  readonly indent?: string;
}

const GAP = "  ";
/** A flexible column is not narrowed below this. */
const NARROWEST = 14;

/** Lines of a table without borders. Cells may hold colours; a cell that wraps is coloured line by line. */
export function renderTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const { header, width = Infinity, indent = "" } = options;
  const all = header ? [header, ...rows] : rows;
  const count = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from(
    { length: count },
    (_, column) => Math.max(0, ...all.map((row) => longestLine(row[column] ?? ""))),
  );
  const flexible = options.flexible ?? [count - 1];
  const available = width - displayWidth(indent) - GAP.length * (count - 1);
  // The widest of the flexible columns gives way first, until everything fits or nothing can give.
  while (widths.reduce((sum, each) => sum + each, 0) > available) {
    const widest = flexible.reduce((most, column) => widths[column] > widths[most] ? column : most);
    if (widths[widest] <= NARROWEST) break;
    widths[widest]--;
  }
  const lines: string[] = [];
  for (const row of all) {
    const cells = widths.map((each, column) => wrapText(row[column] ?? "", each));
    const height = Math.max(1, ...cells.map((cell) => cell.length));
    for (let i = 0; i < height; i++) {
      const line = cells.map((cell, column) => pad(cell[i] ?? "", widths[column])).join(GAP);
      lines.push((indent + line).trimEnd());
    }
  }
  return lines.join("\n");
}

/**
 * Breaks text between words, or within a word that is longer than `width`. Lines that the text already has are kept.
 */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    if (displayWidth(paragraph) <= width) {
      lines.push(paragraph);
      continue;
    }
    const colour = colourAround(paragraph);
    let line = "";
    for (let word of colour.text.split(" ")) {
      if (line && displayWidth(line) + 1 + displayWidth(word) > width) {
        lines.push(colour.open + line + colour.close);
        line = "";
      }
      while (displayWidth(word) > width) {
        const head = takeColumns(word, width);
        lines.push(colour.open + head + colour.close);
        word = word.slice(head.length);
      }
      line = line ? `${line} ${word}` : word;
    }
    lines.push(colour.open + line + colour.close);
  }
  return lines;
}

/** A paragraph wrapped and indented; where the width is unknown, 100 columns. */
export function paragraph(text: string, width: number, indent = ""): string {
  const columns = Math.min(width, 100) - indent.length;
  return wrapText(text.trim(), Math.max(20, columns)).map((line) => (indent + line).trimEnd()).join("\n");
}

/** Columns that the text takes on a terminal: colours none, East Asian letters and emoji two. */
export function displayWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const letter of plain) width += columnsOf(letter);
  return width;
}

function columnsOf(letter: string): number {
  if (/^[\p{Mark}\p{Default_Ignorable_Code_Point}]$/u.test(letter)) return 0;
  return /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]$/u
      .test(letter)
    ? 2
    : 1;
}

function takeColumns(word: string, width: number): string {
  let taken = "";
  let columns = 0;
  for (const letter of word) {
    columns += columnsOf(letter);
    if (columns > width && taken) break;
    taken += letter;
  }
  return taken;
}

/** A text coloured as a whole loses its colour at the first line break, so it is taken off and put on each line. */
function colourAround(text: string): { open: string; text: string; close: string } {
  // deno-lint-ignore no-control-regex
  const match = text.match(/^((?:\x1b\[\d+m)+)([^\x1b]*)((?:\x1b\[\d+m)+)$/);
  return match ? { open: match[1], text: match[2], close: match[3] } : { open: "", text, close: "" };
}

function longestLine(cell: string): number {
  return Math.max(...cell.split("\n").map(displayWidth));
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}
