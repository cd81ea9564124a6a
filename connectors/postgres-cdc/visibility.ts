/**
 * Which transactions a read has seen, compared with those of the stream. incremental_snapshot.ts decides by this what
 * is older: a row that it has read, or a change that the stream brings. Transaction numbers say it exactly; neither
 * clocks nor places in the log do, because a transaction can be seen a while after its commit is in the log.
 */

/**
 * SQL of what a statement sees, as `Visibility` reads it. A standby's snapshot leaves out which transactions are in
 * progress, so nothing from the oldest of them on counts as seen there: a change that the rows show already may come
 * behind them then, which alters nothing.
 */
export const SEEN = `CASE WHEN pg_is_in_recovery()
  THEN concat(pg_snapshot_xmin(pg_current_snapshot()), ':', pg_snapshot_xmin(pg_current_snapshot()), ':')
  ELSE pg_current_snapshot()::text END`;

/** A snapshot of the server (PostgreSQL documentation, "Transaction ID and Snapshot Information Functions"). */
export class Visibility {
  /** Everything before it is seen, or was rolled back. */
  readonly xmin: bigint;
  readonly #xmax: bigint;
  readonly #inProgress: ReadonlySet<bigint>;

  /**
   * @param text as pg_current_snapshot() prints it, such as `10:20:10,14,15`
   * @throws {SyntaxError} when it is none
   */
  constructor(text: string) {
    const match = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text);
    if (!match) throw new SyntaxError(`"${text}" is no snapshot such as 10:20:10,14,15`);
    const [, xmin, xmax, inProgress] = match;
    this.xmin = BigInt(xmin);
    this.#xmax = BigInt(xmax);
    this.#inProgress = new Set(inProgress === "" ? [] : inProgress.split(",").map(BigInt));
  }

  /** @param xid a transaction that has committed by now; 32 bits, as the stream has it */
  sees(xid: number): boolean {
    const full = this.#full(xid);
    return full < this.xmin || (full < this.#xmax && !this.#inProgress.has(full));
  }

  /** Whether every later read sees the transaction, too. */
  isPast(xid: number): boolean {
    return this.#full(xid) < this.xmin;
  }

  /** Numbers of the stream have come round every 2^32; the nearest one is meant. */
  #full(xid: number): bigint {
    return this.#xmax + BigInt.asIntN(32, BigInt(xid) - this.#xmax);
  }
}

/** So many transactions are remembered; one that is still invisible then has waited for that many others. */
const REMEMBERED = 65_536;

/** The transactions that the stream has brought. */
export class StreamedTransactions {
  readonly #recent = new Uint32Array(REMEMBERED);
  #count = 0;
  /** Of transactions whose records may still be on their way: group of the order → number. */
  readonly #byGroup = new Map<string, number>();

  /** A transaction begins in the stream; `group` is that of its records' order. */
  begin(group: string, xid: number): void {
    this.#recent[this.#count++ % REMEMBERED] = xid;
    this.#byGroup.set(group, xid);
  }

  xidOf(group: string): number | undefined {
    return this.#byGroup.get(group);
  }

  /** The records up to this group have passed; more of the group itself may come. */
  passed(group: string): void {
    for (const each of this.#byGroup.keys()) {
      if (each >= group) return;
      this.#byGroup.delete(each);
    }
  }

  /** Those that are remembered. */
  recent(): Uint32Array {
    return this.#recent.slice(0, Math.min(this.#count, REMEMBERED));
  }
}
