/** Which reader a file needs. */
import type { Streams } from "../../formats/data/envelope_reader.ts";
import { JsonLines } from "../../formats/files/read/json_lines.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { MakeReader } from "./open_text.ts";
import type { SourceConfig } from "./source_config.ts";
import type { FoundFile } from "./source_files.ts";

const utf8 = new TextEncoder();

/** A reader of the file's text, for its format. */
export function textReaderOf(file: FoundFile, config: SourceConfig, streams: Streams): MakeReader {
  if (file.kind.format !== "jsonl") {
    throw new ConnectorError(
      `Cannot read "${file.path}": format ${file.kind.format} is not in this build yet`,
      {
        code: "config_format",
        hint: "Use jsonl",
      },
    );
  }
  const { isPlain, key, max_line_bytes: maxBytes } = config;
  const stream = config.stream ?? file.kind.stream;
  const text = {
    timeMicros: BigInt(Math.trunc(file.mtimeMs)) * 1000n,
    own: utf8.encode(`,"file":${JSON.stringify(file.name)}`),
  };
  return (offset, count) => new JsonLines({ stream, streams, isPlain, key, maxBytes }, text, offset, count);
}
