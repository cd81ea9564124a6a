/**
 * The columns of each table as they were announced last, kept over restarts, so that a restart makes nothing new and a
 * table that was changed while nobody read is a change. relations.ts asks it for versions.
 *
 * Documents are durable before the batch that announces a version is handed on, so after a crash they may know more
 * than the sinks have. That is why each version says at which place in the stream it begins: what begins at or behind
 * the place where reading resumes was not delivered, is forgotten, and is found again at the same place under the
 * same number. So positions stay small, however many tables change.
 */
import type { DocumentStore } from "../contract.ts";
import type { Json } from "../../formats/data/value.ts";
import { formatLsn, parseLsn } from "./lsn.ts";

/** A place in the stream: the commit LSN of a transaction and the index of a change in it. */
export interface Place {
  readonly lsn: bigint;
  readonly index: number;
}

/** A column as a schema change shows it. */
export interface ColumnVersion {
  readonly name: string;
  readonly type_name: string;
  /** The type's OID. */
  readonly type_id: number;
  /** From 1. */
  readonly position: number;
  readonly nullable: boolean;
  readonly primary_key: boolean;
  readonly default_value?: string;
}

/** A table's columns from some place on. */
export interface TableVersion {
  readonly version: number;
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly ColumnVersion[];
  /** pg_attribute.atttypmod by column: of a type with a length or a precision. */
  readonly typmods: readonly number[];
  /** By column, of those made of composite types: their fields, as TypeCatalog.shape() has them; left out: there are none. */
  readonly shapes?: readonly (string | null)[];
}

type Dated<T> = T & { readonly from: readonly [lsn: string, index: number] };
type Document<T> = readonly Dated<T>[];

export class SchemaHistory {
  readonly #state: DocumentStore | undefined;
  readonly #delivered: Place | undefined;
  readonly #isRebuilt: boolean;
  /** By OID: what the table was like; by name: which versions were given under it, also to a table that is gone. */
  readonly #byOid = new Map<number, Document<TableVersion>>();
  readonly #byName = new Map<string, Document<{ readonly version: number }>>();
  readonly #unsaved = new Map<string, Document<Record<string, Json | undefined>>>();

  /**
   * @param state where it is kept; undefined: only in memory
   * @param delivered everything that begins before it has reached the sinks; undefined: nothing has
   * @param isRebuilt all tables are new; versions go on counting all the same
   */
  constructor(state?: DocumentStore, delivered?: Place, isRebuilt = false) {
    this.#isRebuilt = isRebuilt;
    this.#state = state;
    this.#delivered = delivered;
  }

  /** Must be called before the other methods are asked about tables that may have been seen in an earlier run. */
  async load(tables: readonly Pick<TableVersion, "oid" | "schema" | "name">[]): Promise<void> {
    await Promise.all(tables.flatMap(({ oid, schema, name }) => {
      const qualified = `${schema}.${name}`;
      return [
        this.#byOid.has(oid) || this.#read<TableVersion>(tableKey(oid)).then((found) => {
          this.#byOid.set(oid, this.#isRebuilt ? [] : found);
        }),
        this.#byName.has(qualified) || this.#read<{ version: number }>(nameKey(qualified)).then((found) => {
          this.#byName.set(qualified, found);
        }),
      ];
    }));
  }

  /** What a table was announced as last. */
  last(oid: number): TableVersion | undefined {
    return this.#byOid.get(oid)?.at(-1);
  }

  /** The number of the next version under this name. */
  nextVersion(schema: string, name: string): number {
    return (this.#byName.get(`${schema}.${name}`)?.at(-1)?.version ?? 0) + 1;
  }

  /** A version begins at this place. It must be saved before what announces it is handed on. */
  add(table: TableVersion, place: Place): void {
    const from = [formatLsn(place.lsn), place.index] as const;
    const qualified = `${table.schema}.${table.name}`;
    const byOid = [...this.#byOid.get(table.oid) ?? [], { ...table, from }];
    const byName = [...this.#byName.get(qualified) ?? [], { version: table.version, from }];
    this.#byOid.set(table.oid, byOid);
    this.#byName.set(qualified, byName);
    this.#unsaved.set(tableKey(table.oid), byOid as unknown as Document<Record<string, Json>>);
    this.#unsaved.set(nameKey(qualified), byName);
  }

  get isUnsaved(): boolean {
    return this.#unsaved.size > 0;
  }

  /** @param durable reading never resumes before this LSN; 0: unknown */
  async save(durable: bigint): Promise<void> {
    const unsaved = [...this.#unsaved];
    this.#unsaved.clear();
    if (!this.#state) return;
    await Promise.all(unsaved.map(([key, versions]) => {
      // Of what is durable only the last counts.
      const first = versions.findLastIndex(({ from }) => parseLsn(from[0]) < durable);
      return this.#state!.put(key, versions.slice(Math.max(0, first)) as unknown as Json);
    }));
  }

  async #read<T>(key: string): Promise<Document<T>> {
    if (!this.#delivered || !this.#state) return [];
    const found = (await this.#state.get(key) ?? []) as unknown as Document<T>;
    const { lsn, index } = this.#delivered;
    const behind = found.findIndex(({ from }) => {
      const begins = parseLsn(from[0]);
      return begins > lsn || begins === lsn && from[1] >= index;
    });
    return behind < 0 ? found : found.slice(0, behind);
  }
}

function tableKey(oid: number): string {
  return `schema/${oid}`;
}

function nameKey(qualified: string): string {
  return `schema_version/${qualified}`;
}
