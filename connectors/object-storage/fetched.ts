/**
 * The same as exchange.ts by `fetch`, for https:// without a CA of its own: node's client then reads the system's CAs,
 * for which a worker would need a right that some releases of Deno demand and others do not know.
 */
import { free, joined, sizeOf } from "./bytes.ts";
import type { Incoming, Outgoing } from "./exchange.ts";

/** @throws whatever the network does, without the address in it, and an `AbortError` when the signal is aborted */
export async function fetched(
  { method, url, headers, body }: Outgoing,
  client: Deno.HttpClient,
  signal: AbortSignal,
): Promise<Incoming> {
  // What is streamed would go without its length, which stores want to know. A Blob has one and takes twice the memory.
  const bytes = body && sizeOf(body) > 0 ? joined(body) : undefined;
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: bytes,
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
  } finally {
    if (bytes) free([bytes]);
  }
}
