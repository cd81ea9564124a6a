/** Keys of messages: the names of their columns, and their text on one line. For unwrapper.ts. */
import type { KeyText } from "../../formats/data/envelope_reader.ts";
import { skipString, skipValue } from "../../formats/data/json_scan.ts";

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const OPEN = 0x7b, CLOSE = 0x7d, COMMA = 0x2c, COLON = 0x3a;
/** A double has 15 digits that always count. */
const EXACT_DIGITS = 15;

/** Reads keys. Those of a table all have the same names, so each is compared with the one before first. */
export class KeyReader {
  #names: readonly string[] = [];
  /** The names as JSON, with their quotes. */
  #written: readonly Uint8Array[] = [];

  read(bytes: Uint8Array): KeyText {
    return this.#readAgain(bytes) ?? this.#readNew(bytes);
  }

  /** A key with the same names as the one before; undefined where it is another. */
  #readAgain(bytes: Uint8Array): KeyText | undefined {
    let at = 0;
    let isExact = false;
    for (const [k, name] of this.#written.entries()) {
      if (bytes[at++] !== (k === 0 ? OPEN : COMMA)) return undefined;
      for (let i = 0; i < name.length; i++) if (bytes[at++] !== name[i]) return undefined;
      if (bytes[at++] !== COLON) return undefined;
      // A text may hold bytes that are no UTF-8: that is for the thorough way.
      const end = bytes[at] === 0x22 ? asciiEnd(bytes, at) : skipValue(bytes, at);
      if (end < 0 || bytes[at] === OPEN || bytes[at] === 0x5b) return undefined;
      if (end - at > EXACT_DIGITS) isExact = true;
      at = end;
    }
    if (this.#written.length === 0 || bytes[at] !== CLOSE || at + 1 !== bytes.length) return undefined;
    return { bytes, names: this.#names, isExact };
  }

  #readNew(bytes: Uint8Array): KeyText {
    let text: string, value: unknown;
    try {
      text = strict.decode(bytes);
      value = JSON.parse(text);
    } catch {
      return { bytes, names: undefined, isExact: false };
    }
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      return { bytes, names: undefined, isExact: false };
    }
    this.#names = Object.keys(value);
    this.#written = this.#names.map((name) => utf8.encode(JSON.stringify(name)));
    const isOneLine = !/[\r\n]/.test(text);
    return {
      bytes: isOneLine ? bytes : utf8.encode(text.replace(/[\r\n]/g, " ")),
      names: this.#names,
      isExact: /\d{16}/.test(text),
    };
  }
}

function asciiEnd(bytes: Uint8Array, at: number): number {
  const end = skipString(bytes, at);
  for (let i = at; i < end; i++) if (bytes[i] >= 0x80) return -1;
  return end;
}
