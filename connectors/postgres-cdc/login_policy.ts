/**
 * What a server must do before it gets our password or our trust: pg answers whatever it is asked for, so connection.ts
 * lets this decide first.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import { describeEndpoint, type Endpoint } from "./endpoint.ts";

const BOUND = "SCRAM-SHA-256-PLUS";

/** pg's connection, as far as it tells what the server asks for. */
export interface Requests {
  on(name: string, listener: (message: { readonly mechanisms?: readonly string[] }) => void): unknown;
}

/** One login. */
export class Login {
  /** What the server has asked for so far. */
  method = "none";
  readonly #endpoint: Endpoint;
  readonly #isEncrypted: boolean;
  readonly #isPrivate: boolean;

  /** @param isPrivate nobody can listen: TLS, or a Unix socket */
  constructor(endpoint: Endpoint, isEncrypted: boolean, isPrivate: boolean) {
    this.#endpoint = endpoint;
    this.#isEncrypted = isEncrypted;
    this.#isPrivate = isPrivate;
  }

  /** Whether pg may use SCRAM-SHA-256-PLUS. */
  get bindsChannel(): boolean {
    return this.#isEncrypted && this.#endpoint.channelBinding !== "disable";
  }

  /** Listens to what the server asks for; to be called before pg listens, so that it knows first. */
  watch(connection: Requests): void {
    connection.on("authenticationCleartextPassword", () => this.method = "password");
    connection.on("authenticationMD5Password", () => this.method = "MD5");
    connection.on("authenticationSASL", ({ mechanisms = [] }) => {
      this.method = this.bindsChannel && mechanisms.includes(BOUND) ? BOUND : "SCRAM-SHA-256";
    });
  }

  /**
   * The password, if the server may have it in the way in which it asks for it.
   *
   * @throws {ConnectorError} `auth_*`
   */
  password(): string {
    const { password, sendsCleartext } = this.#endpoint;
    this.#requireBinding();
    if (this.method === "password" && !this.#isPrivate && !sendsCleartext) {
      throw this.#refusal(
        "the server asks for the password as text, over a connection that is not encrypted",
        {
          code: "auth_cleartext",
          hint:
            "Set tls.mode to require or stricter, or password_encryption = 'scram-sha-256' and a scram-sha-256 line " +
            "in pg_hba.conf; allow_cleartext: true sends it all the same",
        },
      );
    }
    if (password === "") {
      throw this.#refusal("the server asks for a password, and there is none", {
        code: "auth_no_password",
        hint: "Give `password`, set PGPASSWORD, or write a line for this server into ~/.pgpass (chmod 600)",
      });
    }
    return password;
  }

  /**
   * Called when the server has let us in, which one that only pretends to be ours may do without asking for anything.
   *
   * @throws {ConnectorError} `auth_channel_binding`
   */
  accept(): void {
    this.#requireBinding();
  }

  #requireBinding(): void {
    if (this.#endpoint.channelBinding !== "require" || this.method === BOUND) return;
    throw this.#refusal(`channel_binding is require, and the server does not offer it (${this.method})`, {
      code: "auth_channel_binding",
      hint:
        "It needs a scram-sha-256 line in pg_hba.conf and a password stored that way; write channel_binding: prefer " +
        "where it can't be had",
    });
  }

  #refusal(found: string, details: ConstructorParameters<typeof ConnectorError>[1]): ConnectorError {
    return new ConnectorError(`Cannot log in to ${describeEndpoint(this.#endpoint)}: ${found}`, details);
  }
}
