/** The other side of the `object-storage` sink: a folder, or a bucket of a real S3 server. */
import { gunzipSync } from "node:zlib";
import { join } from "node:path";
import { systemClock } from "../../runtime/clock.ts";
import { startVersitygw } from "../servers/versitygw.ts";
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

/** A bucket of a real S3 server. */
export function s3Objects(keys: Record<string, unknown>): () => Promise<SinkEnvironment> {
  return async () => {
    const server = await startVersitygw();
    return disposable({
      config: { bucket: server.bucket, s3: server.keys, ...keys },
      clock: systemClock,
      repeated: "twice" as const,
      lines: () => Promise.resolve([...server.objects()].flatMap(([name, bytes]) => textLines(name, bytes))),
    }, () => server[Symbol.asyncDispose]());
  };
}
