/** What `check` and `discover` find out about the files of a source, by a look at the beginning of some. */
import { BatchWriter } from "../../formats/data/batch_writer.ts";
import { Streams } from "../../formats/data/envelope_reader.ts";
import { RecordError, reportError } from "../../formats/data/errors.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import type { CheckReport, DiscoveredStream, SourceContext } from "../contract.ts";
import { OpenTable } from "./open_table.ts";
import { openFile } from "./open_text.ts";
import type { SourceConfig } from "./source_config.ts";
import { type FileFinder, type FoundFile, unknownFormat } from "./source_files.ts";
import { openText } from "./source_readers.ts";

/** Files whose beginning is looked at. */
const MAX_LOOKS = 100;
/** Records of a file that are looked at. */
const MAX_RECORDS = 1000;

export function checkSource(config: SourceConfig, finder: FileFinder, report: CheckReport): Promise<void> {
  const failed = (error: unknown, blame: "config" | "environment") => {
    const { message, hint } = reportError(error);
    report({ name: "files", status: "failed", message, hint, blame });
  };
  let files: readonly FoundFile[];
  try {
    files = finder.find();
  } catch (error) {
    failed(error, "environment");
    return Promise.resolve();
  }
  if (files.length === 0) {
    report({
      name: "files",
      status: config.follow ? "warning" : "failed",
      message: `"${config.path}" selects no file`,
      hint: config.follow
        ? "Files that come are read"
        : "Look at the path, or set follow: true to wait for files",
      blame: "environment",
    });
    return Promise.resolve();
  }
  for (const { path, kind } of files) {
    if (kind.format === undefined) {
      failed(unknownFormat(path), "config");
      return Promise.resolve();
    }
    try {
      openFile(path).close();
    } catch (error) {
      failed(error, "environment");
      return Promise.resolve();
    }
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const what = files.length === 1 ? `"${files[0].path}"` : `${files.length} files, first "${files[0].path}"`;
  const formats = [...new Set(files.map(({ kind }) => kind.format))].join(", ");
  report({ name: "files", status: "ok", message: `${what}: ${bytes} bytes of ${formats}` });
  return Promise.resolve();
}

export async function discoverStreams(
  config: SourceConfig,
  finder: FileFinder,
  context: SourceContext,
): Promise<readonly DiscoveredStream[]> {
  const found = new Map<string, Stream>();
  for (const file of finder.find().slice(0, MAX_LOOKS)) {
    if (file.kind.format === undefined) throw unknownFormat(file.path);
    for (const stream of await streamsIn(file, config, context)) found.set(qualifiedName(stream), stream);
  }
  return [...found.values()].map((stream) => ({ stream, syncModes: ["incremental"] }));
}

/** The streams of the first records. */
async function streamsIn(
  file: FoundFile,
  config: SourceConfig,
  context: SourceContext,
): Promise<readonly Stream[]> {
  if (file.kind.format === "avro" || file.kind.format === "parquet") {
    const start = { name: file.name, id: file.id, pass: 0, offset: 0, count: 0, check: "" };
    using open = await OpenTable.open(file, start, config);
    return open ? [open.stream] : [];
  }
  const writer: BatchWriter = context.batchWriter({ maxRecords: MAX_RECORDS });
  const start = { name: file.name, id: file.id, pass: 0, offset: 0, count: 0, check: "" };
  using open = await openText(file, start, config, new Streams());
  if (!open) return [];
  const { reader } = open;
  for (let isEnd = false; !writer.isFull;) {
    const before = writer.length;
    try {
      if (reader.next(isEnd)) reader.write(writer);
      else if (isEnd) break;
      else if (!await open.fill()) isEnd = true;
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      writer.rollback(before);
    }
  }
  return writer.finish({ v: 1 }).streams;
}
