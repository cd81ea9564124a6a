/** What a flow promises about its records: the weaker of its two ends, and why, in a sentence. plan.ts asks. */
import type { Guarantee, SinkRole, SourceRole } from "../connectors/contract.ts";

const STRENGTH: readonly Guarantee[] = ["at_most_once", "at_least_once", "exactly_once"];

/** How a sink comes to exactly-once; the techniques are told apart in contract.ts. */
const TECHNIQUES: Record<NonNullable<SinkRole["technique"]>, string> = {
  T1: "stores the position with the data",
  T2: "writes each range of records under a name that is the same every time",
  T3: "overwrites rows by their key",
  lookup: "looks up what the target has already",
  truncate: "cuts back what the checkpoint doesn't know",
};

type End<Role> = Role & { readonly name: string };

/** Techniques that know a record again by its lane and order only. */
const BY_LANE: readonly SinkRole["technique"][] = ["T2", "lookup"];

/**
 * The guarantee of records from `source` in `sink`. Exactly-once takes an order that is the same in every replay,
 * which only a source that is ordered in each lane has.
 *
 * @param exception why the sink gives no more than at-least-once here, as its role says
 * @param loss why the source gives no more than at-most-once here, as its role says
 */
export function weakerGuarantee(
  source: End<SourceRole>,
  sink: End<SinkRole>,
  exception?: string,
  loss?: string,
): { guarantee: Guarantee; guaranteeReason: string } {
  if (loss !== undefined) {
    return { guarantee: "at_most_once", guaranteeReason: `Source "${source.name}" ${loss}` };
  }
  const [from, to] = [STRENGTH.indexOf(source.guarantee), STRENGTH.indexOf(sink.guarantee)];
  const guarantee = STRENGTH[Math.min(from, to)];
  if (guarantee === "exactly_once") {
    if (source.ordering !== "per_lane") {
      const guaranteeReason =
        `Source "${source.name}" has no order that is the same in every replay, so records that ` +
        `sink "${sink.name}" already has can't be told`;
      return { guarantee: "at_least_once", guaranteeReason };
    }
    if (exception !== undefined) {
      const guaranteeReason = `Sink "${sink.name}" ${exception}, so after a crash some may come twice`;
      return { guarantee: "at_least_once", guaranteeReason };
    }
    const how = sink.technique === undefined ? "keeps what it has apart" : TECHNIQUES[sink.technique];
    const snapshots = source.snapshots && BY_LANE.includes(sink.technique)
      ? "; rows of a snapshot that is interrupted may come twice"
      : "";
    return {
      guarantee,
      guaranteeReason: `Source "${source.name}" replays in order and sink "${sink.name}" ${how}${snapshots}`,
    };
  }
  const ends = from === to
    ? `Source "${source.name}" and sink "${sink.name}"`
    : from < to
    ? `Source "${source.name}"`
    : `Sink "${sink.name}"`;
  const what = guarantee === "at_most_once" ? "may lose records" : "may repeat records";
  return { guarantee, guaranteeReason: `${ends} ${what} after a crash` };
}
