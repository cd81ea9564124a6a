/**
 * `toast_handling: reselect`: reads what the server did not send from the tables, with one query for each table and
 * batch, and writes the batch again with it. replication.ts calls it before it hands a batch on.
 *
 * What is read is the value of now: when the row was changed again in between, it is newer than the record, and its own
 * record comes later. Of a row that is gone the columns stay out.
 */
import { type Batch, batchFromData } from "../../formats/data/batch.ts";
import { type BatchData, OWN, spanOf } from "../../formats/data/batch_data.ts";
import type { BatchWriter } from "../../formats/data/batch_writer.ts";
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { splitMembers } from "../../formats/data/members.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Logger } from "../contract.ts";
import type { Catalog } from "./catalog.ts";
import type { UnsentValues } from "./decoder_extras.ts";
import { quoteIdentifier, type TextRow } from "./connection.ts";
import type { Relation } from "./relations.ts";

const utf8 = new TextEncoder();

export interface ReselectOptions {
  readonly catalog: Catalog;
  /** Empty: the batch that is handed in was finished. */
  readonly writer: BatchWriter;
  readonly log: Logger;
}

/** Values by place, as the server prints them. */
type Found = ReadonlyMap<number, string | null>;

/** The same batch with the values that could be read; `source.reselected_columns` names them. */
export async function reselect(
  data: BatchData,
  unsent: readonly UnsentValues[],
  { catalog, writer, log }: ReselectOptions,
): Promise<BatchData> {
  const found = new Map<number, Found>();
  const byRelation = Map.groupBy(unsent, ({ relation }) => relation);
  for (const [relation, rows] of byRelation) {
    try {
      await readValues(catalog, relation, rows, found);
    } catch (error) {
      // The table or a column may be gone since, or not ours to read. A lost connection ends the stream as always.
      if (!(error instanceof ConnectorError) || error.retryable) throw error;
      log.warn(
        `Columns that were not sent stay out of "${qualifiedName(relation.stream)}": ${error.message}`,
      );
    }
  }
  if (found.size === 0) return data;
  const relations = new Map(unsent.map(({ record, relation }) => [record, relation]));
  const batch = batchFromData(data);
  writer.lane = data.lane;
  for (let i = 0; i < batch.length; i++) {
    const values = found.get(i);
    if (values === undefined) writer.copyRecord(batch, data, i);
    else writeFilled(writer, batch, data, i, relations.get(i)!, values);
  }
  return writer.finish(data.position);
}

async function readValues(
  catalog: Catalog,
  relation: Relation,
  rows: readonly UnsentValues[],
  found: Map<number, Found>,
): Promise<void> {
  const { stream, rowPlaces } = relation;
  const columns = stream.columns!;
  const places = [...new Set(rows.flatMap(({ places }) => places))];
  // Keys are compared as values of their type, so that the table's index serves; names are numbers, so none is taken.
  const keys = rowPlaces.map((place, k) =>
    `t.${quoteIdentifier(columns[place].name)} = k.k${k}::${columns[place].nativeType}`
  );
  const table = `${quoteIdentifier(stream.namespace!)}.${quoteIdentifier(stream.name)}`;
  const sql = `SELECT k.n::text AS n, ${
    places.map((place) => `t.${quoteIdentifier(columns[place].name)} AS c${place}`).join(", ")
  } FROM unnest($1::int[], ${rowPlaces.map((_, k) => `$${k + 2}::text[]`).join(", ")}) AS k(n, ${
    rowPlaces.map((_, k) => `k${k}`).join(", ")
  }) JOIN ${table} t ON ${keys.join(" AND ")}`;
  const answer: TextRow[] = await catalog.query(`Cannot read values of "${qualifiedName(stream)}"`, sql, [
    rows.map((_, n) => String(n)),
    ...rowPlaces.map((_, k) => rows.map(({ key }) => key[k])),
  ]);
  for (const row of answer) {
    const { record, places } = rows[Number(row.n)];
    found.set(record, new Map(places.map((place) => [place, row[`c${place}`]])));
  }
}

/** Writes record `i` again, its columns in the table's order. */
function writeFilled(
  writer: BatchWriter,
  batch: Batch,
  data: BatchData,
  i: number,
  relation: Relation,
  values: Found,
): void {
  const { stream, columns: names, writers } = relation;
  const start = writer.length;
  const write = () => {
    const after = batch.span(i, "after")!;
    const sent = new Map(splitMembers(after.subarray(1, -1)).map(({ name, value }) => [name, value]));
    writer.beginRow("after");
    for (const [place, { name }] of stream.columns!.entries()) {
      const value = values.get(place);
      const asSent = sent.get(name);
      if (value === undefined && asSent === undefined) continue;
      writer.column(names[place]);
      if (value === undefined) writer.literal(utf8.encode(asSent));
      else if (value === null) writer.null();
      else {
        const bytes = utf8.encode(value);
        writers[place](writer, bytes, 0, bytes.length);
      }
    }
    writer.endRow();
  };
  const members = spanOf(data, data.first + i, OWN);
  const own = ownMembers(members, stream.columns!.map(({ name }) => name), values);
  try {
    writer.copyRecord(batch, data, i, { write, own });
  } catch (error) {
    // The column has another type by now.
    if (!(error instanceof RecordError)) throw error;
    writer.rollback(start);
    writer.copyRecord(batch, data, i);
  }
}

/** The own members, in which the columns that were filled in are called that. */
function ownMembers(own: Uint8Array | undefined, names: readonly string[], values: Found): Uint8Array {
  const filled = [...values.keys()].map((place) => names[place]);
  const members = splitMembers(own ?? new Uint8Array()).filter(({ name }) => name !== "unavailable_columns");
  return utf8.encode(
    members.map(({ text }) => `,${text}`).join("") + `,"reselected_columns":${JSON.stringify(filled)}`,
  );
}
