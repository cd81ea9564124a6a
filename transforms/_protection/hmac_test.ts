import assert from "node:assert/strict";
import crypto from "node:crypto";
import fc from "fast-check";
import { hmacSha256 } from "./hmac.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

Deno.test("it is the HMAC that the platform computes, for keys and messages of every length, one after the other", () => {
  fc.assert(fc.property(bytes(200), fc.array(bytes(600), { minLength: 1, maxLength: 3 }), (key, messages) => {
    const hmac = hmacSha256(key);
    for (const message of messages) {
      assert.equal(hmac(message), crypto.createHmac("sha256", key).update(message).digest("hex"));
    }
  }));
});
