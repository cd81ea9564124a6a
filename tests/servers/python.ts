/** A Python with packages of PyPI, for tests that read what we wrote with somebody else's code. */
import { ServerMissing } from "./missing.ts";

export interface Python {
  /**
   * Runs a program that gets `input` on its standard input.
   *
   * @returns what it wrote
   * @throws {Error} with its complaint when it ends with another code than 0
   */
  run(program: string, input: Uint8Array, ...args: readonly string[]): Promise<Uint8Array>;
  /** The interpreter's path. */
  readonly path: string;
}

/** fastavro, with what it reads compressed blocks by. */
export const AVRO_READER: readonly string[] = [
  "fastavro==1.12.2",
  "cramjam==2.14.0",
  "backports.zstd==1.8.0",
];

/** The reader of Parquet that most others are measured by. */
export const PARQUET_READER: readonly string[] = ["pyarrow==26.0.1"];

/**
 * A Python that has the packages, such as `fastavro==1.12.2`. They are installed once, into a folder of the system's
 * temporary files that later runs use, too.
 *
 * @throws {ServerMissing} when there is no Python, or the packages can't be installed
 */
export async function startPython(packages: readonly string[] = []): Promise<Python> {
  if (packages.length === 0) return pythonAt("python3");
  const folder = `${Deno.env.get("TMPDIR") ?? "/tmp"}/rivven-connect-python-${packages.join("-")}`;
  if (!await exists(folder)) await install(folder, packages);
  return pythonAt(`${folder}/bin/python3`);
}

function pythonAt(path: string): Python {
  return { path, run: (program, input, ...args) => runProgram(path, ["-c", program, ...args], input) };
}

/**
 * Runs a program that gets `input` on its standard input, and gives back what it wrote.
 *
 * @throws {ServerMissing} when there is no such program
 * @throws {Error} with its complaint when it ends with another code than 0
 */
export async function runProgram(
  path: string,
  args: readonly string[],
  input: Uint8Array = new Uint8Array(),
): Promise<Uint8Array> {
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command(path, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ServerMissing(`there is no program ${path}`, { cause });
  }
  // What it does not read it does not want: its exit code tells.
  const written = ReadableStream.from([input]).pipeTo(process.stdin).catch(() => {});
  const { code, stdout, stderr } = await process.output();
  await written;
  if (code !== 0) {
    throw new Error(`${path} ended with ${code}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return stdout;
}

/** Into a folder that gets its name when it is complete. One installs, whoever else needs the same waits. */
async function install(folder: string, packages: readonly string[]): Promise<void> {
  using lock = await Deno.open(`${folder}.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  if (await exists(folder)) return;
  const begun = `${folder}.building`;
  await Deno.remove(begun, { recursive: true }).catch(() => {});
  try {
    await runProgram("python3", ["-m", "venv", begun]);
    await runProgram(`${begun}/bin/python3`, ["-m", "pip", "install", "-q", "--no-compile", ...packages]);
    await Deno.rename(begun, folder);
  } catch (cause) {
    await Deno.remove(begun, { recursive: true }).catch(() => {});
    throw new ServerMissing(`Python has no ${packages.join(", ")}, and can't get it`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
