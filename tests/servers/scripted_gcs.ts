/**
 * Scripted servers of Google's for tests, written from its documentation and nothing else: the part of Cloud Storage's
 * JSON API that writers use ("Objects: insert", "Objects: get", "Resumable uploads", "Perform resumable uploads"), and
 * a token endpoint (RFC 7523; "Using OAuth 2.0 for Server to Server Applications"; RFC 6749, 6). What really happens at
 * Google they can't prove; fake_gcs.ts is somebody else's reading of it.
 */
import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, verify } from "node:crypto";

export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly kmsKeyName: string | null;
}

interface Session {
  readonly name: string;
  readonly metadata: Record<string, unknown>;
  readonly size: number;
  readonly generation: string | null;
  readonly kmsKeyName: string | null;
  bytes: Uint8Array;
  isOpen: boolean;
}

/** Cloud Storage with one bucket, `lake`. Disposing of it ends it. */
export class ScriptedGcs implements AsyncDisposable {
  readonly objects = new Map<string, StoredObject>();
  /** Sessions by their number. */
  readonly sessions: Session[] = [];
  /** Bytes of each piece are taken up to here only, as the service may do. */
  keepBytes = Infinity;
  /** The tokens that count; undefined: requests need none. */
  tokens: Set<string> | undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (r) => this.#answer(r));
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    const token = request.headers.get("authorization")?.replace("Bearer ", "");
    if (this.tokens && !this.tokens.has(token ?? "")) return failure(401, "authError", "Invalid Credentials");
    const [, service, bucket, name] =
      /^\/(upload\/storage|storage)\/v1\/b\/([^/]+)\/o\/?(.*)$/.exec(pathname) ?? [];
    if (bucket !== "lake") return failure(404, "notFound", "The specified bucket does not exist.");
    if (service === "storage") return this.#lookUp(decodeURIComponent(name));
    if (searchParams.has("upload_id")) return this.#takePiece(request, searchParams.get("upload_id")!, body);
    const generation = searchParams.get("ifGenerationMatch");
    const kmsKeyName = searchParams.get("kmsKeyName");
    if (searchParams.get("uploadType") === "resumable") {
      return this.#begin(request, JSON.parse(new TextDecoder().decode(body)), generation, kmsKeyName);
    }
    const { metadata, bytes } = parts(request.headers.get("content-type")!, body);
    return this.#store(String(metadata.name), metadata, bytes, generation, kmsKeyName);
  }

  #lookUp(name: string): Response {
    const found = this.objects.get(name);
    if (!found) return failure(404, "notFound", `No such object: lake/${name}`);
    return Response.json({ size: String(found.bytes.length) });
  }

  #begin(
    request: Request,
    metadata: Record<string, unknown>,
    generation: string | null,
    kmsKeyName: string | null,
  ): Response {
    const size = Number(request.headers.get("x-upload-content-length"));
    const name = String(metadata.name);
    const id = this.sessions.length;
    const bytes = new Uint8Array();
    this.sessions.push({ name, metadata, size, generation, kmsKeyName, bytes, isOpen: true });
    // The service names itself, whatever name it was reached by.
    const path = `/upload/storage/v1/b/lake/o?uploadType=resumable&name=${
      encodeURIComponent(name)
    }&upload_id=${id}`;
    return new Response(null, { headers: { location: `https://storage.example.org${path}` } });
  }

  #takePiece(request: Request, id: string, body: Uint8Array): Response {
    const session = this.sessions[Number(id)];
    if (!session) return failure(404, "notFound", "Not Found");
    if (request.method === "DELETE") {
      session.isOpen = false;
      return new Response(null, { status: 499 });
    }
    const stored = this.objects.get(session.name);
    if (!session.isOpen) {
      return stored?.metadata === session.metadata ? Response.json({}) : failure(410, "gone", "Gone");
    }
    const range = request.headers.get("content-range") ?? "";
    const [, from, to, size] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+)$/.exec(range) ?? [];
    if (size !== String(session.size)) return failure(400, "badRequest", `Content-Range: ${range}`);
    if (from !== undefined) {
      const isLast = Number(to) + 1 === session.size;
      if (Number(from) !== session.bytes.length || Number(to) - Number(from) + 1 !== body.length) {
        return failure(503, "backendError", "Invalid request: the piece does not follow");
      }
      if (!isLast && body.length % (256 << 10) !== 0) return failure(400, "badRequest", "Not 256 KiB");
      session.bytes = concat(session.bytes, body.subarray(0, isLast ? Infinity : this.keepBytes));
    }
    if (session.bytes.length === session.size) {
      session.isOpen = false;
      const { name, metadata, bytes, generation, kmsKeyName } = session;
      return this.#store(name, metadata, bytes, generation, kmsKeyName);
    }
    const has: Record<string, string> = session.bytes.length === 0
      ? {}
      : { range: `bytes=0-${session.bytes.length - 1}` };
    return new Response(null, { status: 308, headers: has });
  }

  #store(
    name: string,
    metadata: Record<string, unknown>,
    bytes: Uint8Array,
    generation: string | null,
    kmsKeyName: string | null,
  ): Response {
    const isMet = generation === null || (generation === "0" && !this.objects.has(name));
    if (!isMet) return failure(412, "conditionNotMet", "At least one of the pre-conditions did not hold.");
    const md5 = createHash("md5").update(bytes).digest("base64");
    if (metadata.md5Hash !== undefined && metadata.md5Hash !== md5) {
      return failure(400, "invalid", `Provided MD5 hash "x" doesn't match calculated MD5 hash "${md5}".`);
    }
    this.objects.set(name, { bytes, metadata, kmsKeyName });
    return Response.json({ name, size: String(bytes.length) });
  }
}

