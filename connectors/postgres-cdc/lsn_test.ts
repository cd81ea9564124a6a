import assert from "node:assert/strict";
import { formatLsn, parseLsn, sortableLsn } from "./lsn.ts";

Deno.test("an LSN is read and written as PostgreSQL does", () => {
  for (
    const [text, lsn] of [["0/0", 0n], ["0/16E9118", 0x16e9118n], ["1A/FFFFFFFF", 0x1affffffffn]] as const
  ) {
    assert.equal(parseLsn(text), lsn);
    assert.equal(formatLsn(lsn), text);
  }
  assert.equal(parseLsn("1a/ff"), 0x1a000000ffn);
  for (const wrong of ["", "16E9118", "0/", "/0", "0/123456789", "0/0 ", "0/G"]) {
    assert.throws(() => parseLsn(wrong), SyntaxError, wrong);
  }
});

Deno.test("sortableLsn() sorts as text as the log does", () => {
  const lsns = [0n, 9n, 10n, 0xffffffffn, 0x100000000n, 0xfn << 60n];
  assert.deepEqual(lsns.map(sortableLsn).sort(), lsns.map(sortableLsn));
});
