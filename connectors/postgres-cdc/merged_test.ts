import assert from "node:assert/strict";
import { merged } from "./merged.ts";

/** Yields each value when it is asked for; what is a promise is waited for. */
async function* of<T>(...values: (T | Promise<T>)[]): AsyncGenerator<T> {
  for (const value of values) yield await value;
}

Deno.test("merged() yields what is there, all of it, and of each generator in its order", async () => {
  const late = Promise.withResolvers<string>();
  const seen: string[] = [];
  for await (
    const value of merged([of("a1", late.promise, "a3"), of("b1", "b2"), of<string>()], new AbortController())
  ) {
    seen.push(value);
    if (value === "b2") late.resolve("a2");
  }
  assert.deepEqual(seen.filter((value) => value.startsWith("a")), ["a1", "a2", "a3"]);
  assert.deepEqual(seen.toSorted(), ["a1", "a2", "a3", "b1", "b2"]);
  assert.ok(seen.indexOf("b2") < seen.indexOf("a2"));
});

Deno.test("merged() fails as soon as one generator does, and has the others end first", async () => {
  const done = new AbortController();
  let ended = false;
  async function* waiting(): AsyncGenerator<string> {
    try {
      await new Promise<void>((resolve) => done.signal.addEventListener("abort", () => resolve()));
      yield "never";
    } finally {
      ended = true;
    }
  }
  async function* failing(): AsyncGenerator<string> {
    yield "one";
    throw new Error("broken");
  }
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const value of merged([waiting(), failing()], done)) seen.push(value);
  }, /broken/);
  assert.deepEqual([seen, ended, done.signal.aborted], [["one"], true, true]);
});

Deno.test("merged() ends its generators when nobody reads on", async () => {
  const done = new AbortController();
  for await (const value of merged([of(1, 2, 3), of(4, 5, 6)], done)) if (value === 4) break;
  assert.equal(done.signal.aborted, true);
});
