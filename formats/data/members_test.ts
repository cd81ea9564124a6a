import assert from "node:assert/strict";
import fc from "fast-check";
import { anyJson, anyText } from "../../tests/fakes/arbitraries.ts";
import { valueText } from "./json_value.ts";
import { splitMembers } from "./members.ts";

const split = (text: string) => splitMembers(new TextEncoder().encode(text));

Deno.test("members come with their text as it was written", () => {
  assert.deepEqual(split(',"a":1.50, "b,\\"}" : {"x":[1,{"y":"]"}],"z":"\\\\"} ,"c":null'), [
    { name: "a", value: "1.50", text: '"a":1.50' },
    {
      name: 'b,"}',
      value: '{"x":[1,{"y":"]"}],"z":"\\\\"}',
      text: '"b,\\"}" : {"x":[1,{"y":"]"}],"z":"\\\\"}',
    },
    { name: "c", value: "null", text: '"c":null' },
  ]);
  assert.deepEqual(split(""), []);
});

Deno.test("any members are found, whatever their names and values hold", () => {
  const members = fc.uniqueArray(fc.tuple(anyText, anyJson), { selector: ([name]) => name, maxLength: 5 });
  fc.assert(
    fc.property(members, (members) => {
      const texts = members.map(([name, value]) => `${JSON.stringify(name)}:${valueText(value)}`);
      const found = split(texts.map((text) => `,${text}`).join(""));
      assert.deepEqual(found.map(({ name }) => name), members.map(([name]) => name));
      assert.deepEqual(found.map(({ value }) => value), members.map(([, value]) => valueText(value)));
      assert.deepEqual(found.map(({ text }) => text), texts);
    }),
    { seed: 42 },
  );
});
