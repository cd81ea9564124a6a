/**
 * DuckDB as a reader of files that we did not write: its own Parquet code, by way of its native addon, in tests only.
 */
import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  type DuckDBValue,
} from "npm:@duckdb/node-api@1.5.6-r.1";
import type { Value } from "../../formats/data/value.ts";

export interface ReadTable {
  /** Column → DuckDB's name of its type. */
  readonly types: Readonly<Record<string, string>>;
  /** Dates, times, decimals and UUIDs as DuckDB prints them, float specials as their names. */
  readonly rows: readonly Readonly<Record<string, Value>>[];
}

export class DuckDb implements Disposable {
  readonly #connection: DuckDBConnection;
  readonly #instance: DuckDBInstance;
  readonly #folder = Deno.makeTempDirSync({ prefix: "rivven-duckdb-" });
  #files = 0;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(): Promise<DuckDb> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    await connection.run("set TimeZone = 'UTC'");
    return new DuckDb(instance, connection);
  }

  async readParquet(file: Uint8Array): Promise<ReadTable> {
    const path = `${this.#folder}/${this.#files++}.parquet`;
    await Deno.writeFile(path, file);
    return this.query(`select * from read_parquet('${path}')`);
  }

  async query(sql: string): Promise<ReadTable> {
    const reader = await this.#connection.runAndReadAll(sql);
    const names = reader.columnNames();
    const kinds = reader.columnTypes().map((type) => type.alias ?? type.toString());
    return {
      types: Object.fromEntries(names.map((name, i) => [name, kinds[i]])),
      rows: reader.getRows().map((row) =>
        Object.fromEntries(row.map((value, i) => [names[i], plain(value)]))
      ),
    };
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function plain(value: DuckDBValue): Value {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof DuckDBBlobValue) return new Uint8Array(value.bytes);
  if (value instanceof DuckDBListValue) return value.items.map(plain);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, member]) => [name, plain(member)]));
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value }) => [String(key), plain(value)]));
  }
  return value.toString();
}
