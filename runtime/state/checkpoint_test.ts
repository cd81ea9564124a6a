import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ConnectorError } from "../../formats/data/errors.ts";
import { ORDERS } from "../../tests/fakes/records.ts";
import { type Commit, openCheckpoints } from "./checkpoint.ts";
import type { DeadLetter } from "../dead_letters/dead_letter.ts";

const NOW = 1_769_860_800_000_000n;
const open = (path: string) => openCheckpoints(path, () => NOW);

function tempDir(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function commitOf(more: Partial<Commit> = {}): Commit {
  return {
    flow: "orders",
    sink: "lake",
    marks: { stream: "g/0000000000000007" },
    saved: { size: 100 },
    deadLetters: [],
    source: "shop",
    connector: "postgres-cdc",
    position: { v: 1, lsn: "0/7" },
    ...more,
  };
}

const LETTER: DeadLetter = {
  lane: "stream",
  order: "g/0000000000000003",
  stream: ORDERS,
  withheld: false,
  stage: "sink",
  code: "schema_too_long",
  error: "Column total is too long",
  payload: new Uint8Array([0x7b, 0, 0xff]),
  key: new Uint8Array([1]),
};

Deno.test("what was committed is there when it is opened again", () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  {
    using checkpoints = open(path);
    assert.equal(checkpoints.position("shop", "postgres-cdc"), undefined);
    assert.deepEqual(checkpoints.marks("orders"), {});
    assert.equal(checkpoints.saved("orders", "lake"), undefined);
    checkpoints.commit(
      commitOf({
        deadLetters: [LETTER],
      }),
    );
    checkpoints.commit(commitOf({
      marks: { "snapshot/public.orders/1": "a/0000000000000001", stream: "g/0000000000000009" },
      saved: undefined,
      position: { v: 1, lsn: "0/9", tables: [{ name: "orders", done: true }] },
    }));
    checkpoints.putDocuments("shop", { history: { version: 2, columns: ["id", null, 1.5] } });
    checkpoints.putDocuments("shop", { history: { version: 3 }, slot: "rivven_shop" });
    checkpoints.putDocuments("lake", { slot: null });
  }
  using checkpoints = open(path);
  assert.deepEqual(checkpoints.position("shop", "postgres-cdc"), {
    v: 1,
    lsn: "0/9",
    tables: [{ name: "orders", done: true }],
  });
  assert.deepEqual(checkpoints.marks("orders"), {
    "snapshot/public.orders/1": "a/0000000000000001",
    stream: "g/0000000000000009",
  });
  assert.deepEqual(
    checkpoints.saved("orders", "lake"),
    { size: 100 },
    "undefined leaves what was saved before",
  );
  assert.deepEqual(checkpoints.documents("shop"), { history: { version: 3 }, slot: "rivven_shop" });
  assert.deepEqual(checkpoints.documents("lake"), { slot: null });
  assert.deepEqual(checkpoints.documents("other"), {});
  assert.equal(checkpoints.deadLetters.count("orders"), 1);
});

Deno.test("flows, sinks and sources keep their own", () => {
  using checkpoints = open(":memory:");
  checkpoints.commit(commitOf());
  checkpoints.commit(commitOf({ flow: "copy", marks: { stream: "g/0000000000000001" }, saved: { size: 1 } }));
  checkpoints.commit(commitOf({ sink: "other", saved: { size: 2 } }));
  checkpoints.commit(commitOf({ source: "crm", flow: "people", position: { v: 1, lsn: "0/1" } }));
  assert.deepEqual(checkpoints.marks("copy"), { stream: "g/0000000000000001" });
  assert.deepEqual(checkpoints.marks("orders"), { stream: "g/0000000000000007" });
  assert.deepEqual(checkpoints.saved("orders", "lake"), { size: 100 });
  assert.deepEqual(checkpoints.saved("orders", "other"), { size: 2 });
  assert.deepEqual(checkpoints.saved("copy", "lake"), { size: 1 });
  assert.equal(checkpoints.saved("copy", "other"), undefined);
  assert.deepEqual(checkpoints.position("crm", "postgres-cdc"), { v: 1, lsn: "0/1" });
  assert.deepEqual(checkpoints.position("shop", "postgres-cdc"), { v: 1, lsn: "0/7" });
});

Deno.test("a commit without a position leaves the one that is there", () => {
  using checkpoints = open(":memory:");
  checkpoints.commit(commitOf());
  checkpoints.commit(commitOf({ position: undefined, marks: { stream: "g/0000000000000008" } }));
  assert.deepEqual(checkpoints.position("shop", "postgres-cdc"), { v: 1, lsn: "0/7" });
});

Deno.test("a commit is all or nothing: a dead letter that can't be saved leaves no mark", () => {
  using checkpoints = open(":memory:");
  checkpoints.commit(commitOf());
  const broken = { ...LETTER, error: undefined as unknown as string };
  const commit = commitOf({
    marks: { stream: "g/0000000000000009", other: "g/0000000000000001" },
    saved: { size: 200 },
    deadLetters: [LETTER, broken],
    position: { v: 1, lsn: "0/9" },
  });
  assert.throws(() => checkpoints.commit(commit), { code: "state_unusable", name: "ConnectorError" });
  assert.deepEqual(checkpoints.marks("orders"), { stream: "g/0000000000000007" });
  assert.deepEqual(checkpoints.saved("orders", "lake"), { size: 100 });
  assert.equal(checkpoints.deadLetters.count("orders"), 0);
  assert.deepEqual(checkpoints.position("shop", "postgres-cdc"), { v: 1, lsn: "0/7" });
  checkpoints.commit({ ...commit, deadLetters: [LETTER] });
  assert.deepEqual(
    checkpoints.position("shop", "postgres-cdc"),
    { v: 1, lsn: "0/9" },
    "it goes on after the failure",
  );
});

