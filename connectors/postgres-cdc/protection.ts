/** How well a connection is protected, as a finding of `check`. */
import type { CheckFinding } from "../contract.ts";
import { isSocket, type ServerAddress } from "./address.ts";
import type { Connection } from "./connection.ts";

/** @param name of the connection: control, replication */
export function protectionOf(
  { encryption, authentication, endpoint }: Connection,
  name: "control" | "replication",
): CheckFinding {
  const [server] = endpoint.servers.candidates;
  const login = authentication === "none" ? "the server asked for no password" : `login by ${authentication}`;
  if (encryption !== undefined) {
    const { protocol = "TLS", cipher, verified } = encryption;
    const proof = verified === "nothing" ? "the certificate is not verified" : `${verified} verified`;
    const facts = [protocol, ...(cipher === undefined ? [] : [cipher]), proof, login];
    return { name: "ssl", status: "ok", message: `${name} connection: ${facts.join(", ")}` };
  }
  const message = `${name} connection: not encrypted, ${login}`;
  if (staysHere(server)) return { name: "ssl", status: "ok", message };
  return {
    name: "ssl",
    status: "warning",
    message: `${message}; rows can be read and changed on the way to ${endpoint.servers}`,
    hint: "Set ssl = on on the server, and tls.mode: verify-full with the CA of its certificate here",
  };
}

function staysHere(server: ServerAddress): boolean {
  return isSocket(server) || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(server.host);
}
