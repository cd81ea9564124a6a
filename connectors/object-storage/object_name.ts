/**
 * What a file is called: `<folder>/<flow>+<lane>+<first>-<last>+<writer>.<ext>`, with the orders of its first and its
 * last record. The name of a range is the same every time, and no other range has it, so creating it twice does nothing.
 */
import { safeLane, safeName, safeOrder } from "./safe_name.ts";

/** What the names of one sink have in common. */
export interface Naming {
  readonly flow: string;
  /**
   * Eight letters that this flow's state has made up when it began. Without them a flow that starts anew, from a source
   * that counts anew, would find the names of its former life and take its records for written.
   */
  readonly writer: string;
  /** With its dots: `.jsonl.gz`. */
  readonly extension: string;
}

/** The records of one file, by their orders. */
export interface Range {
  readonly lane: string;
  readonly first: string;
  readonly last: string;
}

/** @param folder without a slash at its end; empty: none */
export function rangeName(folder: string, { lane, first, last }: Range, naming: Naming): string {
  const { flow, writer, extension } = naming;
  const name = `${safeName(flow, 48)}+${safeLane(lane)}+${safeOrder(first)}-${safeOrder(last)}+${writer}`;
  return inFolder(folder, name + extension);
}

/** For records without an order, whose range can't be named: a name that nobody has. */
export function uniqueName(folder: string, nowMicros: bigint, random: () => number, naming: Naming): string {
  const { flow, extension } = naming;
  return inFolder(folder, `${safeName(flow, 48)}+${timeText(nowMicros)}+${letters(12, random)}${extension}`);
}

/** What earlier versions called files, `20260131_120000_000000.jsonl`, made unique. */
export function legacyName(
  folder: string,
  number: number,
  nowMicros: bigint,
  random: () => number,
  { extension }: Naming,
): string {
  const time = `${timeText(nowMicros).slice(0, 8)}_${timeText(nowMicros).slice(9, 15)}`;
  const count = String(number).padStart(6, "0");
  return inFolder(folder, `${time}_${count}_${letters(12, random)}${extension}`);
}

/** Random letters and digits. */
export function letters(count: number, random: () => number): string {
  const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: count }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join("");
}

/** `20260131T120000123Z`. */
function timeText(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString().replace(/[-:.]/g, "");
}

function inFolder(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
