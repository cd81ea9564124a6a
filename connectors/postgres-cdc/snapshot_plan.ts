/**
 * What a snapshot reads, in which pieces, and how far it is.
 *
 * A large table is read by ranges of its pages (`ctid`), because that is as fast as reading it in one go, needs no
 * order of the key, and lets several connections share one table. It also makes a snapshot that was interrupted go on
 * inside a table, although the consistent read it began with is gone: another one reads the pages that are left. A row
 * that has moved between pages since then has been updated, so its `xmin` is that of a transaction that the first read
 * did not see; the pages that are done are searched for such rows, which the server does without sending the others.
 * What was deleted in between, the stream says. None of this holds when the table was rewritten (VACUUM FULL, CLUSTER,
 * TRUNCATE), which shows in its file node: then it is read again, as is a table without a key, whose rows would come
 * twice without anybody noticing.
 */
import { type Table, tableName } from "./catalog.ts";
import { quoteIdentifier } from "./connection.ts";
import { quoteTable } from "./publication.ts";

/** A table and what of it is sent. */
export interface SnapshotTable {
  readonly table: Table;
  /** Names, in table order. */
  readonly columns: readonly string[];
  /** SQL; undefined: every row. */
  readonly rowFilter?: string;
  /** `snapshot.select_overrides`: the SELECT that gives its rows. */
  readonly override?: string;
}

/** How a table lies on the disk. */
export interface TableExtent {
  readonly pages: number;
  /** Changes whenever the table is rewritten; 0: it has no pages of its own. */
  readonly fileNode: number;
}

/** Rows to read with one statement or more. `from`, `to`: pages, `to` excluded; undefined: to the end. */
export interface PageRange {
  readonly from: number;
  readonly to: number | undefined;
  /** Only rows that were written since the first read. */
  readonly isRecheck: boolean;
  /** Whose progress it is; undefined: a recheck, which makes none. */
  readonly unit: number | undefined;
}

/** What one connection reads in one go: a table, or a part of it. */
export interface Job {
  readonly source: SnapshotTable;
  readonly lane: string;
  /** In this order; undefined: the whole table with one statement. */
  readonly ranges: readonly PageRange[] | undefined;
  /** Its only unit, where `ranges` is undefined. */
  readonly unit: number;
  /** How many pages the table has. */
  readonly pages: number;
  /** How many pages one statement reads. */
  readonly pagesPerStatement: number;
}

/** How far a snapshot is, as the position stores it. */
export type UnitProgress = {
  /** A bit for each unit that is done, lowest bit first, as base64. */
  readonly done: string;
  /** Units under way: the first page that is not done. */
  readonly at: Readonly<Record<string, number>>;
};

/** The part of a plan that outlives an attempt; too large for a position where there are many tables. */
export type StoredPlan = {
  /** The attempt that made it. */
  readonly id: number;
  /** Rows that the first read did not see have this transaction or a later one. */
  readonly xmin: string;
  /** Oid, file node, hash of what is read, and the first page of each part. */
  readonly tables: (readonly [oid: number, fileNode: number, what: number, parts: readonly number[]])[];
};

export interface PlanOptions {
  readonly tables: readonly SnapshotTable[];
  readonly extents: ReadonlyMap<number, TableExtent>;
  readonly attempt: number;
  readonly xmin: string;
  /** How many connections there are. */
  readonly parallel: number;
  /** About how many rows one statement reads. */
  readonly rowsPerStatement: number;
  /** An earlier attempt to go on with. */
  readonly earlier: EarlierSnapshot | undefined;
}

/** A snapshot that was interrupted. */
export interface EarlierSnapshot {
  readonly plan: StoredPlan;
  readonly progress: UnitProgress;
}

/** A part is not smaller than this: 32 MiB. */
const PART_PAGES = 4096;
const MAX_PAGES_PER_STATEMENT = 131_072;

