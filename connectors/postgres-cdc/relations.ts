/** Tables on the way: from what the catalog and the stream say about a table to what writes its rows. */
import { type WriterColumn, writerColumns } from "../../formats/data/batch_writer.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Table } from "./catalog.ts";
import type { RelationMessage } from "./pgoutput.ts";
import { PLAIN_ROWS, type RowRules } from "./row_rules.ts";
import { StreamNews } from "./schema_change.ts";
import { SchemaHistory } from "./schema_history.ts";
import { placeholderFor } from "./toast.ts";
import type { OlderValues, TypeCatalog, ValueWriter } from "./types/mod.ts";

/** A column as it is sent, by the snapshot's SELECT or by a Relation message. */
export interface SentColumn {
  readonly name: string;
  readonly type: number;
  readonly typmod: number;
}

/** A table's rows as they are sent from now on. */
export interface Relation {
  /** What the stream said. */
  readonly message: RelationMessage;
  readonly oid: number;
  readonly stream: Stream;
  /** Whether its changes are wanted. */
  readonly isSelected: boolean;
  /** What has to be announced before the first record; undefined: nothing, or it has been. */
  news: StreamNews | undefined;
  /** By place in the row. */
  readonly columns: readonly WriterColumn[];
  readonly writers: readonly ValueWriter[];
  /** Places of the columns of the replica identity. */
  readonly isIdentity: readonly boolean[];
  /** Places of the key columns. */
  readonly keyPlaces: readonly number[];
  /** Places of columns by which the row can be found in the table; empty: by none. */
  readonly rowPlaces: readonly number[];
  readonly olderValues: OlderValues;
  /** Whether a tombstone follows each delete. */
  readonly hasTombstones: boolean;
  /** Whether values that were not sent are read from the table. */
  readonly reselects: boolean;
  /** By place: JSON text for a value that was not sent because it has not changed; undefined: the column is left out. */
  readonly placeholders: readonly (Uint8Array | undefined)[] | undefined;
}

/**
 * Makes Streams, and the same one again for the same columns, so that snapshot and stream share it. A table whose
 * columns have changed gets a Stream with a higher version.
 */
export class StreamBook {
  /** What the configuration says about the rows of each table. */
  readonly rules: RowRules;
  readonly #database: string;
  readonly #history: SchemaHistory;
  /** By OID: the Stream that was made last, and what it was made of. */
  readonly #made = new Map<number, { readonly stream: Stream; readonly signature: string }>();
  readonly #news = new WeakMap<Stream, StreamNews>();

  constructor(
    database: string,
    history: SchemaHistory = new SchemaHistory(),
    rules: RowRules = PLAIN_ROWS,
  ) {
    this.#database = database;
    this.#history = history;
    this.rules = rules;
  }

  /** @param table what the catalog has now, which may be newer than the columns; undefined: it is dropped already */
  stream(
    { oid, schema, name }: Pick<Table, "oid" | "schema" | "name">,
    columns: readonly SentColumn[],
    key: readonly string[],
    table: Table | undefined,
    types: TypeCatalog,
  ): Stream {
    const typmods = columns.map(({ typmod }) => typmod);
    const shapes = columns.map(({ type }) => types.shape(type) ?? null);
    const last = this.#history.last(oid);
    const signature = signatureOf(
      schema,
      name,
      key,
      columns.map((column) => [column.name, column.type]),
      typmods,
      shapes,
    );
    const isKnown = last !== undefined && signature === signatureOf(
          last.schema,
          last.name,
          last.key,
          last.columns.map((column) => [column.name, column.type_id]),
          last.typmods,
          last.shapes,
        );
    const version = isKnown ? last.version : this.#history.nextVersion(schema, name);
    const made = this.#made.get(oid);
    if (made?.signature === signature && made.stream.version === version) return made.stream;
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
    this.#made.set(oid, { stream, signature });
    if (!isKnown) {
      const primaryKey = table?.primaryKey ?? key;
      const described = stream.columns!.map(({ name, nativeType, nullable, default: value }, i) => ({
        name,
        type_name: nativeType ?? String(columns[i].type),
        type_id: columns[i].type,
        position: i + 1,
        nullable,
        primary_key: primaryKey.includes(name),
        ...(value === undefined ? {} : { default_value: value }),
      }));
      const now = {
        version,
        oid,
        schema,
        name,
        key,
        columns: described,
        typmods,
        ...(shapes.some((shape) => shape !== null) ? { shapes } : {}),
      };
      this.#news.set(stream, new StreamNews(this.#history, stream, now, last));
    }
    return stream;
  }

