/**
 * Named points at which a test can kill the whole program: `RIVVEN_FAILPOINT=after_flush:3` ends it with SIGKILL the
 * third time a commit gets there. Costs one comparison where no point is set.
 */

export const FAILPOINTS = [
  "after_read",
  "after_write",
  "before_flush",
  "after_flush",
  "before_save",
  "after_save",
  "before_acknowledge",
  "after_acknowledge",
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

export interface Failpoint {
  readonly name: FailpointName;
  /** Which passing of the point is the last one; 1 is the first. */
  readonly count: number;
}

/** `after_flush:3` → the point; undefined for anything else. */
export function parseFailpoint(text: string | undefined): Failpoint | undefined {
  const [name, count = "1"] = (text ?? "").split(":");
  const known = FAILPOINTS.find((point) => point === name);
  return known && /^[1-9]\d*$/.test(count) ? { name: known, count: Number(count) } : undefined;
}

// Taken before a worker is sealed, which removes it from `Deno`.
const kill = Deno.kill;
const pid = Deno.pid;
let armed: Failpoint | undefined;
let passed = 0;

export function armFailpoint(failpoint: Failpoint | undefined): void {
  armed = failpoint;
  passed = 0;
}

/** Marks the point; the process is gone after it when it is the armed one. */
export function reached(name: FailpointName): void {
  if (armed?.name === name && ++passed === armed.count) kill(pid, "SIGKILL");
}
