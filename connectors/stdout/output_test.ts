import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { Output, type OutputFile } from "./output.ts";

/** Takes at most `most` bytes a call; the errors come first, one a call. */
class FakeFile implements OutputFile {
  readonly pieces: Uint8Array[] = [];
  constructor(readonly most = Infinity, readonly errors: Error[] = []) {}

  writeSync(bytes: Uint8Array): number {
    const error = this.errors.shift();
    if (error) throw error;
    const taken = bytes.slice(0, this.most);
    this.pieces.push(taken);
    return taken.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve().then(() => this.writeSync(bytes));
  }

  get text(): string {
    return this.pieces.map((piece) => new TextDecoder().decode(piece)).join("");
  }
}

const lines = (count: number, width: number) => `${"x".repeat(width - 1)}\n`.repeat(count);
const bytes = (text: string) => new TextEncoder().encode(text);

for (const kind of ["file", "pipe", "terminal"] as const) {
  Deno.test(`a ${kind} that takes seven bytes at a time gets all of them`, async () => {
    const file = new FakeFile(7);
    await new Output(file, kind, new FakeClock(true)).write(bytes(lines(30, 100)));
    assert.equal(file.text, lines(30, 100));
  });
}

Deno.test("a pipe gets whole lines in pieces that are not mixed with those of others", async () => {
  const file = new FakeFile();
  const text = lines(100, 300) + lines(2, 9000) + lines(3, 4096) + lines(1, 10);
  await new Output(file, "pipe", new FakeClock(true)).write(bytes(text));
  assert.equal(file.text, text);
  for (const piece of file.pieces) {
    assert.equal(piece.at(-1), 0x0a);
    const isOneLine = piece.indexOf(0x0a) === piece.length - 1;
    assert.ok(piece.length <= 4096 || isOneLine, `a piece of ${piece.length} bytes`);
  }
  assert.equal(file.pieces[0].length, 13 * 300);
});

Deno.test("a file gets a batch in one write", async () => {
  const file = new FakeFile();
  await new Output(file, "file", new FakeClock(true)).write(bytes(lines(1000, 300)));
  assert.equal(file.pieces.length, 1);
});

Deno.test("a reader that has gone is told apart from other failures", async () => {
  for (const kind of ["file", "pipe"] as const) {
    const gone = new Output(new FakeFile(7, [new Deno.errors.BrokenPipe("x")]), kind, new FakeClock(true));
    await assert.rejects(
      gone.write(bytes("a\n")),
      (error: ConnectorError) => error.code === "fatal_broken_pipe" && !error.retryable,
    );
    const full = new Output(
      new FakeFile(7, [new Error("No space left on device")]),
      kind,
      new FakeClock(true),
    );
    await assert.rejects(
      full.write(bytes("a\n")),
      (error: ConnectorError) => error.code === "connection_stdout" && error.retryable,
    );
  }
});

Deno.test("an output that is not ready is asked again", async () => {
  const file = new FakeFile(3, [new Deno.errors.WouldBlock("x"), new Deno.errors.WouldBlock("x")]);
  const clock = new FakeClock(true);
  await new Output(file, "pipe", clock).write(bytes("abcdef\n"));
  assert.equal(file.text, "abcdef\n");
  assert.equal(clock.sleptMs, 10);
});
