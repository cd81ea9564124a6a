import assert from "node:assert/strict";
import { join } from "node:path";
import { openStateDir } from "./state_dir.ts";

function tempDir(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Another process that holds the directory until it is ended. */
async function holder(path: string): Promise<Deno.ChildProcess> {
  const code = `
    import { openStateDir } from "${new URL("./state_dir.ts", import.meta.url).href}";
    openStateDir(${JSON.stringify(path)});
    console.log("held");
    await new Promise(() => setInterval(() => {}, 1000));`;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `data:text/javascript,${encodeURIComponent(code)}`],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  for await (const chunk of process.stdout) {
    if (new TextDecoder().decode(chunk).includes("held")) break;
  }
  return process;
}

Deno.test("the directory is made with all that is above it, and says where the database is", () => {
  using dir = tempDir();
  const path = join(dir.path, "var", "lib", "state");
  using state = openStateDir(path);
  assert.equal(state.path, path);
  assert.equal(state.database, join(path, "state.db"));
  assert.equal(Deno.statSync(path).isDirectory, true);
});

Deno.test("a second process is refused with the pid of the first, until that is killed", async () => {
  using dir = tempDir();
  const process = await holder(dir.path);
  try {
    const lock = JSON.parse(Deno.readTextFileSync(join(dir.path, "LOCK")));
    assert.equal(lock.pid, process.pid);
    assert.throws(() => openStateDir(dir.path), {
      code: "state_locked",
      retryable: false,
      message:
        `The state directory "${dir.path}" is in use by process ${process.pid}, started ${lock.started}`,
      hint: "Stop the other process, or give this one its own settings.state_dir",
    });
  } finally {
    process.kill("SIGKILL");
    await process.status;
  }
  using state = openStateDir(dir.path);
  assert.equal(JSON.parse(Deno.readTextFileSync(join(dir.path, "LOCK"))).pid, Deno.pid);
  assert.equal(state.path, dir.path);
});

Deno.test("it is held within one process, too, and free once it is disposed", () => {
  using dir = tempDir();
  {
    using _state = openStateDir(dir.path);
    assert.throws(() => openStateDir(dir.path), {
      message: new RegExp(`in use by process ${Deno.pid}, started 20`),
    });
    assert.throws(
      () => openStateDir(dir.path),
      { code: "state_locked" },
      "the failed attempt let go of the lock",
    );
  }
  for (let k = 0; k < 3; k++) openStateDir(dir.path)[Symbol.dispose]();
});

Deno.test("a lock file that says nothing is still a lock", () => {
  using dir = tempDir();
  using _state = openStateDir(dir.path);
  Deno.writeTextFileSync(join(dir.path, "LOCK"), "");
  assert.throws(() => openStateDir(dir.path), { message: /is in use by another process$/ });
});

Deno.test("a directory that can't be made or written is an error with its path", () => {
  using dir = tempDir();
  Deno.writeTextFileSync(join(dir.path, "file"), "");
  // /proc takes no new files, not even from root.
  for (const path of [join(dir.path, "file"), join(dir.path, "file", "state"), "/proc", "/proc/state"]) {
    assert.throws(() => openStateDir(path), {
      code: "state_unusable",
      message: new RegExp(`^Cannot use "${path}" as state directory: `),
      hint: "settings.state_dir must be a folder that this user can write",
    });
  }
});