Deno.test("what is uncommitted when the process dies is gone, what is committed is not", async () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  const code = `
    import { openCheckpoints } from "${new URL("./checkpoint.ts", import.meta.url).href}";
    const checkpoints = openCheckpoints(${JSON.stringify(path)}, () => 1n);
    const commit = ${JSON.stringify(commitOf())};
    for (let n = 1; ; n++) {
      checkpoints.commit({ ...commit, position: { v: 1, n }, marks: { stream: String(n) }, saved: { n } });
      if (n === 5) Deno.kill(Deno.pid, "SIGKILL");
    }`;
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `data:text/javascript,${encodeURIComponent(code)}`],
    stdout: "null",
    stderr: "null",
  }).output();
  assert.equal(signal, "SIGKILL");
  using checkpoints = open(path);
  assert.deepEqual(checkpoints.position("shop", "postgres-cdc"), { v: 1, n: 5 });
  assert.deepEqual(checkpoints.marks("orders"), { stream: "5" });
  assert.deepEqual(checkpoints.saved("orders", "lake"), { n: 5 });
});

Deno.test("a position of another connector is refused, by name", () => {
  using checkpoints = open(":memory:");
  checkpoints.commit(commitOf());
  assert.throws(() => checkpoints.position("shop", "mysql-cdc"), {
    code: "state_other_connector",
    retryable: false,
    message: 'The state ":memory:" holds a position of source "shop" from connector "postgres-cdc", ' +
      'but its connector is now "mysql-cdc"',
  });
});

Deno.test("a state of a newer version is refused and left as it is", () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  open(path)[Symbol.dispose]();
  const db = new DatabaseSync(path);
  db.exec("update meta set value = '3' where name = 'format'; drop table marks;");
  assert.throws(() => open(path), {
    code: "state_format",
    message: /has format 3; this version reads up to 2$/,
  });
  const tables = db.prepare("select count(*) as n from sqlite_master where name = 'marks'").get() as {
    n: number;
  };
  assert.equal(tables.n, 0, "a table was made in it");
  db.close();
});

Deno.test("a damaged state is an error that says what to do", () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  Deno.writeTextFileSync(path, "This is no database. ".repeat(500));
  assert.throws(() => open(path), (error) => {
    assert.ok(error instanceof ConnectorError);
    assert.equal(error.code, "state_damaged");
    assert.match(error.message, /Cannot open the state ".*state\.db": file is not a database/);
    assert.match(error.hint!, /backup/);
    return true;
  });
});

Deno.test("damage that shows only when it is read is such an error, too", () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  {
    using checkpoints = open(path);
    checkpoints.commit(commitOf({ deadLetters: Array(200).fill({ ...LETTER, order: undefined }) }));
  }
  const bytes = Deno.readFileSync(path);
  // The first page holds the tables' names; everything behind it is overwritten.
  Deno.writeFileSync(path, bytes.map((byte, at) => at < 4096 ? byte : 0x55));
  assert.throws(() => {
    using checkpoints = open(path);
    checkpoints.position("shop", "postgres-cdc");
  }, { code: "state_damaged" });
});

Deno.test("a state that can't be made is an error with its path", () => {
  using dir = tempDir();
  Deno.writeTextFileSync(join(dir.path, "file"), "");
  // /proc takes no new files, not even from root.
  for (
    const path of [
      join(dir.path, "missing", "state.db"),
      join(dir.path, "file", "state.db"),
      "/proc/state.db",
    ]
  ) {
    assert.throws(() => open(path), (error) => {
      assert.ok(error instanceof ConnectorError);
      assert.equal(error.code, "state_unusable");
      assert.ok(error.message.includes(path), error.message);
      assert.match(error.hint!, /settings\.state_dir/);
      return true;
    });
  }
});

Deno.test("a disk without room is an error that can pass, and what was saved before stays", () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  using checkpoints = open(path);
  checkpoints.commit(commitOf());
  // Fails in the words in which SQLite says that the disk is full.
  using db = new DatabaseSync(path);
  db.exec(
    "create trigger full before insert on dead_letters begin select raise(abort, 'database or disk is full'); end",
  );
  assert.throws(() => checkpoints.commit(commitOf({ marks: { stream: "z" }, deadLetters: [LETTER] })), {
    code: "transient_disk_full",
    retryable: true,
  });
  assert.deepEqual(checkpoints.marks("orders"), { stream: "g/0000000000000007" });
  db.exec("drop trigger full");
  checkpoints.commit(commitOf({ deadLetters: [LETTER] }));
  assert.equal(checkpoints.deadLetters.count("orders"), 1);
});

Deno.test("a flow that is to begin anew has no position and no marks; nothing else is forgotten", () => {
  using dir = tempDir();
  using checkpoints = open(join(dir.path, "state.db"));
  assert.equal(checkpoints.forget("shop", "orders"), false);
  checkpoints.commit(commitOf({ deadLetters: [LETTER] }));
  checkpoints.commit(commitOf({ flow: "other" }));
  checkpoints.putDocuments("source shop", { seed: 7 });
  assert.equal(checkpoints.forget("shop", "orders"), true);
  assert.equal(checkpoints.position("shop", "postgres-cdc"), undefined);
  assert.deepEqual(checkpoints.marks("orders"), {});
  assert.deepEqual(checkpoints.marks("other"), commitOf().marks);
  assert.deepEqual(checkpoints.saved("orders", "lake"), { size: 100 });
  assert.deepEqual(checkpoints.documents("source shop"), { seed: 7 });
  assert.equal(checkpoints.deadLetters.list({}).length, 1);
});
