/**
 * The `file` sink: sorts a batch's lines by file, appends them in one write a file. Loaded by its worker. How each
 * record comes to be there exactly once is in file_set.ts.
 */
import type { Batch, CheckReport, Sink, SinkContext } from "../contract.ts";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Json } from "../../formats/data/value.ts";
import { check } from "./check.ts";
import type { FileConfig } from "./connector.ts";
import { FileSet } from "./file_set.ts";
import { hourOf } from "../_files/placeholders.ts";
import { PathTemplate } from "./path_template.ts";

/** Opens the sink: files are as the last commit left them when this resolves. */
export async function openSink(config: FileConfig, context: SinkContext): Promise<Sink> {
  if (config.format !== undefined && config.format !== "jsonl") {
    throw new ConnectorError(`Sink "${context.name}" can't append to ${config.format} files`, {
      code: "config_format",
      hint: "Use format: jsonl",
    });
  }
  const template = new PathTemplate(config.path, context.flow);
  const { rotation, if_shortened: ifShortened } = config;
  const files = await FileSet.open({
    context,
    base: template.base,
    ifShortened,
    rotation: rotation && {
      maxBytes: rotation.max_size_mb * 2 ** 20,
      maxAgeMs: rotation.max_age_hours * 3_600_000,
    },
  });
  return new FileSink(template, files);
}

class FileSink implements Sink {
  readonly #template: PathTemplate;
  readonly #files: FileSet;

  constructor(template: PathTemplate, files: FileSet) {
    this.#template = template;
    this.#files = files;
  }

  async write(batch: Batch): Promise<void> {
    const parts = linesByPath(batch, this.#template);
    if (parts.size > 0) await this.#files.append(parts);
  }

  async flush(): Promise<Json> {
    return await this.#files.flush();
  }

  check(report: CheckReport): Promise<void> {
    check(this.#template.base, report);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#files.close();
    return Promise.resolve();
  }
}

/**
 * The lines of a batch by the path they go to, in order. Lines of one path are usually neighbours: then their bytes
 * are handed on as they lie in the batch. Paths without a byte are left out.
 */
export function linesByPath(batch: Batch, template: PathTemplate): Map<string, Uint8Array> {
  const { bytes, length } = batch;
  if (bytes.length === 0) return new Map();
  if (template.isConstant) return new Map([[template.pathOf(batch.stream(0), 0), bytes]]);
  const pathAt = pathsOf(batch, template);
  const runs = new Map<string, Uint8Array[]>();
  let path = pathAt(0);
  let start = 0;
  const endRun = (end: number) => {
    if (end === start) return;
    const run = bytes.subarray(start, end);
    const others = runs.get(path);
    if (others) others.push(run);
    else runs.set(path, [run]);
    start = end;
  };
  for (let i = 1; i < length; i++) {
    const next = pathAt(i);
    if (next === path) continue;
    endRun(batch.span(i, "text")!.byteOffset - bytes.byteOffset);
    path = next;
  }
  endRun(bytes.length);
  return new Map([...runs].map(([path, pieces]) => [path, joined(pieces)]));
}

/** The path of record `i`; asked in order, most answers are the one before. */
function pathsOf(batch: Batch, template: PathTemplate): (i: number) => string {
  const times = template.hasDate ? batch.encoded() : undefined;
  let stream: Stream | undefined;
  let time = 0n;
  let path = "";
  return (i) => {
    const nextStream = batch.stream(i);
    const nextTime = times ? times.columns.timeMicros[times.first + i] : 0n;
    // Records of one transaction have one time.
    if (nextStream === stream && nextTime === time) return path;
    stream = nextStream;
    time = nextTime;
    return path = template.pathOf(stream, hourOf(time));
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
