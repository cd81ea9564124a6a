import assert from "node:assert/strict";
import { sharedKey, stringToSign } from "./signature.ts";

Deno.test("stringToSign() gives the string of Microsoft's example of Shared Key", () => {
  const request = {
    method: "GET",
    url: "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20",
    headers: { "x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT" },
  } as const;

  assert.equal(
    stringToSign("myaccount", request),
    "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n" +
      "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20",
  );
});

Deno.test("stringToSign() signs the length of a body, and nothing for an empty one", () => {
  const line = (body: Uint8Array[]) =>
    stringToSign("a", { method: "PUT", url: "https://h/c/b", headers: {}, body }).split("\n")[3];

  assert.equal(line([new Uint8Array(5), new Uint8Array(7)]), "12");
  assert.equal(line([new Uint8Array()]), "");
});

Deno.test("sharedKey() names the account and does not hold the key", () => {
  const key = btoa("a key of an account");

  const header = sharedKey("acc", key, { method: "GET", url: "https://h/c", headers: {} });

  assert.match(header, /^SharedKey acc:[A-Za-z0-9+/]{43}=$/);
  assert(!header.includes(key));
});
