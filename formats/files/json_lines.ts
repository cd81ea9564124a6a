/** JSON texts as they lie in the batch: one a line, or all in one array. */
import type { Batch } from "../data/batch.ts";
import { indentJson } from "../data/indent_json.ts";
import type { FileEncoder, FileFormat } from "./file_format.ts";

const COMMA = 0x2c;
const NEWLINE = 0x0a;
const OPEN = 0x5b;

const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** `jsonl`: the batch's own bytes, one write for neighbours. */
export const JSON_LINES: FileFormat = {
  extension: ".jsonl",
  mediaType: "application/x-ndjson",
  compressesOutside: true,
  begin: (_batch, _i, out) => ({
    bufferedBytes: 0,
    add(batch, from, to) {
      const bytes = textOf(batch, from, to);
      if (bytes.length > 0) out(bytes.slice());
      return to;
    },
    end: () => Promise.resolve(),
  }),
};

/** `json`: one array, a record a line, or each over several lines. */
export function jsonArray(isPretty: boolean): FileFormat {
  return {
    extension: ".json",
    mediaType: "application/json",
    compressesOutside: true,
    begin: (_batch, _i, out) => new ArrayWriter(isPretty, out),
  };
}

class ArrayWriter implements FileEncoder {
  readonly bufferedBytes = 0;
  readonly #isPretty: boolean;
  readonly #out: (bytes: Uint8Array) => void;
  #isEmpty = true;

  constructor(isPretty: boolean, out: (bytes: Uint8Array) => void) {
    this.#isPretty = isPretty;
    this.#out = out;
  }

  add(batch: Batch, from: number, to: number): number {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (let i = from; i < to; i++) {
      const line = batch.span(i, "text")!;
      // A tombstone is an empty line at most.
      if (line.length <= 1) continue;
      const text = this.#isPretty ? indented(line) : line.subarray(0, line.length - 1);
      pieces.push(text);
      size += text.length + 2;
    }
    const all = new Uint8Array(size);
    let at = 0;
    for (const text of pieces) {
      all[at] = this.#isEmpty ? OPEN : COMMA;
      all[at + 1] = NEWLINE;
      all.set(text, at + 2);
      at += text.length + 2;
      this.#isEmpty = false;
    }
    if (size > 0) this.#out(all);
    return to;
  }

  end(): Promise<void> {
    this.#out(utf8.encode(this.#isEmpty ? "[]\n" : "\n]\n"));
    return Promise.resolve();
  }
}

function indented(line: Uint8Array): Uint8Array {
  return utf8.encode(
    "  " + indentJson(decoder.decode(line.subarray(0, line.length - 1))).replaceAll("\n", "\n  "),
  );
}

function textOf(batch: Batch, from: number, to: number): Uint8Array {
  const { bytes } = batch;
  if (from >= to) return bytes.subarray(0, 0);
  const start = batch.span(from, "text")!.byteOffset - bytes.byteOffset;
  const last = batch.span(to - 1, "text")!;
  return bytes.subarray(start, last.byteOffset - bytes.byteOffset + last.length);
}
