/** Objects as files below a folder. An object appears under its name as a whole, durably, and replaces none. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { CheckReport } from "../../contract.ts";
import { ConnectorError, reportError } from "../../../formats/data/errors.ts";
import type { NewObject, ObjectStore } from "../object_store.ts";
import { localError } from "./local_error.ts";

/** What unfinished objects are called: nothing that looks for objects takes them for one. */
const UNFINISHED = ".unfinished-";

export class LocalStore implements ObjectStore {
  readonly #root: string;
  readonly #random: () => number;

  /** @param root made when it is missing */
  constructor(root: string, random: () => number) {
    this.#root = root;
    this.#random = random;
  }

  async create({ name, body }: NewObject): Promise<"created" | "exists"> {
    const path = join(this.#root, name);
    // To save the writing; what decides is link(2).
    if (await sizeOf(path) !== undefined) return await found(path);
    const unfinished = `${unfinishedStart(path)}${Math.floor(this.#random() * 2 ** 32).toString(36)}`;
    try {
      await this.#write(unfinished, body);
      return await link(unfinished, path) ? "created" : await found(path);
    } finally {
      await remove(unfinished);
    }
  }

  async sizeOf(name: string): Promise<number | undefined> {
    return await sizeOf(join(this.#root, name));
  }

  async cleanUp(name: string): Promise<void> {
    const path = join(this.#root, name);
    const start = basename(unfinishedStart(path));
    try {
      for await (const entry of Deno.readDir(dirname(path))) {
        if (entry.name.startsWith(start)) await remove(join(dirname(path), entry.name));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw localError("clean up", dirname(path), error);
    }
  }

  async check(report: CheckReport): Promise<void> {
    const root = this.#root;
    const failed = (tried: string, error: unknown) => {
      const { message, hint } = reportError(localError(tried, root, error));
      report({ name: "folder", status: "failed", message, hint, blame: "environment" });
    };
    try {
      await Deno.stat(root);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return failed("look at", error);
      return report({
        name: "folder",
        status: "ok",
        message: `"${root}" does not exist yet: it is made with the first object`,
      });
    }
    const probe = join(root, `${UNFINISHED}check-${Math.floor(this.#random() * 2 ** 32).toString(36)}`);
    try {
      await Deno.writeTextFile(probe, "", { createNew: true });
      await link(probe, `${probe}-linked`);
      await remove(`${probe}-linked`);
    } catch (error) {
      return failed("make objects in", error);
    } finally {
      await remove(probe);
    }
    report({ name: "folder", status: "ok", message: `"${root}" can be written to` });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #write(path: string, body: readonly Uint8Array[]): Promise<void> {
    try {
      using file = await this.#create(path);
      for (const piece of body) {
        // The system may take a part only, and says why with the next write.
        for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
      }
      await file.sync();
    } catch (error) {
      throw localError("write", path, error);
    }
  }

  async #create(path: string): Promise<Deno.FsFile> {
    const options = { write: true, createNew: true };
    try {
      return await Deno.open(path, options);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#makeFolders(dirname(path));
    return await Deno.open(path, options);
  }

  /** Makes the folders down to `folder`, durably; what lies above the root is not ours to sync. */
  async #makeFolders(folder: string): Promise<void> {
    await Deno.mkdir(folder, { recursive: true });
    for (let above = folder; above !== join(this.#root) && above !== dirname(above);) {
      above = dirname(above);
      await syncFolder(above);
    }
  }
}

/** What unfinished versions of an object are called, up to some letters of chance. */
function unfinishedStart(path: string): string {
  const hash = createHash("sha256").update(basename(path)).digest("hex").slice(0, 16);
  return join(dirname(path), `${UNFINISHED}${hash}-`);
}

/** Whoever made it may have ended before the name was durable. */
async function found(path: string): Promise<"exists"> {
  await syncFolder(dirname(path));
  return "exists";
}

/** Gives a file a second name, durably. False: there is another file of that name. */
async function link(from: string, to: string): Promise<boolean> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw localError("make", to, error);
    return false;
  }
  await syncFolder(dirname(to));
  return true;
}

async function sizeOf(path: string): Promise<number | undefined> {
  let found: Deno.FileInfo;
  try {
    found = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw localError("look at", path, error);
  }
  if (found.isFile) return found.size;
  throw new ConnectorError(`Cannot make "${path}": there is a folder of that name`, {
    code: "config_path",
    hint: "Remove it, or choose another `local.root` or `prefix`",
  });
}

/** Makes the names in a folder durable; fsync(2) of a file does not promise that. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using handle = await Deno.open(folder);
    await handle.sync();
  } catch (error) {
    throw localError("sync the folder", folder, error);
  }
}

/** Removes what nobody needs; `cleanUp` comes to what can't be removed now. */
async function remove(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
}
