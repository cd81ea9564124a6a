/**
 * Where the values of a row lie in a message: three numbers a column (kind, start, end), for the rows that have to be
 * looked at before they are written. change_decoder.ts calls it for updates with an old row.
 */
import { VALUE } from "./pgoutput.ts";
import type { Relation } from "./relations.ts";
import { malformed } from "./stream_errors.ts";

/**
 * Notes kind, start and end of the values of a row.
 *
 * @param places has room for 3 * `count` numbers
 * @param at where the row's number of columns stands
 * @param end of the message
 * @returns where the row ends
 * @throws {ConnectorError} `serialization_pgoutput`
 */
export function locateValues(
  places: Int32Array,
  count: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): number {
  const sent = view.getInt16(at);
  if (sent !== count) throw malformed(`a row of ${sent} columns where ${count} were announced`);
  at += 2;
  for (let i = 0; i < count; i++) {
    const kind = bytes[at++];
    places[i * 3] = kind;
    if (kind === VALUE.text) {
      const start = at + 4;
      at = start + view.getInt32(at);
      if (at > end || at < start) throw malformed("a value is longer than its message");
      places[i * 3 + 1] = start;
      places[i * 3 + 2] = at;
    } else if (kind !== VALUE.null && kind !== VALUE.unchanged) {
      throw malformed(`an unknown kind of value (${kind})`);
    }
  }
  if (at > end) throw malformed("a row is longer than its message");
  return at;
}

/** Whether the record's key is another one; columns of which the old value was not sent tell nothing. */
export function keyChanged(
  { keyPlaces, isIdentity }: Relation,
  oldRow: Int32Array,
  newRow: Int32Array,
  bytes: Uint8Array,
  identityOnly: boolean,
): boolean {
  for (const i of keyPlaces) {
    if (identityOnly && !isIdentity[i]) continue;
    const now = newRow[i * 3];
    if (now === VALUE.unchanged) continue;
    if (now !== oldRow[i * 3]) return true;
    if (now === VALUE.null) continue;
    const before = oldRow[i * 3 + 1];
    const after = newRow[i * 3 + 1];
    const size = newRow[i * 3 + 2] - after;
    if (oldRow[i * 3 + 2] - before !== size) return true;
    for (let k = 0; k < size; k++) if (bytes[before + k] !== bytes[after + k]) return true;
  }
  return false;
}
