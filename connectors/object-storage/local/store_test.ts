import assert from "node:assert/strict";
import { join } from "node:path";
import { seededRandom } from "../../../tests/fakes/context.ts";
import type { CheckFinding } from "../../contract.ts";
import { LocalStore } from "./store.ts";

const object = (name: string, ...texts: string[]) => ({
  name,
  body: texts.map((text) => new TextEncoder().encode(text)),
  contentType: "text/plain",
});

async function inFolder(use: (root: string, store: LocalStore) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const root = join(folder, "lake");
    await using store = new LocalStore(root, seededRandom(1));
    await use(root, store);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function namesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? namesBelow(join(folder, name)) : [join(folder, name)]
  ).sort();
}

Deno.test("an object is made once, with its folders, and nobody writes over it", () =>
  inFolder(async (root, store) => {
    assert.equal(await store.sizeOf("a/b/c.jsonl"), undefined);
    assert.equal(await store.create(object("a/b/c.jsonl", "one\n", "two\n")), "created");
    assert.equal(await store.create(object("a/b/c.jsonl", "three\n")), "exists");
    assert.equal(await store.sizeOf("a/b/c.jsonl"), 8);
    assert.equal(Deno.readTextFileSync(join(root, "a/b/c.jsonl")), "one\ntwo\n");
    assert.deepEqual(namesBelow(root), [join(root, "a/b/c.jsonl")]);
  }));

Deno.test("of many that make one object at a time one does", () =>
  inFolder(async (root, store) => {
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => store.create(object("x", String(i)))),
    );
    assert.deepEqual(outcomes.toSorted(), ["created", ...Array(7).fill("exists")]);
    assert.equal(Deno.readTextFileSync(join(root, "x")), String(outcomes.indexOf("created")));
    assert.deepEqual(namesBelow(root), [join(root, "x")]);
  }));

Deno.test("what was being written when the program was killed is removed, of this object alone", () =>
  inFolder(async (root, store) => {
    // As a process leaves it that is killed before link(2): the same work, with a link that never comes.
    const made = store.create(object("a/x", "1"));
    const other = store.create(object("a/y", "1"));
    await Promise.all([made, other]);
    const leave = async (name: string) => {
      const seen = new Set(namesBelow(root));
      const link = Deno.link;
      Deno.link = () => Promise.reject(new Error("killed"));
      const remove = Deno.remove;
      Deno.remove = () => Promise.resolve();
      try {
        await assert.rejects(store.create(object(name, "half")));
      } finally {
        Deno.link = link;
        Deno.remove = remove;
      }
      return namesBelow(root).filter((one) => !seen.has(one));
    };
    const [left] = await leave("a/new");
    const [others] = await leave("a/another");
    assert.ok(left && others);
    await store.cleanUp("a/new");
    assert.ok(!namesBelow(root).includes(left));
    assert.ok(namesBelow(root).includes(others));
    await store.cleanUp("nowhere/x");
  }));

Deno.test("a folder in the place of an object is said, and not taken for one", () =>
  inFolder(async (root, store) => {
    Deno.mkdirSync(join(root, "x"), { recursive: true });
    await assert.rejects(store.create(object("x", "1")), { code: "config_path" });
    Deno.writeTextFileSync(join(root, "file"), "");
    await assert.rejects(store.create(object("file/x", "1")), { code: "config_path" });
  }));

Deno.test("check() proves that objects can be made, and leaves nothing", () =>
  inFolder(async (root, store) => {
    const check = async (one: LocalStore) => {
      const findings: CheckFinding[] = [];
      await one.check((finding) => findings.push(finding));
      return findings.map(({ status, message }) => `${status}: ${message}`);
    };
    assert.deepEqual(await check(store), [
      `ok: "${root}" does not exist yet: it is made with the first object`,
    ]);
    Deno.mkdirSync(root);
    assert.deepEqual(await check(store), [`ok: "${root}" can be written to`]);
    assert.deepEqual(namesBelow(root), []);
    Deno.writeTextFileSync(join(root, "file"), "");
    await using wrong = new LocalStore(join(root, "file"), seededRandom(1));
    assert.match((await check(wrong))[0], /^failed: Cannot make objects in ".*file": /);
  }));

const canMount = Deno.build.os === "linux" &&
  (await new Deno.Command("unshare", { args: ["-rm", "true"], stdout: "null", stderr: "null" }).output()
    .catch(() => ({ success: false }))).success;

/** On a disk of 256 KB: makes objects until it is full, makes room, goes on. The entry of a child process. */
export async function fillDisk(root: string): Promise<void> {
  Deno.writeFileSync(join(root, "ballast"), new Uint8Array(100_000));
  await using store = new LocalStore(root, seededRandom(1));
  const told: unknown[] = [];
  for (let n = 0; n < 20; n++) {
    const body = [new Uint8Array(10_000).fill(n)];
    try {
      await store.create({ name: `${n}`, body, contentType: "" });
    } catch (error) {
      const { code, retryable } = error as { code: string; retryable: boolean };
      told.push({ code, retryable, names: namesBelow(root).length === n + 1 });
      Deno.removeSync(join(root, "ballast"));
      n--;
    }
  }
  const whole = Array.from(
    { length: 20 },
    (_, n) => Deno.readFileSync(join(root, `${n}`)).every((byte) => byte === n),
  );
  console.log(JSON.stringify({ told, whole: whole.every(Boolean), names: namesBelow(root).length }));
}

Deno.test({
  name: "a full disk is told as such, leaves nothing of the object, and it is made once there is room" +
    (canMount ? "" : " (skipped: no user namespaces here to mount a small disk in)"),
  ignore: !canMount,
  fn: () =>
    inFolder(async (root) => {
      Deno.mkdirSync(root);
      const code = `import { fillDisk } from "${import.meta.url}"; await fillDisk(${JSON.stringify(root)});`;
      const program = `data:application/typescript;base64,${new TextEncoder().encode(code).toBase64()}`;
      const config = new URL("../../../deno.json", import.meta.url).pathname;
      const deno = [Deno.execPath(), "run", "-A", "--no-check", "--no-prompt", "--config", config, program];
      const mount = `mount -t tmpfs -o size=256k none '${root}' && exec "$@"`;
      const { success, stdout, stderr } = await new Deno.Command("unshare", {
        args: ["-rm", "sh", "-c", mount, "sh", ...deno],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
        told: [{ code: "transient_disk_full", retryable: true, names: true }],
        whole: true,
        names: 20,
      });
    }),
});
