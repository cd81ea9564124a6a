/** JSON texts as they lie in the batch: one a line, or all in one array. */
import type { Batch } from "../data/batch.ts";
import type { FileEncoder, FileFormat } from "./file_format.ts";

const COMMA = 0x2c;
const NEWLINE = 0x0a;

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

/** `json`: one array, a record a line. */
export const JSON_ARRAY: FileFormat = {
  extension: ".json",
  mediaType: "application/json",
  compressesOutside: true,
  begin: (_batch, _i, out): FileEncoder => {
    const utf8 = new TextEncoder();
    let isEmpty = true;
    return {
      bufferedBytes: 0,
      add(batch, from, to) {
        for (let i = from; i < to; i++) {
          const text = batch.span(i, "text")!;
          if (text.length <= 1) continue;
          const piece = new Uint8Array(text.length + 1);
          piece[0] = isEmpty ? 0x5b : COMMA;
          piece[1] = NEWLINE;
          piece.set(text.subarray(0, text.length - 1), 2);
          out(piece);
          isEmpty = false;
        }
        return to;
      },
      end() {
        out(utf8.encode(isEmpty ? "[]\n" : "\n]\n"));
        return Promise.resolve();
      },
    };
  },
};

function textOf(batch: Batch, from: number, to: number): Uint8Array {
  const { bytes } = batch;
  const start = batch.span(from, "text")!.byteOffset - bytes.byteOffset;
  const last = batch.span(to - 1, "text")!;
  return bytes.subarray(start, last.byteOffset - bytes.byteOffset + last.length);
}
