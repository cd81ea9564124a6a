/**
 * How records become files: into which folder, in which format, compressed how. An interrupted flush is finished in the
 * layout that it was begun in, so its keys are plain data and are saved with the flush's intent (intent.ts).
 */
import type { Batch } from "../contract.ts";
import type { Operation } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import { Compressor } from "../../formats/files/compression.ts";
import type { FileFormat } from "../../formats/files/file_format.ts";
import {
  type Compression,
  COMPRESSION_SUFFIX,
  fileFormat,
  type FormatKeys,
  type FormatName,
} from "../../formats/files/formats.ts";
import { FolderTemplate } from "./folder_template.ts";

/** The keys of the configuration that decide about files. JSON, without secrets. */
export interface LayoutKeys extends FormatKeys {
  readonly format: FormatName;
  readonly prefix: string;
  readonly partitioning: string;
  readonly compression: Compression;
  readonly compression_level?: number | undefined;
}

/** Their names. */
export const LAYOUT_KEYS: readonly string[] = [
  "prefix",
  "partitioning",
  "format",
  "compression",
  "compression_level",
  "metadata_columns",
  "json",
  "csv",
  "avro",
  "parquet",
];

/** Where the records of one batch go. */
export interface Places {
  /** True: all to one place. */
  readonly isOne: boolean;
  /** The place of record `i`; asked in order, most answers cost nothing. */
  placeOf(i: number): string;
  /** Whether the format holds anything of record `i`. */
  hasContent(i: number): boolean;
}

/** Operations with a row; a delete has one beside the columns that say what it is. */
const WITH_ROW: ReadonlySet<Operation> = new Set<Operation>(["insert", "update", "snapshot", "record"]);
const PLACE_SEPARATOR = "\n";

export class FileLayout {
  readonly keys: LayoutKeys;
  readonly format: FileFormat;
  /** With its dots: `.jsonl.gz`. */
  readonly extension: string;
  /** Files hold rows of one table; otherwise the texts of records, whatever they are of. */
  readonly #holdsRows: boolean;
  readonly #folders: FolderTemplate;

  private constructor(keys: LayoutKeys, ownFormat: FileFormat, flow: string) {
    this.keys = keys;
    this.format = ownFormat;
    const { compression, prefix, partitioning, format } = keys;
    const suffix = this.format.compressesOutside ? COMPRESSION_SUFFIX[compression] : "";
    this.extension = this.format.extension + suffix;
    this.#holdsRows = format !== "jsonl" && format !== "json";
    this.#folders = new FolderTemplate(prefix, partitioning, flow);
  }

  /** Loads what the format needs. */
  static async open(keys: LayoutKeys, flow: string): Promise<FileLayout> {
    return new FileLayout(keys, await fileFormat(keys.format, keys), flow);
  }

  /** True: a compression is around its files, not in them. */
  get isCompressed(): boolean {
    return this.format.compressesOutside && this.keys.compression !== "none";
  }

  compressor(): Compressor {
    const { compression, compression_level } = this.keys;
    return new Compressor(this.isCompressed ? compression : "none", compression_level);
  }

  /** Files of one place hold one range of records each, in order. A place has no meaning but its folder. */
  placesOf(batch: Batch): Places {
    const folderOf = this.#folders.foldersOf(batch);
    if (this.#holdsRows) {
      return {
        isOne: false,
        hasContent: (i) => {
          const operation = batch.operation(i);
          return WITH_ROW.has(operation) || (operation === "delete" && this.keys.metadata_columns);
        },
        placeOf(i) {
          const stream = batch.stream(i);
          return [folderOf(i), stream.database ?? "", qualifiedName(stream)].join(PLACE_SEPARATOR);
        },
      };
    }
    const isLines = this.keys.format === "jsonl";
    return {
      isOne: isLines && this.#folders.isConstant,
      // Lines that are not there need no care; an array of nothing would be a file.
      hasContent: isLines ? () => true : (i) => batch.span(i, "text")!.length > 1,
      placeOf: folderOf,
    };
  }
}

/** The folder of a place, without slashes at its ends; empty: none. */
export function folderOf(place: string): string {
  return place.split(PLACE_SEPARATOR, 1)[0];
}
