import assert from "node:assert/strict";
import { ConnectorError, ERROR_KINDS, errorFromReport, RecordError, reportError } from "./errors.ts";

Deno.test("the kind of a code decides whether trying again can help, unless the error says so itself", () => {
  for (const [kind, retryable] of Object.entries(ERROR_KINDS) as [keyof typeof ERROR_KINDS, boolean][]) {
    assert.deepEqual(new ConnectorError("x", { code: kind }).retryable, retryable);
    const error = new ConnectorError("x", { code: `${kind}_something` });
    assert.deepEqual([error.kind, error.retryable], [kind, retryable]);
    assert.equal(new ConnectorError("x", { code: kind, retryable: !retryable }).retryable, !retryable);
  }
  assert.equal(new ConnectorError("x", { code: "connections" as "connection" }).kind, "internal");
});

Deno.test("a report carries an error and its causes to another thread", () => {
  const cause = new Error("refused", { cause: "no route" });
  const error = new ConnectorError("Can't reach the database", {
    code: "connection_lost",
    hint: "Start it",
    retryAfterMs: 5,
    cause,
  });
  const report = structuredClone(reportError(error));
  assert.deepEqual(report, {
    message: "Can't reach the database",
    code: "connection_lost",
    retryable: true,
    hint: "Start it",
    retryAfterMs: 5,
    causes: ["refused", "no route"],
  });
  const arrived = errorFromReport(report);
  assert.deepEqual(reportError(arrived), report);
  assert.equal(arrived.kind, "connection");
});

Deno.test("what is no error of ours is reported as a fault of ours, a record's error never as one to retry", () => {
  assert.deepEqual(reportError(new TypeError("x is undefined")), {
    message: "TypeError: x is undefined",
    code: "internal",
    retryable: false,
    causes: [],
  });
  assert.equal(reportError("thrown text").message, "thrown text");
  assert.equal(reportError(undefined).message, "undefined");
  const record = new RecordError("too long", { code: "transient" });
  assert.deepEqual(reportError(record), {
    message: "too long",
    code: "transient",
    retryable: false,
    causes: [],
  });
});

Deno.test("an endless chain of causes is cut off", () => {
  const error = new Error("a");
  error.cause = error;
  assert.equal(reportError(new ConnectorError("x", { code: "internal", cause: error })).causes.length, 8);
});
