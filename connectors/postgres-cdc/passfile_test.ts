import assert from "node:assert/strict";
import { findPassword, isOpenToOthers } from "./passfile.ts";

const WANTED = { host: "db", port: 5432, database: "shop", user: "u" };

Deno.test("the first line that matches gives the password; * matches all, and \\ takes a colon its meaning", () => {
  const find = (text: string, wanted = {}) => findPassword(text, { ...WANTED, ...wanted });
  assert.equal(find("other:5432:shop:u:no\ndb:5432:shop:u:yes\ndb:5432:shop:u:late"), "yes");
  assert.equal(find("#db:5432:shop:u:comment\r\n*:*:*:*:yes\r\n"), "yes");
  assert.equal(find("db:5433:*:*:no\ndb:*:other:*:no\ndb:*:*:v:no"), undefined);
  assert.equal(find(String.raw`db:*:*:*:a\:b\\c`), String.raw`a:b\c`);
  assert.equal(find(String.raw`\:\:1:*:*:*:six`, { host: "::1" }), "six");
  assert.equal(find(String.raw`\*:*:*:*:no`), undefined);
  assert.equal(find(String.raw`*:*:my\:db:*:yes`, { database: "my:db" }), "yes");
  assert.equal(find("db:5432:shop:u"), undefined, "a field is missing");
  assert.equal(find("db:5432:shop:u:"), "");
  assert.equal(find('db:5432:shop:u:it\'s a "secret" $HOME'), 'it\'s a "secret" $HOME');
});

Deno.test("a socket in its usual folder is localhost, another one is named by its folder", () => {
  const text = "localhost:*:*:*:usual\n/srv/pg:*:*:*:own";
  assert.equal(findPassword(text, { ...WANTED, host: "/run/postgresql" }), "usual");
  assert.equal(findPassword(text, { ...WANTED, host: "/srv/pg" }), "own");
});

Deno.test("a file that others may use is not trusted", () => {
  assert.deepEqual([0o100600, 0o100400, 0o100640, 0o100604, 0o100620].map(isOpenToOthers), [
    false,
    false,
    true,
    true,
    true,
  ]);
});
