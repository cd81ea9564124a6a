import assert from "node:assert/strict";
import { coreTyped, expandVariables } from "./variables.ts";

const environment: Record<string, string> = {
  HOST: "db",
  PORT: "5432",
  EMPTY: "",
  lower_case: "low",
  REF: "${HOST}",
};
const files: Record<string, string> = { "/run/secrets/pw": "s3cret\n", "two": "a\nb\r\n" };
const sources = {
  env: (name: string) => environment[name],
  readFile: (path: string) => {
    if (files[path] === undefined) throw new Error("No such file");
    return files[path];
  },
};

Deno.test("expandVariables() knows every form", () => {
  const cases: [string, string, boolean][] = [
    ["${HOST}", "db", true],
    ["${lower_case}", "low", true],
    ["${HOST}:${PORT}", "db:5432", false],
    ["a ${HOST} b", "a db b", false],
    ["${EMPTY}", "", true],
    ["${NONE:-d}", "d", true],
    ["${EMPTY:-d}", "d", true],
    ["${HOST:-d}", "db", true],
    ["${NONE-d}", "d", true],
    ["${EMPTY-d}", "", true],
    ["${NONE:-}", "", true],
    ["${NONE:-a:-b}", "a:-b", true],
    ["${NONE:-${HOST}}", "db", true],
    ["${NONE:-${ALSO_NONE:-x}}y", "xy", false],
    ["${HOST:?must be there}", "db", true],
    ["$${HOST}", "${HOST}", false],
    ["$$${HOST}", "$${HOST}", false],
    ["${NONE:-$${HOST}}", "${HOST}", true],
    ["$HOST and $5", "$HOST and $5", false],
    ["${file:/run/secrets/pw}", "s3cret", true],
    ["Bearer ${file:/run/secrets/pw}", "Bearer s3cret", false],
    ["${file:two}", "a\nb", true],
    ["no variable }", "no variable }", false],
  ];
  for (const [text, expected, single] of cases) {
    const expanded = expandVariables(text, sources);
    assert.deepEqual([expanded.text, expanded.single, expanded.faults], [expected, single, []], text);
  }
});

Deno.test("expandVariables() does not look again at what it has filled in", () => {
  assert.equal(expandVariables("${REF}", sources).text, "${HOST}");
});

Deno.test("expandVariables() says which values came from outside", () => {
  const { filledIn } = expandVariables("${HOST} ${NONE:-own} ${file:/run/secrets/pw}", sources);
  assert.deepEqual(filledIn, [
    { label: "${HOST}", value: "db", fromFile: false },
    { label: "${file:/run/secrets/pw}", value: "s3cret", fromFile: true },
  ]);
});

Deno.test("expandVariables() reports what has no value and what is no form", () => {
  const cases: [string, string, RegExp][] = [
    ["${NONE}", "unset", /^Variable NONE is not set$/],
    ["${NONE:?set it}", "required", /^Variable NONE is not set: set it$/],
    ["${EMPTY:?set it}", "required", /^Variable EMPTY is empty: set it$/],
    ["${NONE:?}", "required", /^Variable NONE is not set$/],
    ["${}", "malformed", /no form/],
    ["${1}", "malformed", /no form/],
    ["${HOST/x/y}", "malformed", /no form/],
    ["${HOST", "malformed", /no closing }/],
    ["${NONE:-${HOST}", "malformed", /no closing }/],
    ["${file:}", "malformed", /names no file/],
    ["${file:/nowhere}", "unreadable", /^Cannot read "\/nowhere": No such file$/],
  ];
  for (const [text, kind, message] of cases) {
    const { faults } = expandVariables(text, sources);
    assert.equal(faults.length, 1, text);
    assert.equal(faults[0].kind, kind, text);
    assert.match(faults[0].message, message);
  }
});

Deno.test("coreTyped() reads a text as YAML's core schema would", () => {
  const cases: [string, unknown][] = [
    ["5432", 5432],
    ["-7", -7],
    ["007", 7],
    ["0x1F", 31],
    ["0o17", 15],
    ["1.50", 1.5],
    ["1e3", 1000],
    [".5", 0.5],
    ["true", true],
    ["FALSE", false],
    ["yes", "yes"],
    ["null", null],
    ["", null],
    ["~", null],
    [" 8 ", 8],
    ["18446744073709551615", 18446744073709551615n],
    ["-9223372036854775808", -9223372036854775808n],
    ["1_000", "1_000"],
    ["12:30", "12:30"],
    ["x: 1", "x: 1"],
    ["- 1", "- 1"],
    ["[1]", "[1]"],
    ["0xZZ", "0xZZ"],
    [".inf", Infinity],
    ["-.inf", -Infinity],
  ];
  for (const [text, expected] of cases) assert.equal(coreTyped(text), expected, text);
});
