/** The other side of the `object-storage` sink: a folder, or a bucket of a real S3 server. */
import { gunzipSync } from "node:zlib";
import { join } from "node:path";
import { disposable, type SinkEnvironment } from "./environment.ts";

/** A folder. Files are read in the order of their names, which is the order of their records within a lane. */
export function localObjects(keys: Record<string, unknown>): () => Promise<SinkEnvironment> {
  return async () => {
    const root = await Deno.makeTempDir();
    return disposable({
      config: { provider: "local", local: { root }, ...keys },
      repeated: "twice" as const,
      lines: () => Promise.resolve(filesBelow(root).flatMap(linesOf)),
    }, () => Deno.remove(root, { recursive: true }));
  };
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  ).sort();
}

function linesOf(path: string): string[] {
  return textLines(path, Deno.readFileSync(path));
}

function textLines(name: string, bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  return text.split("\n").slice(0, -1);
}
