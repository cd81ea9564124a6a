/** SCRAM-SHA-256 without channel binding: RFC 5802 and RFC 7677. client.ts logs in with it. */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

/** What the server says can't be answered; the text says why, and holds no secret. */
export class ScramError extends Error {
  override readonly name = "ScramError";
}

/** RFC 7677 asks for 4096 at least; more than this would only keep us busy. */
const ITERATIONS = { min: 4096, max: 1_000_000 };
/** base64 of "n,,": no channel binding. */
const NO_BINDING = "c=biws";

/** One login. */
export class Scram {
  readonly #password: string;
  readonly #nonce: string;
  readonly #bare: string;
  #serverSignature: Uint8Array | undefined;

  /** @param nonce random printable characters without a comma, new for every login */
  constructor(username: string, password: string, nonce: string) {
    this.#password = password;
    this.#nonce = nonce;
    this.#bare = `n=${username.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  }

  first(): string {
    return `n,,${this.#bare}`;
  }

  /** The answer to the server's challenge. @throws {ScramError} */
  final(serverFirst: string): string {
    const { r: nonce, s: salt, i: count } = attributes(serverFirst);
    const iterations = Number(count);
    if (!nonce?.startsWith(this.#nonce) || nonce === this.#nonce) {
      throw new ScramError("its nonce is not ours and more");
    }
    if (salt === undefined || !(iterations >= ITERATIONS.min && iterations <= ITERATIONS.max)) {
      throw new ScramError(`it has no salt, or asks for ${count} iterations`);
    }
    const salted = pbkdf2Sync(this.#password.normalize("NFKC"), fromBase64(salt), iterations, 32, "sha256");
    const clientKey = hmac(salted, "Client Key");
    const storedKey = createHash("sha256").update(clientKey).digest();
    const withoutProof = `${NO_BINDING},r=${nonce}`;
    const signed = `${this.#bare},${serverFirst},${withoutProof}`;
    const proof = hmac(storedKey, signed).map((byte, i) => byte ^ clientKey[i]);
    this.#serverSignature = hmac(hmac(salted, "Server Key"), signed);
    return `${withoutProof},p=${toBase64(proof)}`;
  }

  /** Checks that the server knows the password too. @throws {ScramError} also when it refused the login */
  verify(serverFinal: string): void {
    const { e: refusal, v: signature } = attributes(serverFinal);
    if (refusal !== undefined) throw new ScramError(`it says "${refusal}"`);
    const found = fromBase64(signature ?? "");
    const expected = this.#serverSignature!;
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) {
      throw new ScramError("its signature is wrong: it does not know the password");
    }
  }
}

function attributes(message: string): Record<string, string | undefined> {
  return Object.fromEntries(message.split(",").map((part) => [part[0], part.slice(2)]));
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(text).digest());
}

function toBase64(bytes: Uint8Array): string {
  return new Uint8Array(bytes).toBase64();
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw new ScramError("a value is not base64");
  }
}
