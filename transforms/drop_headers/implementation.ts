/** Headers taken off messages: the work of drop_headers. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import { patternTest } from "../../formats/data/stream_pattern.ts";
import type { Transform } from "../contract.ts";
import type { DropHeadersConfig } from "./definition.ts";

export function openTransform({ headers, keep }: DropHeadersConfig): Transform {
  const dropped = headers.map(patternTest), kept = keep.map(patternTest);
  const goes = (name: string) => dropped.some((test) => test(name)) && !kept.some((test) => test(name));
  return {
    apply: (records) =>
      records.map((record): DataRecord => {
        if (!record.headers?.some(([name]) => goes(name))) return record;
        const left = record.headers.filter(([name]) => !goes(name));
        return { ...record, headers: left.length > 0 ? left : undefined };
      }),
  };
}
