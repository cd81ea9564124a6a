/** Tables on the way: from what the catalog and the stream say about a table to what writes its rows. */
import { type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Table } from "./catalog.ts";
import type { RelationMessage } from "./pgoutput.ts";
import type { TypeCatalog, ValueWriter } from "./types/mod.ts";

/** A column as it is sent, by the snapshot's SELECT or by a Relation message. */
export interface SentColumn {
  readonly name: string;
  readonly type: number;
  readonly typmod: number;
}

/** A table's rows as they are sent from now on. */
export interface Relation {
  readonly oid: number;
  readonly stream: Stream;
  /** Whether its changes are wanted. */
  readonly isSelected: boolean;
  /** By place in the row. */
  readonly columns: readonly WriterColumn[];
  readonly writers: readonly ValueWriter[];
  /** Places of the columns of the replica identity. */
  readonly isIdentity: readonly boolean[];
  /** Places of the key columns. */
  readonly keyPlaces: readonly number[];
}

/**
 * Makes Streams, and the same one again for the same columns, so that snapshot and stream share it. A table whose
 * columns have changed gets a Stream with a higher version.
 */
export class StreamBook {
  readonly #database: string;
  readonly #bySignature = new Map<string, Stream>();
  readonly #versions = new Map<number, number>();

  constructor(database: string) {
    this.#database = database;
  }

  /** @param table what the catalog has now, which may be newer than the columns; undefined: it is dropped already */
  stream(
    { oid, schema, name }: Pick<Table, "oid" | "schema" | "name">,
    columns: readonly SentColumn[],
    key: readonly string[],
    table: Table | undefined,
    types: TypeCatalog,
  ): Stream {
    const signature = JSON.stringify([
      oid,
      schema,
      name,
      key,
      columns.map((c) => [c.name, c.type, c.typmod]),
    ]);
    const known = this.#bySignature.get(signature);
    if (known) return known;
    const version = (this.#versions.get(oid) ?? 0) + 1;
    this.#versions.set(oid, version);
    const stream: Stream = {
      name,
      namespace: schema,
      database: this.#database,
      columns: columns.map(({ name, type, typmod }) => {
        const now = table?.columns.find((column) => column.name === name);
        return {
          name,
          type: types.columnType(type, typmod),
          nullable: !(now?.notNull ?? key.includes(name)),
          nativeType: types.nativeType(type, typmod),
          ...(now?.default === undefined ? {} : { default: now.default }),
        };
      }),
      key,
      payload: "row",
      version,
    };
    this.#bySignature.set(signature, stream);
    return stream;
  }
}

/**
 * The key of a table's records: the primary key where every row image has it, else the replica identity's index.
 *
 * With REPLICA IDENTITY USING INDEX a delete brings only that index' columns, so the primary key would be missing
 * there, and records of one row would have different keys.
 *
 * @param identity what the stream marks as replica identity; empty under FULL, which marks every column
 */
export function keyOf(
  table: Table | undefined,
  columns: readonly SentColumn[],
  identity: readonly string[],
): string[] {
  const isSent = (name: string) => columns.some((column) => column.name === name);
  const primaryKey = table?.primaryKey ?? [];
  if (primaryKey.length > 0 && primaryKey.every(isSent) && table?.replicaIdentity !== "i") {
    return [...primaryKey];
  }
  const index = table?.identityIndex ?? [];
  if (index.length > 0 && index.every(isSent)) return [...index];
  return [...identity];
}

/** What writes the rows of a table that the stream has announced. */
export function makeRelation(
  message: RelationMessage,
  table: Table | undefined,
  isSelected: boolean,
  book: StreamBook,
  types: TypeCatalog,
): Relation {
  const { columns, replicaIdentity } = message;
  const isFull = replicaIdentity === "f";
  const identity = isFull ? [] : columns.filter((column) => column.isIdentity).map((column) => column.name);
  const key = keyOf(table, columns, identity);
  const stream = book.stream(message, columns, key, table, types);
  return {
    oid: message.oid,
    stream,
    isSelected,
    columns: writerColumns(stream),
    writers: columns.map(({ type, typmod }) => types.writer(type, typmod)),
    isIdentity: columns.map((column) => isFull || column.isIdentity),
    keyPlaces: key.map((name) => columns.findIndex((column) => column.name === name)),
  };
}
