/**
 * The contract between the runtime and a transform: what a transform says about itself (TransformDefinition) and what
 * it does to the records of a batch on their way from source to sink (Transform). README.md shows how to write one.
 */
import type { z } from "zod";
import type { Origin } from "../formats/data/batch.ts";
import type { RecordError } from "../formats/data/errors.ts";
import type { DataRecord } from "../formats/data/record.ts";
import type { Stream } from "../formats/data/stream.ts";
import type { Json } from "../formats/data/value.ts";

// ---- what a transform is ----------------------------------------------------------------------------------------

/** Everything there is to know about a transform without loading it: `transforms/<type>/definition.ts`. */
export interface TransformDefinition<Config = unknown> {
  /** What `type:` says in a pipeline file; also the name of the transform's folder. */
  readonly type: string;
  /** Other names for it, each with the keys that it fixes. */
  readonly aliases?: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly title: string;
  /** One line. */
  readonly summary: string;
  /** What it does with each kind of record, and what it doesn't do. */
  readonly description: string;
  /** Every key described; secrets marked with `.meta({ secret: true })`. What it gives is plain data. */
  readonly config: z.ZodType<Config>;
  /** Spellings of other tools and older versions → the canonical ones, with a note for each. */
  readonly upgradeConfig?: (
    config: Record<string, unknown>,
  ) => { config: Record<string, unknown>; notes: string[] };
  /**
   * Fills in what this machine knows, such as a key that stands in a variable or the text of a file. Called on the
   * main thread before the schema, so that the worker needs no right to it. What it finds goes to keys that are
   * marked secret.
   */
  readonly completeConfig?: (
    config: Record<string, unknown>,
    env: (name: string) => string | undefined,
    readFile: (path: string) => string,
  ) => { config: Record<string, unknown>; problems: { key: string; message: string; hint?: string }[] };
  /**
   * What the schema can't say: an expression that doesn't parse, a name that stands twice. The key is a path in the
   * config, as in `specs.price` or `routes.0.pattern`. (A method, so that one list holds them all.)
   */
  checkConfig?(config: Config): { key: string; message: string; hint?: string }[];
  /**
   * True: it hides something. An error of it never lets the record pass, and the dead letter of such a record holds
   * no row.
   */
  readonly protects?: boolean;
  /** True: rows hold their key in clear behind it, whatever becomes of its columns: an encrypted value names its row. */
  namesKey?(config: Config): boolean;
  /** True: it may hide columns of the key, which is too late behind one that names it. */
  hidesKey?(config: Config): boolean;
  /**
   * True: records that it gives may be written without an envelope (`bare`). They don't say which record of the source
   * they are, so a sink that would look that up can't.
   */
  readonly unwraps?: boolean;
  /** A worked example, also run as a test: see README.md for its notation. */
  readonly example: string;
}

/** Checks a definition at compile time and returns it unchanged. */
export function defineTransform<Config>(
  definition: TransformDefinition<Config>,
): TransformDefinition<Config> {
  return definition;
}

// ---- what a transform does --------------------------------------------------------------------------------------

/**
 * One transform at its place in one chain. Lives as long as one `read()` of the source: what it remembers is gone
 * after a restart, together with everything that was read but not made durable.
 */
export interface Transform extends Partial<AsyncDisposable> {
  /** Is it concerned with this stream at all? Batches that concern no transform are not parsed. Default: yes. */
  matches?(stream: Stream): boolean;
  /**
   * What becomes of the stream: its columns, key, topic. Called once for each Stream object; the runtime keeps the
   * answer. A type that can't be told is `{ kind: "unknown" }`. Default: the same stream.
   *
   * @throws {ConnectorError} code `config…` when the transform can't work on such a table
   */
  stream?(stream: Stream): Stream;
  /**
   * What becomes of records, in their order. Their `stream` is already the one that `stream()` answered; records and
   * rows are never changed in place. Left out by a transform that only changes streams, so that nothing is parsed.
   * A record that can't be transformed is handed to `reject` and left out of the result. What one record became has
   * its `order`; the second and further ones have one made by `nthOrder`.
   */
  apply?(
    records: readonly DataRecord[],
    reject: RejectRecord,
  ): readonly DataRecord[] | Promise<readonly DataRecord[]>;
}

/** Takes a record out of the chain; `on_error` decides about it. The message holds no value of the row. */
export type RejectRecord = (record: DataRecord, error: RecordError) => void;

export interface TransformContext {
  /** The transform's name in the file, or its type and place: `cast #2`. */
  readonly name: string;
  /** The source whose records come; undefined where nothing says it. */
  readonly origin?: Origin;
  readonly log: { warn(message: string): void };
  readonly metrics: { add(name: string, by?: number): void };
  /** Microseconds since 1970. */
  readonly nowMicros: () => bigint;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** What `transforms/<type>/implementation.ts` exports. */
export interface TransformModule {
  openTransform(config: never, context: TransformContext): Transform | Promise<Transform>;
}
