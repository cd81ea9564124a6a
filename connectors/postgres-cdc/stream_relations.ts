/** Which tables the stream speaks of: from what it announces, and what the catalog knows beside, to Relations. */
import { lacksIdentity, type Table, tableName } from "./catalog.ts";
import type { RelationMessage } from "./pgoutput.ts";
import type { Publication } from "./publication.ts";
import { makeRelation, type Relation } from "./relations.ts";
import { warnAboutKey } from "./row_rules.ts";
import type { ReadingOptions, Run } from "./run.ts";
import { signalTable } from "./signals.ts";

/** Makes a Relation of what the stream announces; the catalog is asked again when it says otherwise. */
export async function streamRelations(
  { catalog, filter, config, context: { log } }: ReadingOptions,
  { book, history }: Pick<Run, "book" | "history">,
  publication: Publication,
): Promise<(message: RelationMessage, typesAreStale: boolean) => Promise<Relation>> {
  const known = await catalog.tablesByOid(publication.tables.map(({ oid }) => oid));
  const tables = new Map(known.map((table) => [table.oid, table]));
  const unidentified = known.filter((table) => filter.streams(table) && lacksIdentity(table));
  if (unidentified.length > 0) {
    log.warn("The server refuses updates and deletes of tables without replica identity", {
      tables: unidentified.map(tableName),
      hint: "ALTER TABLE … REPLICA IDENTITY FULL, or add a primary key",
    });
  }
  const seen = new Set<number>();
  const expected = new Set(publication.tables.map(({ oid }) => oid));
  const warned = new Set<string>();
  const signals = signalTable(config);
  const isSignalTable = ({ schema, name }: RelationMessage) =>
    schema === signals?.schema && name === signals.name;
  return async (message, typesAreStale) => {
    let table = tables.get(message.oid);
    if (seen.has(message.oid) || !table || !agrees(table, message)) {
      [table] = await catalog.tablesByOid([message.oid]);
      if (table) tables.set(message.oid, table);
    }
    seen.add(message.oid);
    if (typesAreStale) await catalog.refreshTypes();
    const types = await catalog.learnTypes(message.columns.map(({ type }) => type));
    const isSelected = filter.streams(message) || isSignalTable(message);
    if (isSelected) await history.load([message]);
    if (isSelected && !expected.has(message.oid)) {
      expected.add(message.oid);
      log.info(
        `Table "${tableName(message)}" has joined the stream; rows from before it was published are not read`,
      );
    }
    const relation = makeRelation(message, table, isSelected, book, types);
    if (isSelected) warnAboutKey(relation, book.rules, warned, log);
    return relation;
  };
}

/** Whether the catalog, which shows the present, still is as the stream says it was. */
function agrees(table: Table, { schema, name, columns }: RelationMessage): boolean {
  return table.schema === schema && table.name === name &&
    columns.every((column) =>
      table.columns.some((now) =>
        now.name === column.name && now.type === column.type && now.typmod === column.typmod
      )
    );
}
