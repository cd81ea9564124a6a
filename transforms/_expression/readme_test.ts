import assert from "node:assert/strict";
import type { ColumnType, Value } from "../../formats/data/value.ts";
import { compileExpression } from "./expression.ts";
import { FUNCTIONS } from "./functions.ts";

const README = await Deno.readTextFile(new URL("./README.md", import.meta.url));

const TYPES: Readonly<Record<string, ColumnType>> = {
  decimal: { kind: "decimal" },
  timestamptz: { kind: "timestamptz", precision: 6 },
};

Deno.test("the examples of the README hold as it says", () => {
  const rows = [
    ...README.slice(README.indexOf("## Examples")).matchAll(/^\| `(.+?)` +\| `(\{.*\})` +\| (\w+) +\|$/gm),
  ];
  assert.equal(rows.length, 16);
  for (const [, expression, json, answer] of rows) {
    const members = Object.entries(JSON.parse(json) as Record<string, Value>).map(([written, value]) => {
      const [name, type] = written.split(" ");
      return { name, value, type: type === undefined ? undefined : TYPES[type] };
    });
    const after = Object.fromEntries(members.map(({ name, value }) => [name, value]));
    const columns = members.map(({ name, type = { kind: "unknown" } }) =>
      ({ name, type, nullable: true }) as const
    );
    const stream = { name: "t", key: [], payload: "row", version: 1, columns } as const;
    const found = compileExpression(expression).test({ stream, operation: "insert", after, timeMicros: 0n });
    assert.equal(found, { yes: true, no: false, unknown: null }[answer], expression);
  }
});

Deno.test("the README names every function", () => {
  for (const name of Object.keys(FUNCTIONS)) assert.ok(README.includes(`\`${name}(`), name);
});

Deno.test("the expressions at the README's front can be used", () => {
  const block = /```sql\n(.*?)```/s.exec(README)![1];
  for (const line of block.trim().split("\n")) assert.ok(compileExpression(line), line);
});
