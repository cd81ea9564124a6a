/** `DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…`: Azure Storage documentation, "Configure connection strings". */

export interface ConnectionParts {
  readonly account?: string;
  readonly access_key?: string;
  readonly sas_token?: string;
  readonly endpoint?: string;
}

/** What the emulator takes, as its documentation says; no secret. */
const EMULATOR: ConnectionParts = {
  account: "devstoreaccount1",
  access_key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  endpoint: "http://127.0.0.1:10000/devstoreaccount1",
};

/** Takes it apart; a problem holds nothing of it but names of its keys. */
export function connectionString(text: string): ConnectionParts | { readonly problem: string } {
  const parts = new Map<string, string>();
  for (const part of text.split(";").map((part) => part.trim()).filter((part) => part !== "")) {
    // Keys and signatures may hold `=` themselves.
    const at = part.indexOf("=");
    if (at <= 0) return { problem: "its parts are `Name=value`, with `;` between them" };
    parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const isEmulator = parts.get("usedevelopmentstorage")?.toLowerCase() === "true";
  if (isEmulator) return EMULATOR;
  const account = parts.get("accountname");
  const access_key = parts.get("accountkey");
  const sas_token = parts.get("sharedaccesssignature");
  if (access_key === undefined && sas_token === undefined) {
    return { problem: "it has no AccountKey and no SharedAccessSignature" };
  }
  const endpoint = blobEndpoint(parts, account);
  if (endpoint === undefined && account === undefined) {
    return { problem: "it has no AccountName and no BlobEndpoint" };
  }
  return { account, ...(access_key !== undefined ? { access_key } : { sas_token }), endpoint };
}

function blobEndpoint(parts: ReadonlyMap<string, string>, account: string | undefined): string | undefined {
  const written = parts.get("blobendpoint");
  if (written !== undefined) return written.replace(/\/+$/, "");
  const [protocol, suffix] = [parts.get("defaultendpointsprotocol"), parts.get("endpointsuffix")];
  const isUsual = (protocol ?? "https") === "https" && (suffix ?? "core.windows.net") === "core.windows.net";
  if (isUsual || account === undefined) return undefined;
  return `${protocol ?? "https"}://${account}.blob.${suffix ?? "core.windows.net"}`;
}
