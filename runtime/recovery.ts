/**
 * Where a source and its flows start, when targets say themselves how far they are: what they say goes before what the
 * checkpoint says, since it was stored with the data. source_run.ts asks between the opening and the start.
 */
import type { Progress } from "../connectors/contract.ts";
import type { Position } from "../formats/data/batch.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Marks } from "./state/checkpoint.ts";

/** What is known of one flow. */
export interface FlowProgress {
  readonly flow: string;
  readonly sink: string;
  /** What the checkpoint says. */
  readonly marks: Marks;
  /** What the target says; undefined: nothing. */
  readonly recovered: Progress | undefined;
}

export interface Start {
  /** For each flow: what it has, so that the sink does not get it again. */
  readonly marks: readonly Marks[];
  /** The source starts at the lowest of these; undefined is the beginning, and lower than any position. */
  readonly positions: readonly (Position | undefined)[];
  readonly warnings: readonly string[];
}

/**
 * A target that is ahead of the checkpoint has what a lost commit had flushed. One that is behind was set back, as a
 * table that was restored: then the source has to go back as well.
 *
 * @param saved where the checkpoint says that the source goes on
 * @throws {ConnectorError} when a target is behind and does not say where to read on
 */
export function startOf(
  source: { readonly name: string; readonly connector: string },
  saved: Position | undefined,
  flows: readonly FlowProgress[],
): Start {
  const marks: Marks[] = [];
  const positions: (Position | undefined)[] = [];
  const warnings: string[] = [];
  for (const { flow, sink, marks: own, recovered } of flows) {
    const isOurs = recovered?.source === source.name && recovered.connector === source.connector;
    if (recovered && !isOurs) {
      warnings.push(
        `The target of sink "${sink}" says how far source "${recovered.source}" (${recovered.connector}) is, which is ` +
          `not the source of pipeline "${flow}": that is ignored, and the checkpoint counts`,
      );
    }
    const theirs = isOurs ? recovered : undefined;
    const found = theirs ? compare(theirs.marks, own) : "same";
    marks.push(theirs?.marks ?? own);
    if (found === "behind") {
      if (!theirs!.position) throw cannotGoBack(flow, sink);
      warnings.push(
        `The target of sink "${sink}" has less than the checkpoint of pipeline "${flow}": it was set back, and the ` +
          `source is read again from there on`,
      );
      positions.push(theirs!.position);
    } else if (found === "ahead" && (flows.length === 1 || saved === undefined)) {
      positions.push(theirs!.position ?? saved);
    } else positions.push(saved ?? theirs?.position);
  }
  return { marks, positions: distinct(positions), warnings };
}

/** How what a target has stands to what the checkpoint knows of. */
function compare(theirs: Marks, own: Marks): "same" | "ahead" | "behind" {
  let isAhead = false;
  for (const lane in own) {
    if (theirs[lane] === undefined || theirs[lane] < own[lane]) return "behind";
  }
  for (const lane in theirs) isAhead ||= theirs[lane] !== own[lane];
  return isAhead ? "ahead" : "same";
}

function distinct(positions: readonly (Position | undefined)[]): readonly (Position | undefined)[] {
  return [...new Map(positions.map((position) => [JSON.stringify(position), position])).values()];
}

function cannotGoBack(flow: string, sink: string): ConnectorError {
  return new ConnectorError(
    `Cannot go on with pipeline "${flow}": the target of sink "${sink}" has less than the checkpoint, and does not ` +
      "say where to read on",
    {
      code: "state_target_behind",
      hint: "Bring the target to where it was, or start the pipeline with a new name",
    },
  );
}

/** The error where several positions are to be compared, and the source can't. */
export function cannotCompare(source: string): ConnectorError {
  return new ConnectorError(
    `Cannot go back with source "${source}": a target was set back, and the source can't tell whether that is before ` +
      "or behind what its other pipelines have",
    {
      code: "state_target_behind",
      hint: "Give the pipeline of that target a source entry of its own, or bring the target to where it was",
    },
  );
}
