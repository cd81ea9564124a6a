/** The tables a source could capture. */
import type { TableFilter } from "../_cdc/table_filter.ts";
import type { DiscoveredStream } from "../contract.ts";
import type { Catalog, Table } from "./catalog.ts";
import { type Publication, readPublication } from "./publication.ts";
import { keyOf, StreamBook } from "./relations.ts";

/** Every table that the role may read: partitioned ones once, with what would limit its capture. */
export async function discoverTables(
  catalog: Catalog,
  database: string,
  filter: TableFilter,
  publicationName: string,
): Promise<DiscoveredStream[]> {
  const publication = await readPublication(catalog, publicationName);
  const types = await catalog.types();
  const book = new StreamBook(database);
  const tables = await catalog.allTables();
  return tables
    .filter((table) => table.isReadable && !table.isPartition && filter.includes(table))
    .map((table) => {
      const columns = table.columns.filter(({ generated }) => generated === "");
      return {
        stream: book.stream(table, columns, keyOf(table, columns, [], undefined), table, types),
        estimatedRows: table.estimatedRows,
        syncModes: table.isLogged ? ["full_refresh", "incremental", "cdc"] : ["full_refresh"],
        remarks: [...remarks(table), ...publicationRemarks(table, publication)],
      };
    });
}

/** What a publication that exists leaves out of a table; nothing where there is none yet. */
function publicationRemarks(table: Table, publication: Publication | undefined): string[] {
  if (publication === undefined || !table.isLogged) return [];
  const published = publication.tables.find(({ oid }) => oid === table.oid);
  if (published === undefined) {
    // Of a partitioned table its partitions are sent, unless the publication speaks of the root.
    if (table.isPartitioned && !publication.viaRoot) {
      return [`publication "${publication.name}" sends its changes under the names of its partitions`];
    }
    return [`publication "${publication.name}" does not send its changes`];
  }
  const found: string[] = [];
  const missing = table.columns.filter(({ name, generated }) =>
    generated === "" && published.columns !== undefined && !published.columns.includes(name)
  );
  if (missing.length > 0) {
    found.push(
      `publication "${publication.name}" leaves out ${missing.map(({ name }) => `"${name}"`).join(", ")}`,
    );
  }
  if (published.rowFilter !== undefined) {
    found.push(`publication "${publication.name}" sends only some of its rows`);
  }
  return found;
}

/** What keeps changes of a table from being captured, or limits what they bring. */
export function remarks(table: Table): string[] {
  const { replicaIdentity, primaryKey, identityIndex, isLogged, columns } = table;
  const found: string[] = [];
  if (!isLogged) found.push("unlogged: its changes are not in the log, so only a snapshot can be taken");
  if (replicaIdentity === "n") {
    found.push("REPLICA IDENTITY NOTHING: updates and deletes fail once it is published");
  } else if (replicaIdentity === "d" && primaryKey.length === 0) {
    found.push(
      "no primary key: updates and deletes fail once it is published, unless it gets REPLICA IDENTITY FULL",
    );
  } else if (replicaIdentity === "f" && primaryKey.length === 0 && identityIndex.length === 0) {
    found.push("no primary key: its records have no key");
  }
  if (columns.some(({ generated }) => generated !== "")) found.push("generated columns are left out");
  return found;
}
