import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { COLOURS } from "./style.ts";
import { displayWidth, paragraph, renderTable, wrapText } from "./table.ts";

Deno.test("columns are as wide as their widest cell, the last without blanks behind it", () => {
  assert.equal(
    renderTable([["a", "first"], ["longer", "x"]], { header: ["key", "value"], indent: "  " }),
    "  key     value\n  a       first\n  longer  x",
  );
});

Deno.test("a table fits the width: flexible columns wrap between words, the widest first", () => {
  const rows = [[
    "key",
    "one | two | three | four | five",
    "does this and that and everything else, as you like it",
  ]];
  for (const width of [40, 60, 79]) {
    const text = renderTable(rows, { width, flexible: [1, 2] });
    for (const line of text.split("\n")) assert.ok(line.length <= width, line);
    const words = text.split(/\s+/).toSorted();
    assert.deepEqual(words, rows[0].join(" ").split(" ").toSorted());
  }
});

Deno.test("a word that is longer than the column is broken", () => {
  assert.deepEqual(wrapText("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
  assert.deepEqual(wrapText("kept\nlines", 80), ["kept", "lines"]);
});

Deno.test("colours take no room and go on behind a line break", () => {
  const cell = COLOURS.dim("some words that wrap");
  assert.equal(displayWidth(cell), 20);
  const lines = wrapText(cell, 10);
  assert.deepEqual(lines.map(stripVTControlCharacters), ["some words", "that wrap"]);
  for (const line of lines) assert.equal(line, COLOURS.dim(stripVTControlCharacters(line)));
});

Deno.test("East Asian letters and emoji take two columns, combining marks none", () => {
  assert.equal(displayWidth("注文"), 4);
  assert.equal(displayWidth("🎉"), 2);
  assert.equal(displayWidth("e\u0301"), 1);
  assert.equal(displayWidth("Größe →"), 7);
  assert.equal(renderTable([["注文", "x"], ["ab", "y"]]), "注文  x\nab    y");
});

Deno.test("a paragraph is never wider than 100 columns, nor than the terminal", () => {
  const text = "word ".repeat(60);
  for (const [width, limit] of [[Infinity, 100], [70, 70]]) {
    for (const line of paragraph(text, width, "  ").split("\n")) {
      assert.ok(line.startsWith("  word") && line.length <= limit);
    }
  }
});