  /** What is to be announced before the first record of a Stream; undefined: it has been. */
  news(stream: Stream): StreamNews | undefined {
    const news = this.#news.get(stream);
    return news?.isAnnounced ? undefined : news;
  }
}

function signatureOf(
  schema: string,
  name: string,
  key: readonly string[],
  columns: readonly (readonly [name: string, type: number])[],
  typmods: readonly number[],
  shapes: readonly (string | null)[] = [],
): string {
  const composite = shapes.some((shape) => shape !== null) ? [shapes] : [];
  return JSON.stringify([schema, name, key, columns, typmods, ...composite]);
}

/**
 * The key of a table's records: what `message_key_columns` says; else the primary key where every row image has it; else
 * the replica identity's index; else a unique index of columns that are never null.
 *
 * With REPLICA IDENTITY USING INDEX a delete brings only that index' columns, so the primary key would be missing
 * there, and records of one row would have different keys.
 *
 * @param identity what the stream marks as replica identity; empty under FULL, which marks every column
 * @param chosen what `message_key_columns` says of the table
 */
export function keyOf(
  table: Table | undefined,
  columns: readonly SentColumn[],
  identity: readonly string[],
  chosen: readonly string[] | undefined,
): string[] {
  return chosen !== undefined && areSent(chosen, columns) ? [...chosen] : rowKey(table, columns, identity);
}

function areSent(names: readonly string[], columns: readonly SentColumn[]): boolean {
  return names.length > 0 && names.every((name) => columns.some((column) => column.name === name));
}

/** Columns that tell the rows of a table apart and that every row image has; empty: there are none. */
function rowKey(
  table: Table | undefined,
  columns: readonly SentColumn[],
  identity: readonly string[],
): string[] {
  const { primaryKey = [], identityIndex = [], uniqueIndex = [] } = table ?? {};
  if (areSent(primaryKey, columns) && table?.replicaIdentity !== "i") return [...primaryKey];
  if (areSent(identityIndex, columns)) return [...identityIndex];
  if (identity.length > 0) return [...identity];
  return areSent(uniqueIndex, columns) ? [...uniqueIndex] : [];
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
  const { rules } = book;
  const isFull = replicaIdentity === "f";
  const identity = isFull ? [] : columns.filter((column) => column.isIdentity).map((column) => column.name);
  const key = keyOf(table, columns, identity, rules.keyColumns(message));
  const stream = book.stream(message, columns, key, table, types);
  const place = (name: string) => columns.findIndex((column) => column.name === name);
  return {
    message,
    oid: message.oid,
    stream,
    isSelected,
    news: book.news(stream),
    columns: writerColumns(stream),
    writers: columns.map(({ type, typmod }) => types.writer(type, typmod)),
    isIdentity: columns.map((column) => isFull || column.isIdentity),
    keyPlaces: key.map(place),
    rowPlaces: rowKey(table, columns, identity).map(place),
    olderValues: types.olderValues,
    hasTombstones: key.length > 0 && rules.hasTombstones(message),
    reselects: rules.reselects,
    placeholders: rules.placeholder === undefined
      ? undefined
      : stream.columns!.map(({ type }) => placeholderFor(type, rules.placeholder!)),
  };
}
