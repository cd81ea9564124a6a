/**
 * Connections to the brokers, opened when they are needed, at most so many at once, each logged in. client.ts asks for
 * one for every request: the broker serves a connection's requests one after the other, so only more connections
 * give more throughput.
 */
import { ConnectorError } from "../../../formats/data/errors.ts";
import { type Address, addressText } from "./address.ts";
import { type Connection, type ConnectionOptions, openConnection } from "./connection.ts";

export interface PoolOptions extends ConnectionOptions {
  /** Bootstrap servers, tried in turn. */
  readonly servers: readonly Address[];
  /** Most connections at once; the broker takes 100 of one host, all its clients together. */
  readonly connections: number;
  /** Says hello and logs in over a fresh connection. */
  readonly greet: (connection: Connection) => Promise<void>;
}

/** The broker closes connections that have been idle for 120 s; one that is nearly as old may be closing just now. */
const MAX_IDLE_MS = 60_000;

interface Idle {
  readonly connection: Connection;
  readonly sinceMs: number;
}

/** Disposing of it closes all connections, also those in use. */
export class Pool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #idle: Idle[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #server = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Lends a connection to `use`, as soon as one is free. One that failed is not lent again. */
  async with<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    while (this.#taken >= this.#options.connections && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#taken++;
    try {
      const connection = await this.#take();
      try {
        return await use(connection);
      } finally {
        if (connection.isOpen) this.#idle.push({ connection, sinceMs: performance.now() });
        else this.#all.delete(connection);
      }
    } finally {
      this.#taken--;
      this.#waiting.shift()?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.all([...this.#all].map((connection) => connection.close()));
  }

  async #take(): Promise<Connection> {
    this.#assertOpen();
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.connection.isOpen && performance.now() - idle.sinceMs < MAX_IDLE_MS) return idle.connection;
      this.#all.delete(idle.connection);
      await idle.connection.close();
    }
    return await this.#open();
  }

  /** Connects to the server that answered last; else to the others, in turn. */
  async #open(): Promise<Connection> {
    const { servers, greet } = this.#options;
    const errors: ConnectorError[] = [];
    for (let i = 0; i < servers.length; i++) {
      const address = servers[(this.#server + i) % servers.length];
      try {
        const connection = await openConnection(address, this.#options);
        this.#all.add(connection);
        try {
          await greet(connection);
        } catch (error) {
          this.#all.delete(connection);
          await connection.close();
          throw error;
        }
        if (this.#isClosed) await connection.close();
        this.#assertOpen();
        this.#server = servers.indexOf(address);
        return connection;
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        if (!error.retryable) throw error;
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw new ConnectorError(
      `No broker of ${servers.map(addressText).join(", ")} answers: ${
        errors.map(({ message }) => message).join("; ")
      }`,
      { code: "connection_no_broker", hint: errors[0].hint, cause: errors[0] },
    );
  }

  #assertOpen(): void {
    if (this.#isClosed) {
      throw new ConnectorError("The client was closed", { code: "connection_closed", retryable: false });
    }
  }
}
