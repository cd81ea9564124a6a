/**
 * The same as exchange.ts by `fetch`, for https:// without a CA of its own: node's client then reads the system's CAs,
 * for which a worker would need a right that some releases of Deno demand and others do not know.
 */
import { sizeOf } from "./bytes.ts";
import type { Incoming, Outgoing } from "./exchange.ts";

/** @throws whatever the network does, without the address in it, and an `AbortError` when the signal is aborted */
export async function fetched(
  { method, url, headers, body }: Outgoing,
  client: Deno.HttpClient,
  signal: AbortSignal,
): Promise<Incoming> {
  const isEmpty = !body || sizeOf(body) === 0;
  try {
    const response = await fetch(url, {
      method,
      headers,
      // Of what is streamed only a Blob says how long it is, as stores want to know, unless it is empty. It is one copy.
      body: isEmpty ? undefined : new Blob([...body] as BlobPart[]),
      redirect: "manual",
      client,
      signal,
    });
    // Read to its end, so that the connection serves the next request.
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    // `error sending request for url (https://…): connection reset`: an address may hold a signature.
    if (!(error instanceof TypeError)) throw error;
    throw new Error(
      error.message.replace(/ ?for url \(.*?\)(?=:|$)/, "").replace(/\bhttps?:\/\/\S+/g, "(an address)"),
    );
  }
}
