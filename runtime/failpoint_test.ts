import assert from "node:assert/strict";
import { armFailpoint, FAILPOINTS, parseFailpoint, reached } from "./failpoint.ts";

Deno.test("a failpoint is a name and how often it is passed", () => {
  for (const name of FAILPOINTS) assert.deepEqual(parseFailpoint(name), { name, count: 1 });
  assert.deepEqual(parseFailpoint("after_flush:3"), { name: "after_flush", count: 3 });
  for (
    const text of [
      undefined,
      "",
      "flush",
      "after_flush:",
      "after_flush:0",
      "after_flush:x",
      "after_flush:1.5",
    ]
  ) {
    assert.equal(parseFailpoint(text), undefined, String(text));
  }
});

Deno.test("nothing happens at points that are not armed", () => {
  for (const name of FAILPOINTS) reached(name);
  armFailpoint({ name: "after_save", count: 2 });
  for (const name of FAILPOINTS) reached(name);
  armFailpoint(undefined);
  for (const name of FAILPOINTS) reached(name);
});

Deno.test("the process is killed at the armed point, the time that was asked for", async () => {
  const url = new URL("./failpoint.ts", import.meta.url).href;
  const code = `
    import { armFailpoint, reached } from "${url}";
    armFailpoint({ name: "after_flush", count: 3 });
    for (let k = 1; k <= 5; k++) {
      reached("before_flush");
      console.log(k);
      reached("after_flush");
    }`;
  const { signal, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `data:text/javascript,${encodeURIComponent(code)}`],
    stderr: "null",
  }).output();
  assert.equal(signal, "SIGKILL");
  assert.equal(new TextDecoder().decode(stdout), "1\n2\n3\n");
});