/** A token endpoint that knows one service account and one person. Disposing of it ends it. */
export class ScriptedTokens implements AsyncDisposable {
  /** All that it has given out, the newest last. */
  readonly given: string[] = [];
  /** The forms of all requests, without what is secret in them. */
  readonly asked: Readonly<Record<string, unknown>>[] = [];
  /** Answered in place of a token. */
  refusal: { readonly status: number; readonly error: string } | undefined;
  readonly #publicKey: string;
  readonly #privateKey: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param give called with each token that is given out */
  constructor(give: (token: string) => void = () => {}) {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    [this.#publicKey, this.#privateKey] = [publicKey, privateKey];
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
      if (this.refusal) {
        const { status, error } = this.refusal;
        return Response.json({ error, error_description: "the description" }, { status });
      }
      const isMetadata = request.headers.get("metadata-flavor") === "Google";
      const asked = isMetadata
        ? { metadata: new URL(request.url).pathname }
        : this.#read(new URLSearchParams(await request.text()));
      if (asked === undefined) return Response.json({ error: "invalid_grant" }, { status: 400 });
      this.asked.push(asked);
      const token = `token-${this.given.length + 1}`;
      this.given.push(token);
      give(token);
      return Response.json({ access_token: token, expires_in: 3599, token_type: "Bearer" });
    });
  }

  get uri(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/token`;
  }

  /** Without a path: what a metadata server is reached by. */
  get origin(): string {
    return new URL(this.uri).origin;
  }

  /** The text of the account's key file. */
  get serviceAccount(): string {
    return JSON.stringify({
      type: "service_account",
      client_email: "writer@project.iam.gserviceaccount.com",
      private_key_id: "key-1",
      private_key: this.#privateKey,
      token_uri: this.uri,
    });
  }

  /** What gcloud writes for the person. */
  get authorizedUser(): string {
    return JSON.stringify({
      type: "authorized_user",
      client_id: "the client",
      client_secret: "its secret",
      refresh_token: "the refresh token",
      token_uri: this.uri,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  /** What the form says, if it proves who asks. */
  #read(form: URLSearchParams): Record<string, unknown> | undefined {
    if (form.get("grant_type") === "refresh_token") {
      const isRight = form.get("refresh_token") === "the refresh token" &&
        form.get("client_id") === "the client" && form.get("client_secret") === "its secret";
      return isRight ? { grant_type: "refresh_token" } : undefined;
    }
    if (form.get("grant_type") !== "urn:ietf:params:oauth:grant-type:jwt-bearer") return undefined;
    const [header, claims, signature] = (form.get("assertion") ?? "").split(".");
    const isSigned = verify(
      "RSA-SHA256",
      new TextEncoder().encode(`${header}.${claims}`),
      this.#publicKey,
      Uint8Array.fromBase64(signature ?? "", { alphabet: "base64url" }),
    );
    const json = (part: string) =>
      JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(part, { alphabet: "base64url" })));
    return isSigned ? { header: json(header), claims: json(claims) } : undefined;
  }
}

function failure(status: number, reason: string, message: string): Response {
  return Response.json(
    { error: { code: status, message, errors: [{ domain: "global", reason, message }] } },
    {
      status,
    },
  );
}

/** The two parts of a multipart/related body (RFC 2387). */
function parts(
  contentType: string,
  body: Uint8Array,
): { metadata: Record<string, unknown>; bytes: Uint8Array } {
  const boundary = `--${/boundary=(.*)$/.exec(contentType)![1]}`;
  const all = Buffer.from(body);
  const json = all.indexOf("\r\n\r\n") + 4;
  const middle = all.indexOf(`\r\n${boundary}`, json);
  const media = all.indexOf("\r\n\r\n", middle + boundary.length) + 4;
  const end = all.lastIndexOf(`\r\n${boundary}--`);
  return { metadata: JSON.parse(all.toString("utf8", json, middle)), bytes: body.slice(media, end) };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
