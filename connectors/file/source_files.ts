/**
 * The files of a source as they lie on the disk: found by path or pattern, known again by what the file system calls
 * them, whatever their names become. source.ts asks again and again.
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { ConnectorError } from "../../formats/data/errors.ts";
import { fileError } from "./file_error.ts";
import { type FileKind, kindOfName } from "./source_kind.ts";
import { parseSourcePath } from "./source_path.ts";
import type { SourceConfig } from "./source_config.ts";

export interface FoundFile {
  /** To open it with. */
  readonly path: string;
  /** Below the source's folder, as people are told it. */
  readonly name: string;
  /** The same for as long as the file exists, and for no other file. */
  readonly id: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly kind: FileKind;
}

type FinderConfig = Pick<SourceConfig, "path" | "order_by" | "format" | "compression">;

export class FileFinder {
  /** The folder that the files lie in. */
  readonly base: string;
  readonly #config: FinderConfig;

  constructor(config: FinderConfig) {
    this.#config = config;
    this.base = parseSourcePath(config.path).base;
  }

  /**
   * The files that there are now, in the order in which they are read.
   *
   * @throws {ConnectorError} when the folder can't be read
   */
  find(): FoundFile[] {
    const { path, matches, isDeep } = parseSourcePath(this.#config.path);
    const found: FoundFile[] = [];
    if (matches) {
      for (const relative of namesBelow(this.base, isDeep)) {
        if (matches(relative)) this.#add(found, join(this.base, relative), relative, false);
      }
    } else if (statOf(path)?.isDirectory) {
      for (const name of namesBelow(path, false)) {
        if (!name.startsWith(".")) this.#add(found, join(path, name), name, true);
      }
    } else this.#add(found, path, basename(path), false);
    const byName = (a: FoundFile, b: FoundFile) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
    return this.#config.order_by === "time"
      ? found.sort((a, b) => a.mtimeMs - b.mtimeMs || byName(a, b))
      : found.sort(byName);
  }

  /** Files with these ids that `find` does not give: log rotation has given them another name. */
  renamed(ids: ReadonlySet<string>): FoundFile[] {
    const { path, matches } = parseSourcePath(this.#config.path);
    // Only where the name of the file gives the right to look at its folder.
    const folder = matches || this.base !== path ? this.base : undefined;
    if (ids.size === 0 || folder === undefined || statOf(folder)?.isDirectory !== true) return [];
    const found: FoundFile[] = [];
    for (const name of namesBelow(folder, false)) this.#add(found, join(folder, name), name, false);
    return found.filter(({ id }) => ids.has(id)).sort((a, b) => a.mtimeMs - b.mtimeMs);
  }

  /** @param onlyKnown files whose ending tells no format are left out */
  #add(found: FoundFile[], path: string, name: string, onlyKnown: boolean): void {
    const stat = statOf(path);
    if (!stat?.isFile) return;
    const kind = kindOfName(name, this.#config);
    if (kind.format === undefined && onlyKnown) return;
    found.push({
      path,
      name,
      id: idOf(stat, name),
      size: stat.size,
      mtimeMs: stat.mtime?.getTime() ?? 0,
      kind,
    });
  }
}

/** What the source can't tell the format of. */
export function unknownFormat(name: string): ConnectorError {
  return new ConnectorError(`Cannot tell the format of "${name}" by its ending`, {
    code: "config_format",
    hint: "Say it with format: jsonl, json, csv, tsv, avro or parquet",
  });
}

/** By number and time of birth: numbers are used again for files that come later. */
export function idOf({ ino, birthtime }: Deno.FileInfo, name: string): string {
  if (!ino) return `n${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
  return birthtime ? `${ino.toString(36)}.${birthtime.getTime().toString(36)}` : ino.toString(36);
}

/** Undefined where there is nothing, or a link that leads nowhere. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("look at", path, error);
  }
}

/** Names of all that is no folder, with `isDeep` also below the folders; links to folders are not followed. */
function namesBelow(folder: string, isDeep: boolean, prefix = ""): string[] {
  const names: string[] = [];
  try {
    for (const { name, isDirectory } of Deno.readDirSync(prefix === "" ? folder : join(folder, prefix))) {
      if (!isDirectory) names.push(prefix + name);
      else if (isDeep) names.push(...namesBelow(folder, true, `${prefix}${name}/`));
    }
  } catch (error) {
    // What goes away while it is listed is not there.
    if (!(error instanceof Deno.errors.NotFound)) throw fileError("list", folder, error);
  }
  return names;
}
