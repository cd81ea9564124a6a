/** A folder of files for tests of the source, and what is read of them. */
import { join } from "node:path";
import type { Batch, Position, Source } from "../contract.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Json } from "../../formats/data/value.ts";
import { type FakeSourceContext, fakeSourceContext } from "../../tests/fakes/context.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import definition from "./connector.ts";
import { openSource } from "./source.ts";

export type ReadRecord = DataRecord & { readonly lane: string };

export class SourceFolder implements AsyncDisposable {
  readonly folder: string = Deno.makeTempDirSync();
  readonly documents: Map<string, Json> = new Map();
  context!: FakeSourceContext;

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array, append = false): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.mkdirSync(join(this.path(name), ".."), { recursive: true });
    Deno.writeFileSync(this.path(name), bytes, { append });
  }

  append(name: string, content: string | Uint8Array): void {
    this.write(name, content, true);
  }

  /** @param batchRecords records of a batch at most */
  open(config: Record<string, unknown>, batchRecords = 1000): Source {
    const context = fakeSourceContext({
      documents: this.documents,
      connector: "file",
      clock: new FakeClock(true),
    });
    this.context = {
      ...context,
      batchWriter: (limits) => context.batchWriter({ maxRecords: batchRecords, ...limits }),
    };
    const parsed = definition.config.parse({ ...config, path: this.path(config.path as string) });
    return openSource(parsed, this.context);
  }

  /** Reads to the end. */
  async read(config: Record<string, unknown>, from?: Position, batchRecords?: number): Promise<Batch[]> {
    await using source = this.open(config, batchRecords);
    const batches: Batch[] = [];
    for await (const batch of source.read(throughJson(from), new AbortController().signal)) {
      batches.push(batch);
    }
    return batches;
  }

  async records(
    config: Record<string, unknown>,
    from?: Position,
    batchRecords?: number,
  ): Promise<ReadRecord[]> {
    return recordsOf(await this.read(config, from, batchRecords));
  }

  /** Follows, and hands each batch that has records to `see` until that says true. */
  async follow(
    config: Record<string, unknown>,
    see: (records: readonly ReadRecord[], position: Position) => boolean,
    from?: Position,
  ): Promise<void> {
    await using source = this.open({ ...config, follow: true });
    const stop = new AbortController();
    for await (const batch of source.read(throughJson(from), stop.signal)) {
      if (see(recordsOf([batch]), batch.position)) break;
    }
    stop.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.folder, { recursive: true });
  }
}

export function recordsOf(batches: readonly Batch[]): ReadRecord[] {
  return batches.flatMap((batch) => batch.records.map((record) => ({ ...record, lane: batch.lane })));
}

function throughJson(position: Position | undefined): Position | undefined {
  return position && JSON.parse(JSON.stringify(position));
}
