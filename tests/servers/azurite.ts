/**
 * A real Azurite, Microsoft's emulator of Azure Storage, for tests: its blob service on a free port, its data in
 * memory. Runs under Deno, from npm; Deno fetches it when it is first used.
 */
import { sharedKey } from "../../connectors/object-storage/azure/signature.ts";
import { answers, startOnce } from "./background.ts";
import { ServerMissing } from "./missing.ts";
import { freePort } from "./process.ts";

const VERSION = "3.37.0";

/** The account that it always has, with its key: both are documented. */
export const AZURITE_ACCOUNT = "devstoreaccount1";
export const AZURITE_KEY =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/** A running Azurite. Disposing of it ends it; its data go with it. */
export interface Azurite extends AsyncDisposable {
  readonly port: number;
  /** The account's address. */
  readonly endpoint: string;
  /** A request with the account's key. @throws when it is refused */
  ask(method: "GET" | "HEAD" | "PUT", path: string): Promise<Response>;
  makeContainer(name: string): Promise<void>;
  /** A blob of container `lake`. */
  read(name: string): Promise<{ readonly headers: Headers; readonly bytes: Uint8Array }>;
  /** Names of the blobs in a container, uncommitted ones not. */
  names(container: string): Promise<string[]>;
}

/** Starts one and waits until it answers. @throws {ServerMissing} where npm can't be reached */
export async function startAzurite(): Promise<Azurite> {
  const dir = await Deno.makeTempDir({ prefix: "rivven-azurite-" });
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}/${AZURITE_ACCOUNT}`;
  const background = await startOnce({
    name: "Azurite",
    program: Deno.execPath(),
    args: [
      // Away from the checkout, whose lock file is not about it.
      ...["run", "-A", "--no-config", "--no-lock", `npm:azurite@${VERSION}/azurite-blob`],
      ...["--blobHost", "127.0.0.1", "--blobPort", String(port), "--inMemoryPersistence"],
      ...["--silent", "--disableTelemetry", "--skipApiVersionCheck"],
    ],
    dir,
    user: {}, // another one has no cache of packages
    isReady: () => answers(endpoint),
    timeoutMs: 180_000,
    ended: (message) => new ServerMissing(message),
  });
  const ask: Azurite["ask"] = async (method, path) => {
    const url = `${endpoint}/${path}`;
    const headers = { "x-ms-version": "2023-11-03", "x-ms-date": new Date().toUTCString() };
    const Authorization = sharedKey(AZURITE_ACCOUNT, AZURITE_KEY, { method, url, headers });
    const response = await fetch(url, { method, headers: { ...headers, Authorization } });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    ...background,
    ...{ port, endpoint, ask },
    makeContainer: async (name) => void await (await ask("PUT", `${name}?restype=container`)).body?.cancel(),
    async read(name) {
      const response = await ask("GET", `lake/${name}`);
      return { headers: response.headers, bytes: await response.bytes() };
    },
    async names(container) {
      const xml = await (await ask("GET", `${container}?restype=container&comp=list`)).text();
      return [...xml.matchAll(/<Name>(.*?)<\/Name>/g)].map(([, name]) => name);
    },
  };
}
