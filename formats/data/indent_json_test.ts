import assert from "node:assert/strict";
import { indentJson } from "./indent_json.ts";

Deno.test("indentJson() changes white space only", () => {
  const values = [
    '{"a":[],"b":{},"c":[1,[2,{"d":null}]],"e":"x:{[,]}\\"\\\\"}',
    "12345678901234567890.10",
    '"a"',
    "[[[]]]",
    "[{},{}]",
  ];
  for (const text of values) {
    assert.equal(indentJson(text).replace(/\n\s*|(?<=":) /g, ""), text);
  }
  assert.equal(indentJson('{"a":[],"b":[1]}'), '{\n  "a": [],\n  "b": [\n    1\n  ]\n}');
});
