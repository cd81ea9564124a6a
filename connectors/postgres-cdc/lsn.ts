/** Log sequence numbers: places in PostgreSQL's write-ahead log, 64-bit byte offsets. */

/**
 * Reads an LSN as PostgreSQL prints it, such as `0/16E9118`.
 *
 * @throws {SyntaxError} when it is none
 */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) throw new SyntaxError(`"${text}" is no log sequence number such as 0/16E9118`);
  return BigInt(`0x${match[1]}`) << 32n | BigInt(`0x${match[2]}`);
}

/** An LSN as PostgreSQL prints it: two hexadecimal halves. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** An LSN as 16 hexadecimal digits: text that sorts as the log does. */
export function sortableLsn(lsn: bigint): string {
  return lsn.toString(16).toUpperCase().padStart(16, "0");
}
