import assert from "node:assert/strict";
import { connectorError, isServerError } from "./errors.ts";

Deno.test("an error of the network is never taken for one of the server, and may be tried again", () => {
  for (const code of ["EPIPE", "ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "ENOTFOUND"]) {
    const error = Object.assign(new Error(`write ${code}`), { code });
    assert.equal(isServerError(error), false, code);
    const { kind, retryable } = connectorError("Cannot connect to the database", error);
    assert.deepEqual([kind, retryable], ["connection", true], code);
  }
  for (const code of ["57P01", "XX000", "P0001", "HV00A", "08006"]) {
    assert.equal(isServerError(Object.assign(new Error("no"), { code })), true, code);
  }
});