/** How far a snapshot is; changed as its rows are handed on. */
export class SnapshotPlan {
  readonly stored: StoredPlan;
  readonly jobs: readonly Job[];
  /** Tables that an earlier attempt has finished. */
  readonly tablesDone: number;
  readonly #done: Uint8Array;
  readonly #at = new Map<number, number>();

  constructor({ tables, extents, attempt, xmin, parallel, rowsPerStatement, earlier }: PlanOptions) {
    const stored = earlier ? [...earlier.plan.tables] : [];
    const known = new Map<number, number>();
    // Of a table that was planned anew the last entry counts.
    stored.forEach(([oid], entry) => known.set(oid, entry));
    const planned = tables.map((source) => {
      const { oid } = source.table;
      const { pages, fileNode } = extents.get(oid) ?? { pages: 0, fileNode: 0 };
      const what = hash(JSON.stringify([source.columns, source.rowFilter, source.override]));
      const entry = known.get(oid);
      const before = entry === undefined ? undefined : stored[entry];
      if (before && before[1] === fileNode && before[2] === what) return { source, entry: entry!, pages };
      const parts = isDivisible(source, fileNode) ? partsOf(pages, parallel) : [];
      stored.push([oid, fileNode, what, parts]);
      return { source, entry: stored.length - 1, pages };
    });
    this.stored = { id: earlier?.plan.id ?? attempt, xmin: earlier?.plan.xmin ?? xmin, tables: stored };
    const firstUnits: number[] = [];
    let units = 0;
    for (const [, , , parts] of stored) {
      firstUnits.push(units);
      units += Math.max(1, parts.length);
    }
    this.#done = new Uint8Array((units + 7) >> 3);
    if (earlier) {
      const done = Uint8Array.fromBase64(earlier.progress.done);
      this.#done.set(done.subarray(0, this.#done.length));
      for (const [unit, page] of Object.entries(earlier.progress.at)) this.#at.set(Number(unit), page);
    }
    const resumed: Job[] = [];
    const fresh: Job[] = [];
    let tablesDone = 0;
    for (const { source, entry, pages } of planned) {
      const starts = stored[entry][3];
      const first = firstUnits[entry];
      const parts = Math.max(1, starts.length);
      const unitsOf = Array.from({ length: parts }, (_, part) => first + part);
      const lane = `snapshot/${tableName(source.table)}/${attempt}`;
      const pagesPerStatement = pagesFor(rowsPerStatement, source.table, pages);
      if (unitsOf.every((unit) => this.#isDone(unit))) tablesDone++;
      else if (starts.length === 0) {
        fresh.push({ source, lane, ranges: undefined, unit: first, pages, pagesPerStatement });
      } else if (unitsOf.some((unit) => this.#isDone(unit) || this.#at.has(unit))) {
        const ranges = this.#rest(unitsOf, starts);
        resumed.push({ source, lane, ranges, unit: first, pages, pagesPerStatement });
      } else {
        for (const [part, unit] of unitsOf.entries()) {
          fresh.push({
            source,
            lane: parts === 1 ? lane : `${lane}.${part + 1}`,
            ranges: [{ from: starts[part], to: starts[part + 1], isRecheck: false, unit }],
            unit,
            pages,
            pagesPerStatement,
          });
        }
      }
    }
    this.tablesDone = tablesDone;
    this.jobs = [...resumed, ...fresh];
  }

  /** Rechecks come first: while they are not complete, the progress stays, and another attempt does them again. */
  #rest(units: readonly number[], starts: readonly number[]): PageRange[] {
    const rechecks: PageRange[] = [];
    const reads: PageRange[] = [];
    units.forEach((unit, part) => {
      const from = starts[part];
      const to = starts[part + 1];
      const reached = this.#isDone(unit) ? to : this.#at.get(unit) ?? from;
      if (reached === undefined || reached > from) {
        rechecks.push({ from, to: reached, isRecheck: true, unit: undefined });
      }
      if (!this.#isDone(unit)) reads.push({ from: reached ?? from, to, isRecheck: false, unit });
    });
    return [...rechecks, ...reads];
  }

  #isDone(unit: number): boolean {
    return (this.#done[unit >> 3] & 1 << (unit & 7)) !== 0;
  }

  /** Everything before that page of the unit is handed on. */
  reached(unit: number, page: number): void {
    this.#at.set(unit, page);
  }

  /** All of the unit is handed on. */
  finished(unit: number): void {
    this.#at.delete(unit);
    this.#done[unit >> 3] |= 1 << (unit & 7);
  }

  get progress(): UnitProgress {
    return { done: this.#done.toBase64(), at: Object.fromEntries(this.#at) };
  }
}

/** Whether ranges of its pages can be read, now and after an interruption. */
function isDivisible({ table, override }: SnapshotTable, fileNode: number): boolean {
  const hasKey = table.primaryKey.length > 0 || table.identityIndex.length > 0;
  return hasKey && fileNode > 0 && !table.isPartitioned && override === undefined;
}

/** The first page of each part. */
function partsOf(pages: number, parallel: number): number[] {
  const count = Math.max(1, Math.min(parallel, Math.floor(pages / PART_PAGES)));
  return Array.from({ length: count }, (_, part) => Math.floor(pages * part / count));
}

function pagesFor(rows: number, { estimatedRows }: Table, pages: number): number {
  const rowsPerPage = estimatedRows && pages > 0 ? Math.max(1, estimatedRows / pages) : 40;
  return Math.min(MAX_PAGES_PER_STATEMENT, Math.max(1, Math.ceil(rows / rowsPerPage)));
}

/** FNV-1a, 32 bits: tells whether something has changed. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

// ---- statements -----------------------------------------------------------------------------------------------------

/**
 * COPY of a table or of some of its pages.
 *
 * @param range.writtenSince only rows of this transaction (64 bits) or later ones
 */
export function copyStatement(
  source: SnapshotTable,
  range?: {
    readonly from: number;
    readonly to: number | undefined;
    readonly writtenSince: string | undefined;
  },
): string {
  const { table, columns, rowFilter, override } = source;
  const names = columns.map(quoteIdentifier).join(", ");
  const isPlain = range === undefined && rowFilter === undefined && override === undefined &&
    !table.isPartitioned;
  if (isPlain && table.columns.every(({ generated }) => generated === "")) {
    // A little cheaper for the server than a query. Of a table with heirs it gives its own rows, like ONLY.
    return `COPY ${quoteTable(table)} (${names}) TO STDOUT`;
  }
  const conditions: string[] = [];
  if (range) {
    if (range.from > 0) conditions.push(`ctid >= '(${range.from},0)'`);
    if (range.to !== undefined) conditions.push(`ctid < '(${range.to},0)'`);
    // A superset where a very old row's transaction number has come round again; that does no harm.
    if (range.writtenSince !== undefined) {
      const xid = BigInt(range.writtenSince) & 0xffff_ffffn;
      conditions.push(`age(xmin) <= age('${xid}'::xid)`);
    }
  }
  if (rowFilter !== undefined) conditions.push(`(${rowFilter})`);
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(" AND ")}` : "";
  return `COPY (SELECT ${names} FROM ${fromClause(source)}${where}) TO STDOUT`;
}

/** Whether each of the tables has rows, as an array, with one statement. */
export function hasRowsStatement(sources: readonly SnapshotTable[]): string {
  const each = sources.map((source) => {
    const where = source.rowFilter === undefined ? "" : ` WHERE ${source.rowFilter}`;
    return `EXISTS (SELECT FROM ${fromClause(source)}${where})`;
  });
  return `SELECT array_to_string(ARRAY[${each.join(", ")}]::int[], '') AS has_rows`;
}

/** ONLY: tables that inherit from this one are published by themselves; a partitioned one has no rows of its own. */
function fromClause({ table, override }: SnapshotTable): string {
  if (override !== undefined) return `(${override}) AS chosen`;
  return `${table.isPartitioned ? "" : "ONLY "}${quoteTable(table)}`;
}
