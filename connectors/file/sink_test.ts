import assert from "node:assert/strict";
import { join } from "node:path";
import type { Sink } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Json } from "../../formats/data/value.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { type FakeSinkContext, fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch, fakeBatches, fakeRecord, fakeStream, linesOf } from "../../tests/fakes/records.ts";
import definition from "./connector.ts";
import { FileSet, type SavedFiles } from "./file_set.ts";
import { PathTemplate } from "./path_template.ts";
import { linesByPath, openSink } from "./sink.ts";

/** A folder, and a state store that outlives the sinks opened on it. */
class Place implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly documents = new Map<string, Json>();
  readonly clock = new FakeClock(true);
  context!: FakeSinkContext;

  open(config: Record<string, unknown>, saved?: Json, flow = "flow"): Promise<Sink> {
    const { documents, clock } = this;
    this.context = fakeSinkContext({ documents, clock, saved, flow });
    const path = join(this.folder, config.path as string);
    return Promise.resolve(openSink(definition.config.parse({ ...config, path }), this.context));
  }

  read(name: string): string {
    return Deno.readTextFileSync(join(this.folder, name));
  }

  lines(name: string): string[] {
    return this.read(name).split("\n").slice(0, -1);
  }

  /** Every file below the folder, sorted. */
  files(below = ""): string[] {
    return [...Deno.readDirSync(join(this.folder, below))].flatMap(({ name, isDirectory }) =>
      isDirectory ? this.files(join(below, name)) : [join(below, name)]
    ).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const code = (expected: string) => (error: unknown) => (error as ConnectorError).code === expected;

Deno.test("a batch of one stream is appended as it is, and its length saved", async () => {
  await using place = new Place();
  await using sink = await place.open({ path: "new/folder/orders.jsonl" });
  const batches = fakeBatches(3, 100);
  for (const batch of batches) await sink.write(batch);
  const saved = await sink.flush();
  assert.deepEqual(place.lines("new/folder/orders.jsonl"), linesOf(...batches));
  const bytes = new TextEncoder().encode(place.read("new/folder/orders.jsonl")).length;
  assert.deepEqual(saved, {
    v: 1,
    flush: 1,
    files: { [join(place.folder, "new/folder/orders.jsonl")]: bytes },
  });
});

Deno.test("linesByPath() hands on the batch's own bytes where lines of a path are neighbours", () => {
  const [a, b] = [fakeStream("a"), fakeStream("b")];
  const template = new PathTemplate("out/{stream}", "");
  const one = fakeBatch([1, 2, 3].map((id) => fakeRecord(id, { stream: a })));
  const [bytes] = linesByPath(one, template).values();
  assert.equal(bytes.buffer, one.bytes.buffer);
  assert.equal(bytes.length, one.bytes.length);

  const mixed = fakeBatch([a, a, b, a, b, b].map((stream, id) => fakeRecord(id, { stream })));
  const lines = linesOf(mixed);
  const text = (path: string) => new TextDecoder().decode(linesByPath(mixed, template).get(path));
  assert.equal(text("out/a"), [0, 1, 3].map((i) => `${lines[i]}\n`).join(""));
  assert.equal(text("out/b"), [2, 4, 5].map((i) => `${lines[i]}\n`).join(""));

  const rest = mixed.withoutFirst(3);
  assert.equal(new TextDecoder().decode(linesByPath(rest, template).get("out/a")), `${lines[3]}\n`);
});

Deno.test("records go to the file of their table and of the hour of their change", async () => {
  await using place = new Place();
  await using sink = await place.open({ path: "{namespace}/{stream}/{yyyy}-{MM}-{dd}T{HH}.jsonl" });
  const at = (id: number, name: string, hours: number) =>
    fakeRecord(id, {
      stream: fakeStream(name),
      timeMicros: BigInt(Date.UTC(2026, 0, 31, 22 + hours)) * 1000n,
    });
  const batch = fakeBatch([at(1, "a", 0), at(2, "a", 1), at(3, "b", 1), at(4, "a", 1), at(5, "a", 2)]);
  const lines = linesOf(batch);
  await sink.write(batch);
  await sink.flush();
  assert.deepEqual(place.files(), [
    "public/a/2026-01-31T22.jsonl",
    "public/a/2026-01-31T23.jsonl",
    "public/a/2026-02-01T00.jsonl",
    "public/b/2026-01-31T23.jsonl",
  ]);
  assert.deepEqual(place.lines("public/a/2026-01-31T23.jsonl"), [lines[1], lines[3]]);
});

Deno.test("a table called ../../etc/x stays in the folder", async () => {
  await using place = new Place();
  await Deno.mkdir(join(place.folder, "a/b/c"), { recursive: true });
  await using sink = await place.open({ path: "a/b/c/{stream}/{namespace}.jsonl" });
  await sink.write(fakeBatch([fakeRecord(1, { stream: fakeStream("../../etc/x", { namespace: ".." }) })]));
  await sink.flush();
  assert.deepEqual(place.files(), ["a/b/c/%2E.%2F..%2Fetc%2Fx/%2E%2E.jsonl"]);
});

Deno.test("records without a text make no file", async () => {
  await using place = new Place();
  await using sink = await place.open({ path: "{stream}.jsonl" });
  await sink.write(fakeBatch([fakeRecord(1, { operation: "tombstone", after: undefined })]));
  await sink.write(fakeBatch([]));
  assert.deepEqual(await sink.flush(), { v: 1, flush: 1, files: {} });
  assert.deepEqual(place.files(), []);
});

Deno.test("opening cuts files back to the commit and undoes those begun after it", async () => {
  await using place = new Place();
  const config = { path: "{stream}.jsonl" };
  const of = (name: string, id: number) => fakeBatch([fakeRecord(id, { stream: fakeStream(name) })]);
  let saved: Json;
  {
    await using sink = await place.open(config);
    await sink.write(of("a", 1));
    saved = await sink.flush() as Json;
    await sink.write(of("a", 2));
    await sink.write(of("b", 3));
    await sink.flush();
    await sink.write(of("b", 4));
    await sink.write(of("c", 5));
  }
  assert.deepEqual(place.files(), ["a.jsonl", "b.jsonl", "c.jsonl"]);
  {
    await using sink = await place.open(config, saved);
    assert.deepEqual(place.files(), ["a.jsonl"]);
    assert.deepEqual(place.lines("a.jsonl"), linesOf(of("a", 1)));
    await sink.write(of("b", 3));
    saved = await sink.flush() as Json;
  }
  await using _sink = await place.open(config, saved);
  assert.deepEqual(place.lines("b.jsonl"), linesOf(of("b", 3)));
});

Deno.test("a crash before the first commit leaves nothing", async () => {
  await using place = new Place();
  {
    await using sink = await place.open({ path: "{stream}.jsonl" });
    await sink.write(fakeBatch([fakeRecord(1)]));
  }
  await using _sink = await place.open({ path: "{stream}.jsonl" });
  assert.deepEqual(place.files(), []);
});

Deno.test("a file that was there before is kept, and cut back to what it was", async () => {
  await using place = new Place();
  await Deno.writeTextFile(join(place.folder, "orders.jsonl"), '{"older":1}\n{"torn":');
  const batch = fakeBatch([fakeRecord(1)]);
  {
    await using sink = await place.open({ path: "orders.jsonl" });
    await sink.write(batch);
    assert.deepEqual(place.lines("orders.jsonl"), ['{"older":1}', '{"torn":', ...linesOf(batch)]);
  }
  await using sink = await place.open({ path: "orders.jsonl" });
  assert.equal(place.read("orders.jsonl"), '{"older":1}\n{"torn":');
  await sink.write(batch);
  await sink.flush();
  assert.deepEqual(place.lines("orders.jsonl"), ['{"older":1}', '{"torn":', ...linesOf(batch)]);
});

Deno.test("files that nobody touches are left out of what is saved, and can be begun again", async () => {
  await using place = new Place();
  const config = { path: "{stream}.jsonl" };
  const of = (name: string, id: number) => fakeBatch([fakeRecord(id, { stream: fakeStream(name) })]);
  const name = (stream: string) => join(place.folder, `${stream}.jsonl`);
  let saved: Json;
  {
    await using sink = await place.open(config);
    await sink.write(of("a", 1));
    await sink.flush();
    place.clock.advance(11 * 60_000);
    await sink.write(of("b", 2));
    saved = await sink.flush() as Json;
    assert.deepEqual(Object.keys((saved as { files: object }).files), [name("b")]);
    // Not saved: begun again, flushed, and the commit fails.
    await sink.write(of("a", 3));
    await sink.flush();
    await sink.write(of("a", 4));
  }
  await using sink = await place.open(config, saved);
  assert.deepEqual(place.lines("a.jsonl"), linesOf(of("a", 1)));
  await sink.write(of("a", 3));
  await sink.flush();
  assert.deepEqual(place.lines("a.jsonl"), linesOf(of("a", 1), of("a", 3)));
});

Deno.test("many files cost few handles and bounded state", async () => {
  await using place = new Place();
  const open = (saved?: Json) => {
    const { folder: base, clock, documents } = place;
    place.context = fakeSinkContext({ clock, documents, saved });
    const options = { context: place.context, base, rotation: undefined, ifShortened: "stop" as const };
    return FileSet.open({ ...options, maxOpen: 4, maxSaved: 20 });
  };
  let saved: Json | undefined;
  const paths = Array.from({ length: 30 }, (_, i) => join(place.folder, `${i}.jsonl`));
  for (let round = 0; round < 3; round++) {
    const files = await open(saved);
    for (let i = 0; i < 30; i += 10) {
      const line = new TextEncoder().encode(`${round}\n`);
      await files.append(new Map(paths.slice(i, i + 10).map((path) => [path, line])));
      saved = await files.flush();
      assert.ok(place.context.numbers.get("open_files")! <= 4);
    }
    // Not committed: some of these files are in what is saved, the others were left out of it.
    await files.append(new Map(paths.map((path) => [path, new TextEncoder().encode("lost\n")])));
    await files.flush();
    files.close();
  }
  (await open(saved)).close();
  assert.deepEqual(Object.keys((saved as SavedFiles).files), paths.slice(10));
  for (const file of place.files()) assert.equal(place.read(file), "0\n1\n2\n", file);
  // What every commit contains by now is forgotten.
  assert.deepEqual([...place.documents.values()], [{ v: 1, files: [] }]);
});

Deno.test("rotation begins a file once the last one has its size, and after a crash each record is there once", async () => {
  await using place = new Place();
  const config = { path: "{stream}.jsonl", rotation: { max_size_mb: 0.004 } };
  const batches = fakeBatches(30, 3);
  let saved: Json | undefined;
  for (let i = 0; i < batches.length; i += 2) {
    await using sink = await place.open(config, saved);
    // The commit of the third batch is lost in a crash.
    for (const [k, batch] of batches.slice(i, i + 3).entries()) {
      await sink.write(batch);
      const flushed = await sink.flush() as Json;
      if (k < 2) saved = flushed;
    }
    place.clock.advance(1000);
  }
  const files = place.files();
  assert.ok(files.length > 5, `${files.length} files`);
  assert.deepEqual(files.flatMap((file) => place.lines(file)), linesOf(...batches));
  for (const file of files.slice(0, -1)) {
    assert.ok(place.read(file).length >= 0.004 * 2 ** 20);
    assert.match(file, /^orders\.202601\d\dT\d{9}Z\.jsonl$/);
  }
  assert.equal(Object.keys((saved as { files: object }).files).length, 1);
});

Deno.test("rotation leaves no file that is not durable yet", async () => {
  await using place = new Place();
  await using sink = await place.open({ path: "o.jsonl", rotation: { max_size_mb: 0.001 } });
  const batches = fakeBatches(3, 10);
  await sink.write(batches[0]);
  await sink.write(batches[1]);
  assert.equal(place.files().length, 1);
  await sink.flush();
  await sink.write(batches[2]);
  assert.deepEqual(place.files().map((file) => place.lines(file).length), [20, 10]);
});

Deno.test("rotation begins a file once the last one is old, also when it was begun by an earlier run", async () => {
  await using place = new Place();
  const config = { path: "o.jsonl", rotation: { max_age_hours: 1 } };
  const batches = fakeBatches(4, 1);
  let saved: Json | undefined;
  for (const [i, minutes] of [0, 30, 40, 10].entries()) {
    place.clock.advance(minutes * 60_000);
    await using sink = await place.open(config, saved);
    await sink.write(batches[i]);
    saved = await sink.flush() as Json;
  }
  assert.deepEqual(place.files(), ["o.20260131T120000000Z.jsonl", "o.20260131T131000000Z.jsonl"]);
  assert.deepEqual(place.lines(place.files()[1]), linesOf(batches[2], batches[3]));
});

Deno.test("rotation switched on later leaves the file of before as it is", async () => {
  await using place = new Place();
  const [one, two] = fakeBatches(2, 1);
  let saved: Json;
  {
    await using sink = await place.open({ path: "o.jsonl" });
    await sink.write(one);
    saved = await sink.flush() as Json;
    await sink.write(two);
  }
  await using sink = await place.open({ path: "o.jsonl", rotation: {} }, saved);
  await sink.write(two);
  await sink.flush();
  assert.deepEqual(place.lines("o.jsonl"), linesOf(one));
  assert.deepEqual(place.lines(place.files()[0]), linesOf(two));
});

for (const found of ["shorter", "missing"] as const) {
  Deno.test(`a ${found} file stops the sink, or is accepted where the user says so`, async () => {
    await using place = new Place();
    const [one, two] = fakeBatches(2, 2);
    let saved: Json;
    {
      await using sink = await place.open({ path: "o.jsonl" });
      await sink.write(one);
      saved = await sink.flush() as Json;
    }
    const file = join(place.folder, "o.jsonl");
    if (found === "shorter") await Deno.truncate(file, 100);
    else await Deno.remove(file);
    await assert.rejects(place.open({ path: "o.jsonl" }, saved), (error: ConnectorError) => {
      assert.equal(error.code, "state_file_shortened");
      assert.equal(error.retryable, false);
      const { files } = saved as { files: Record<string, number> };
      assert.match(
        error.message,
        new RegExp(`${files[file]} bytes.*${found === "shorter" ? "has 100" : "not exist"}`),
      );
      assert.match(error.hint!, /if_shortened: continue/);
      return true;
    });
    await using sink = await place.open({ path: "o.jsonl", if_shortened: "continue" }, saved);
    await sink.write(two);
    await sink.flush();
    assert.deepEqual(place.lines("o.jsonl").slice(-2), linesOf(two));
  });
}

Deno.test("a file that is changed while it grows is noticed before it is called durable", async () => {
  const changes: Record<string, (file: string) => void> = {
    removed: Deno.removeSync,
    truncated: (file) => Deno.truncateSync(file),
    replaced: (file) => {
      const text = Deno.readFileSync(file);
      Deno.removeSync(file);
      Deno.writeTextFileSync(`${file}.other`, "keeps the inode of the removed file from being used again");
      Deno.writeFileSync(file, text);
    },
    "appended to": (file) => Deno.writeTextFileSync(file, "x\n", { append: true }),
  };
  for (const [what, change] of Object.entries(changes)) {
    await using place = new Place();
    await using sink = await place.open({ path: "o.jsonl" });
    await sink.write(fakeBatch([fakeRecord(1)]));
    change(join(place.folder, "o.jsonl"));
    await assert.rejects(sink.flush(), code("state_file_changed"), what);
  }
});

Deno.test("a file is written by one sink at a time", async () => {
  await using place = new Place();
  const config = { path: "{stream}.jsonl" };
  let saved: Json;
  {
    await using one = await place.open(config);
    await one.write(fakeBatch([fakeRecord(1)]));
    saved = await one.flush() as Json;
    await using other = await place.open(config, undefined, "other");
    await assert.rejects(other.write(fakeBatch([fakeRecord(2)])), code("conflict_file_locked"));
    await assert.rejects(place.open(config, saved), code("conflict_file_locked"));
    await other.write(fakeBatch([fakeRecord(2, { stream: fakeStream("customers") })]));
    await other.flush();
  }
  await using again = await place.open(config, saved);
  await again.write(fakeBatch([fakeRecord(3)]));
  assert.equal(place.lines("orders.jsonl").length, 2);
});

Deno.test("{pipeline} keeps two pipelines apart", async () => {
  await using place = new Place();
  const config = { path: "{pipeline}.jsonl" };
  await using one = await place.open(config, undefined, "one");
  await using two = await place.open(config, undefined, "two/..");
  await one.write(fakeBatch([fakeRecord(1)]));
  await two.write(fakeBatch([fakeRecord(2)]));
  assert.deepEqual(place.files(), ["one.jsonl", "two%2F.%2E.jsonl"]);
});

Deno.test("files of an earlier path are left alone", async () => {
  await using place = new Place();
  let saved: Json;
  {
    await using sink = await place.open({ path: "old/o.jsonl" });
    await sink.write(fakeBatch([fakeRecord(1)]));
    saved = await sink.flush() as Json;
    await sink.write(fakeBatch([fakeRecord(2)]));
  }
  await using _sink = await place.open({ path: "new/o.jsonl" }, saved);
  assert.equal(place.lines("old/o.jsonl").length, 2);
  assert.match(place.context.lines[0].message, /before `path` was changed/);
});

Deno.test("what the system refuses is explained", async () => {
  await using place = new Place();
  await Deno.writeTextFile(join(place.folder, "file"), "");
  {
    await using sink = await place.open({ path: "file/o.jsonl" });
    await assert.rejects(sink.write(fakeBatch([fakeRecord(1)])), code("config_path"));
  }
  await Deno.mkdir(join(place.folder, "o.jsonl"));
  await using sink = await place.open({ path: "o.jsonl" });
  await assert.rejects(sink.write(fakeBatch([fakeRecord(1)])), code("config_path"));
});

Deno.test("check tries the folder and leaves nothing behind", async () => {
  await using place = new Place();
  const findings = async (path: string) => {
    await using sink = await place.open({ path });
    const found: string[] = [];
    await sink.check(({ status, message }) => found.push(`${status}: ${message}`));
    return found.join();
  };
  assert.match(await findings("o.jsonl"), /^ok: .* can be written to$/);
  assert.match(await findings("later/o.jsonl"), /^ok: .* does not exist yet/);
  assert.deepEqual(place.files(), []);
  await Deno.writeTextFile(join(place.folder, "x"), "");
  assert.match(await findings("x/o.jsonl"), /^failed: .* is not a folder/);
});

Deno.test("what is right for one side only is refused on the other, at its key", () => {
  const machine = { env: () => undefined, readFile: () => "", fileMode: () => undefined };
  const problems = (role: "source" | "sink", config: Record<string, unknown>) =>
    definition.completeConfig!(config, machine, role).problems.map(({ key, message }) =>
      `${key}: ${message}`
    );
  assert.deepEqual(problems("sink", { path: "out/x", format: "parquet" }), [
    "format: The sink can't append to parquet files",
  ]);
  assert.match(problems("sink", { path: "/{stream}" })[0], /^path: .* right below/);
  assert.match(
    problems("sink", { path: "out/x", follow: true, envelope: "none" })[0],
    /^follow: .* key of the source/,
  );
  assert.match(problems("source", { path: "out/{stream}" })[0], /^path: .* no placeholders/);
  assert.match(problems("source", { path: "/*.jsonl" })[0], /^path: .* right below/);
  assert.match(problems("source", { path: "in/*/../x" })[0], /^path: .* behind a/);
  assert.deepEqual(problems("source", { path: "in/", rotation: {}, envelope: "standard", start: "latest" }), [
    "rotation: rotation is a key of the sink",
    "envelope: Of a source this is auto or none; the layout belongs to the sink",
    "start: Without follow: true there is nothing behind the end to read",
  ]);
  assert.deepEqual(problems("source", { path: "in/**/*.jsonl", follow: true, start: "latest" }), []);
  const reads = (path: string) => definition.permissions(definition.config.parse({ path }), "source");
  for (const path of ["in/", "in", "in/*.jsonl", "in/a.jsonl", "./in/a?c", "in/**"]) {
    assert.deepEqual(reads(path), { read: ["in"] }, path);
  }
  assert.deepEqual(reads("/var/log/app.jsonl"), { read: ["/var/log"] });
  assert.deepEqual(
    definition.permissions(definition.config.parse({ path: "./out/{stream}.jsonl" }), "sink"),
    {
      read: ["out"],
      write: ["out"],
    },
  );
});
