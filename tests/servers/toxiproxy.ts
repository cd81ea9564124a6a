/**
 * A real Toxiproxy for fault tests: in front of another server it slows, cuts and resets connections. What single
 * requests need (one answer lost, one refused) has http_proxy.ts.
 */
import { answers, startOnce } from "./background.ts";
import { goProgram } from "./go_program.ts";
import { freePort, makeServerDir } from "./process.ts";

/** A fault of all connections that are opened from now on. (Toxiproxy's README, "Toxics".) */
export interface Toxic {
  readonly type: "latency" | "bandwidth" | "slow_close" | "timeout" | "reset_peer" | "slicer" | "limit_data";
  /** `upstream`: what the client sends; `downstream`: what the server answers. */
  readonly stream: "upstream" | "downstream";
  /** Times in milliseconds, `rate` in KB/s, sizes in bytes. */
  readonly attributes: Readonly<Record<string, number>>;
}

/** A running Toxiproxy with one way through it. Disposing of it ends it. */
export interface Toxiproxy extends AsyncDisposable {
  /** Of the way through. */
  readonly port: number;
  /** Adds a fault. */
  add(toxic: Toxic): Promise<void>;
  /** Takes all of them away again; connections that are open stay so. */
  heal(): Promise<void>;
}

/** Starts one in front of a port of 127.0.0.1. @throws {ServerMissing} where it is not built and can't be */
export async function startToxiproxy(target: number): Promise<Toxiproxy> {
  const program = await goProgram("toxiproxy");
  const dir = await makeServerDir("toxiproxy");
  const own = await freePort();
  const url = `http://127.0.0.1:${own}`;
  const background = await startOnce({
    name: "Toxiproxy",
    program,
    args: ["-host", "127.0.0.1", "-port", String(own)],
    dir,
    isReady: () => answers(`${url}/version`),
  });
  const tell = async (path: string, body: unknown): Promise<Response> => {
    const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`Toxiproxy answered ${response.status}: ${await response.text()}`);
    return response;
  };
  const proxy = { name: "way", listen: "127.0.0.1:0", upstream: `127.0.0.1:${target}` };
  const { listen } = await (await tell("/proxies", proxy)).json();
  return {
    ...background,
    port: Number(new URL(`http://${listen}`).port),
    add: async (toxic) => void await (await tell("/proxies/way/toxics", toxic)).body?.cancel(),
    heal: async () => void await (await tell("/reset", {})).body?.cancel(),
  };
}
