/**
 * A real S3 server for tests: versitygw, which checks signatures, clocks, regions, hashes and conditions. Its objects
 * are files in a temp folder. It does not know SSE-KMS, STS and `503 SlowDown`.
 */
import { join } from "node:path";
import { accepts, type Background, startInBackground } from "./background.ts";
import { goProgram } from "./go_program.ts";
import { freePort, giveToServer, makeServerDir } from "./process.ts";

export interface VersityOptions {
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
}

/** Starts a server with one bucket, `lake`. @throws {ServerMissing} where it can't be built */
export async function startVersitygw(options: VersityOptions = {}): Promise<Versitygw> {
  const program = await goProgram("versitygw");
  const dir = await makeServerDir("versitygw");
  for (const folder of ["root", "root/lake", "meta"]) {
    await Deno.mkdir(join(dir, folder));
    await giveToServer(join(dir, folder));
  }
  const server = new Versitygw(program, dir, await freePort(), options);
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** A server. Disposing of it kills it and removes its objects. */
export class Versitygw implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly bucket = "lake";
  readonly region = "us-east-1";
  readonly accessKeyId = "testkey";
  readonly secretAccessKey = "testsecret";
  readonly #program: string;
  readonly #dir: string;
  readonly #options: VersityOptions;
  #running: Background | undefined;

  /** Use startVersitygw(). */
  constructor(program: string, dir: string, port: number, options: VersityOptions) {
    this.#program = program;
    this.#dir = dir;
    this.port = port;
    this.#options = options;
  }

  get endpoint(): string {
    return `${this.#options.certificate ? "https" : "http"}://${this.host}:${this.port}`;
  }

  /** The keys in `s3` of a sink that writes here. */
  get keys() {
    return {
      endpoint: this.endpoint,
      region: this.region,
      access_key_id: this.accessKeyId,
      secret_access_key: this.secretAccessKey,
    };
  }

  /** Starts it (again), with the objects that it has. */
  async start(): Promise<void> {
    const { certificate } = this.#options;
    const flags = [
      ...["--access", this.accessKeyId, "--secret", this.secretAccessKey, "--region", this.region],
      ...["--port", `${this.host}:${this.port}`, "--health", "/health", "--quiet"],
      ...certificate ? ["--cert", certificate.certPath, "--key", certificate.keyPath] : [],
      // Not every file system has extended attributes, where it would keep what belongs to a file otherwise.
      ...["posix", "--sidecar", join(this.#dir, "meta"), join(this.#dir, "root")],
    ];
    this.#running = await startInBackground({
      ...{ name: "versitygw", program: this.#program, args: flags, dir: this.#dir },
      isReady: () => accepts(this.port),
    });
  }

  /** The names of all objects, sorted, and their bytes, read from the disk past the server. */
  objects(): Map<string, Uint8Array> {
    const root = join(this.#dir, "root", this.bucket);
    const objects = new Map<string, Uint8Array>();
    const visit = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
        // Where it keeps uploads that are not complete.
        if (name === ".sgwtmp") continue;
        const path = join(folder, name);
        if (isDirectory) visit(path);
        else objects.set(path, Deno.readFileSync(join(root, path)));
      }
    };
    visit("");
    return new Map([...objects].sort(([a], [b]) => a < b ? -1 : 1));
  }

  /** Uploads in parts that were neither completed nor aborted. */
  unfinishedUploads(): number {
    const folder = join(this.#dir, "root", this.bucket, ".sgwtmp", "multipart");
    let count = 0;
    try {
      for (const object of Deno.readDirSync(folder)) {
        count += [...Deno.readDirSync(join(folder, object.name))].length;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return count;
  }

  async stop(): Promise<void> {
    await this.#running?.end("SIGKILL");
    this.#running = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.#dir, { recursive: true });
  }
}
