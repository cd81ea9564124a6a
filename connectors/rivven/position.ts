/** How far a `rivven` source has read: the next offset of every partition. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Position } from "../contract.ts";

/** Topic → the next offset of each of its partitions; -1: not looked at yet. */
export type Offsets = ReadonlyMap<string, readonly number[]>;

export function positionOf(offsets: Offsets): Position {
  return { v: 1, topics: Object.fromEntries(offsets) };
}

/** @throws {ConnectorError} `state_version` when a newer version has written it */
export function readPosition(position: Position): Map<string, number[]> {
  const { v, topics } = position;
  if (v !== 1 || topics === null || typeof topics !== "object" || Array.isArray(topics)) {
    throw new ConnectorError(
      `Cannot resume: the saved position has version ${v}, and this program knows version 1`,
      {
        code: "state_version",
        hint: "Use the version of the program that saved it, or delete the position",
      },
    );
  }
  return new Map(
    Object.entries(topics as Record<string, number[]>).map(([topic, next]) => [topic, [...next]]),
  );
}

/** Of each partition the lowest offset. What one of them has not looked at is read from its beginning. */
export function lowestPosition(positions: readonly Position[]): Position {
  const [first, ...others] = positions.map(readPosition);
  for (const [topic, offsets] of first) {
    const all = [offsets, ...others.map((other) => other.get(topic) ?? [])];
    const known = Math.min(...all.map(({ length }) => length));
    if (known === 0) first.delete(topic);
    else first.set(topic, offsets.slice(0, known).map((_, p) => Math.min(...all.map((next) => next[p]))));
  }
  return positionOf(first);
}
