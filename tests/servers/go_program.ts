/**
 * Servers that are Go programs: built once by `go install` and kept in the system's temp folder, because that takes
 * minutes. `deno run -A tests/servers/go_program.ts` builds all of them beforehand.
 */
import { basename, dirname, join } from "node:path";
import { ServerMissing } from "./missing.ts";
import { makeServerDir } from "./process.ts";

/** Package and version of each. */
export const GO_PROGRAMS = {
  versitygw: ["github.com/versity/versitygw/cmd/versitygw", "v1.8.0"],
  "fake-gcs-server": ["github.com/fsouza/fake-gcs-server", "v1.56.1"],
  toxiproxy: ["github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0"],
} as const;

/**
 * The path of a program, built now when it was not before. A variable such as `FAKE_GCS_SERVER` names one that somebody
 * has built already.
 *
 * @throws {ServerMissing} where there is no Go
 */
export async function goProgram(name: keyof typeof GO_PROGRAMS): Promise<string> {
  const own = Deno.env.get(name.toUpperCase().replaceAll("-", "_"));
  if (own) return own;
  const [path, version] = GO_PROGRAMS[name];
  const probe = await makeServerDir("probe"); // finds the temp folder
  await Deno.remove(probe);
  const kept = join(dirname(probe), `rivven-kept-${Deno.uid() ?? ""}-${name}-${version}`);
  const program = join(kept, basename(path));
  if (await isOurs(program)) return program;
  // One builds, whoever else needs it waits; the system ends the lock of one that is killed.
  using lock = await Deno.open(`${kept}.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  if (await isOurs(program)) return program;
  const making = `${kept}.building`;
  await Deno.remove(making, { recursive: true }).catch(() => {});
  await Deno.mkdir(making, { mode: 0o755 });
  try {
    await build(`${path}@${version}`, making);
    await Deno.rename(making, kept);
    return program;
  } catch (error) {
    await Deno.remove(making, { recursive: true });
    throw error;
  }
}

async function build(module: string, dir: string): Promise<void> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("go", {
      args: ["install", module],
      // cgo would want a C compiler, and stamping a version control system.
      env: { GOBIN: dir, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" },
      cwd: "/",
      stdin: "null",
    }).output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ServerMissing(`${module} can't be built: Go is not installed`, { cause });
  }
  if (output.success) return;
  const said = new TextDecoder().decode(output.stderr).trimEnd().split("\n").slice(-5).join("\n");
  throw new ServerMissing(`${module} can't be built: ${said}`);
}

/** The temp folder is everybody's: what somebody else put there under our name is not run. */
async function isOurs(program: string): Promise<boolean> {
  try {
    const [dir, file] = await Promise.all([Deno.lstat(dirname(program)), Deno.lstat(program)]);
    if (dir.isDirectory && file.isFile && dir.uid === Deno.uid() && file.uid === Deno.uid()) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  throw new Error(`"${program}" belongs to somebody else: remove it, or set TMPDIR to a folder of your own`);
}

if (import.meta.main) {
  for (const name of Object.keys(GO_PROGRAMS) as (keyof typeof GO_PROGRAMS)[]) {
    console.log(await goProgram(name));
  }
}
