/**
 * Certificates for tests of TLS: a CA of our own and what it signs, made by the openssl program in a temporary folder
 * that servers can read.
 */
import { join } from "node:path";
import { ServerMissing } from "./missing.ts";
import { giveToServer, makeServerDir } from "./process.ts";

/** A certificate and its key, as PEM files that belong to the servers' user. */
export interface Certificate {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface CertificateOptions {
  /** CN of the subject. */
  readonly name: string;
  /** Of subjectAltName, as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly names?: readonly string[];
  /** Valid until yesterday. */
  readonly isExpired?: boolean;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** @throws {ServerMissing} without the program */
export async function makeAuthority(): Promise<Authority> {
  const dir = await makeServerDir("certificates");
  await Deno.chmod(dir, 0o755);
  const authority = new Authority(dir);
  await authority.selfSigned("ca", { name: "Test CA" }, true);
  return authority;
}

/** A CA. Disposing of it removes all of its files. */
export class Authority implements AsyncDisposable {
  readonly #dir: string;

  /** Use makeAuthority(). */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The CA's own certificate. */
  get caPath(): string {
    return join(this.#dir, "ca.crt");
  }

  /** Makes a certificate and signs it; the file is called after `file`. */
  async signed(file: string, { name, names = [], isExpired }: CertificateOptions): Promise<Certificate> {
    const path = (extension: string) => join(this.#dir, `${file}.${extension}`);
    await openssl(["req", ...NEW_KEY, "-keyout", path("key"), "-out", path("csr"), "-subj", `/CN=${name}`]);
    // Without any extension it would be a certificate of version 1, which rustls does not take.
    const extensions = [
      "basicConstraints=CA:FALSE",
      ...(names.length > 0 ? [`subjectAltName=${names.join(",")}`] : []),
    ];
    await Deno.writeTextFile(path("ext"), extensions.map((line) => `${line}\n`).join(""));
    await openssl([
      ...["x509", "-req", "-in", path("csr"), "-out", path("crt"), "-extfile", path("ext")],
      ...["-CA", this.caPath, "-CAkey", join(this.#dir, "ca.key"), "-CAcreateserial"],
      ...["-days", isExpired ? "-1" : "30"],
    ]);
    return await this.#certificate(file);
  }

  /** A certificate that vouches for itself. */
  async selfSigned(
    file: string,
    { name, names = [] }: CertificateOptions,
    isCa = false,
  ): Promise<Certificate> {
    const path = join(this.#dir, file);
    await openssl([
      ...["req", "-x509", ...NEW_KEY, "-keyout", `${path}.key`, "-out", `${path}.crt`, "-days", "30"],
      ...["-subj", `/CN=${name}`],
      ...(names.length > 0 ? ["-addext", `subjectAltName=${names.join(",")}`] : []),
      ...(isCa ? [] : ["-addext", "basicConstraints=critical,CA:FALSE"]),
    ]);
    return await this.#certificate(file);
  }

  async #certificate(file: string): Promise<Certificate> {
    const certificate = { certPath: join(this.#dir, `${file}.crt`), keyPath: join(this.#dir, `${file}.key`) };
    for (const path of Object.values(certificate)) await giveToServer(path);
    // PostgreSQL wants its key for itself.
    await Deno.chmod(certificate.keyPath, 0o600);
    return certificate;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#dir, { recursive: true });
  }
}

/** Settings of a PostgreSQL server that speaks TLS. */
export function tlsSettings({ certPath, keyPath }: Certificate, caPath?: string): Record<string, string> {
  return {
    ssl: "on",
    ssl_cert_file: certPath,
    ssl_key_file: keyPath,
    ...(caPath === undefined ? {} : { ssl_ca_file: caPath }),
  };
}

async function openssl(args: readonly string[]): Promise<void> {
  const output = await new Deno.Command("openssl", { args: [...args], stdin: "null" }).output().catch(
    (cause) => {
      throw new ServerMissing("The openssl program is not installed (Debian: apt-get install openssl)", {
        cause,
      });
    },
  );
  if (!output.success) {
    throw new Error(`openssl ${args.join(" ")} failed:\n${new TextDecoder().decode(output.stderr)}`);
  }
}
