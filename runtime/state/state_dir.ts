/** The state directory: made when missing, held by one process at a time. */
import { join } from "node:path";
import { ConnectorError } from "../../formats/data/errors.ts";

/** Holds the directory until disposed. */
export interface StateDir extends Disposable {
  readonly path: string;
  /** The database for checkpoint.ts. */
  readonly database: string;
}

/**
 * Makes the directory and takes its lock, `LOCK`, which the operating system lets go of however this process ends.
 *
 * @throws {ConnectorError} `state_locked` naming the other process; `state_unusable` when it can't be written
 */
export function openStateDir(path: string): StateDir {
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(path, { recursive: true });
    file = Deno.openSync(join(path, "LOCK"), { create: true, read: true, write: true });
  } catch (cause) {
    throw new ConnectorError(`Cannot use "${path}" as state directory: ${(cause as Error).message}`, {
      code: "state_unusable",
      hint: "settings.state_dir must be a folder that this user can write",
      cause,
    });
  }
  if (!file.tryLockSync(true)) {
    const other = describeHolder(file);
    file.close();
    throw new ConnectorError(`The state directory "${path}" is in use by ${other}`, {
      code: "state_locked",
      hint: "Stop the other process, or give this one its own settings.state_dir",
    });
  }
  file.truncateSync();
  file.writeSync(
    new TextEncoder().encode(JSON.stringify({ pid: Deno.pid, started: new Date().toISOString() })),
  );
  return {
    path,
    database: join(path, "state.db"),
    [Symbol.dispose]() {
      file.truncateSync();
      // A process that is being started holds copies of all handles for a moment, and with them the lock.
      file.unlockSync();
      file.close();
    },
  };
}

function describeHolder(file: Deno.FsFile): string {
  try {
    const buffer = new Uint8Array(256);
    const size = file.readSync(buffer) ?? 0;
    const { pid, started } = JSON.parse(new TextDecoder().decode(buffer.subarray(0, size)));
    return `process ${pid}, started ${started}`;
  } catch {
    return "another process";
  }
}
