import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { ConnectorError } from "../formats/data/errors.ts";
import { UsageError } from "./command.ts";
import { createOutput, type OutputOptions, type Writer } from "./output.ts";

function buffer(columns?: number): Writer & { text: string } {
  return {
    text: "",
    isTerminal: columns !== undefined,
    columns: () => columns ?? 80,
    write(text: string) {
      this.text += text;
    },
  };
}

function output(options: OutputOptions & { columns?: number } = {}) {
  const stdout = buffer(options.columns);
  const stderr = buffer(options.columns);
  return { stdout, stderr, ...{ out: createOutput({ colour: true, ...options, stdout, stderr }) } };
}

Deno.test("results go to standard output, remarks and errors to standard error", () => {
  const { out, stdout, stderr } = output();
  out.print("result");
  out.say("remark");
  out.warn("odd", "look");
  out.error(new UsageError("wrong", "do this\nor that"));
  assert.equal(stdout.text, "result\n");
  assert.equal(stderr.text, "remark\nwarning: odd\n  → look\nerror: wrong\n  → do this\n  → or that\n");
});

Deno.test("an error shows its causes, and in JSON all there is to know", () => {
  const error = new ConnectorError("Cannot connect to db:5432", {
    code: "connection_refused",
    hint: "Start it",
    cause: new Error("ECONNREFUSED"),
  });
  const text = output();
  text.out.error(error);
  assert.equal(text.stderr.text, "error: Cannot connect to db:5432\n  because ECONNREFUSED\n  → Start it\n");
  const json = output({ json: true });
  json.out.error(error);
  assert.deepEqual(JSON.parse(json.stderr.text), {
    error: {
      message: "Cannot connect to db:5432",
      code: "connection_refused",
      retryable: true,
      hint: "Start it",
      causes: ["ECONNREFUSED"],
    },
  });
});

Deno.test("colours are on a terminal only", () => {
  assert.equal(output().out.style.red("x"), "x");
  assert.equal(output({ columns: 80, colour: false }).out.style.red("x"), "x");
  const coloured = output({ columns: 80 }).out.style.red("x");
  assert.notEqual(coloured, "x");
  assert.equal(stripVTControlCharacters(coloured), "x");
});

Deno.test("no secret is printed, in text or JSON, however it is spelled there", () => {
  const { out, stdout, stderr } = output();
  out.addSecrets(['pa"ss', "top secret/1", "12345", "ab", "", "-----BEGIN\nMIIEvQIBADANBg\n-----END"]);
  out.print('password is pa"ss, as URL top%20secret%2F1, key MIIEvQIBADANBg');
  out.say("top secret/1");
  out.error(new ConnectorError('Role pa"ss was refused', { code: "auth", cause: new Error("12345") }));
  out.printJson({
    password: 'pa"ss',
    port: 12345,
    id: 12345n,
    list: ["x top secret/1 y"],
    short: "ab",
    empty: "",
  });
  const all = stdout.text + stderr.text;
  for (const secret of ['pa"ss', 'pa\\"ss', "top secret", "top%20", "12345", "MIIEv"]) {
    assert.ok(!all.includes(secret), secret);
  }
  const json = JSON.parse(stdout.text.slice(stdout.text.indexOf("{")));
  assert.deepEqual(json, {
    password: "***",
    port: "***",
    id: "***",
    list: ["x *** y"],
    short: "ab",
    empty: "",
  });
});

Deno.test("a secret that holds another one is hidden whole", () => {
  const { out, stdout } = output();
  out.addSecrets(["abc", "abcdef"]);
  out.print("abcdef abc");
  assert.equal(stdout.text, "*** ***\n");
});

Deno.test("JSON keeps integers of any size and bytes", () => {
  const { out, stdout } = output();
  out.printJson({ big: 9223372036854775807n, bytes: new Uint8Array([1, 2, 255]) });
  assert.equal(stdout.text, '{\n  "big": 9223372036854775807,\n  "bytes": "AQL/"\n}\n');
});

Deno.test("the live lines are redrawn in place, cut to the width, below what is said", () => {
  const { out, stderr } = output({ columns: 10 });
  out.addSecrets(["hidden"]);
  out.show(["one", "two is long hidden"]);
  assert.equal(stderr.text, "\x1b[Jone\ntwo is l…\n");
  stderr.text = "";
  out.say("said");
  assert.equal(stderr.text, "\x1b[2A\r\x1b[Jsaid\n\x1b[Jone\ntwo is l…\n");
  stderr.text = "";
  out.show([]);
  assert.equal(stderr.text, "\x1b[2A\r\x1b[J");
  const piped = output();
  piped.out.show(["progress"]);
  assert.equal(piped.stderr.text, "");
});
