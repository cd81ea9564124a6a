/** What every source must do: `testSource` registers its tests. */
import assert from "node:assert/strict";
import type {
  Batch,
  ConnectorDefinition,
  Position,
  Source,
  SourceContext,
} from "../../connectors/contract.ts";
import { implementations } from "../../connectors/implementations.gen.ts";
import { batchFromData, batchFromRecords } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { qualifiedName } from "../../formats/data/stream.ts";
import type { Json, Row, Value } from "../../formats/data/value.ts";
import { fakeSourceContext } from "../fakes/context.ts";
import { assertPrompt } from "../fakes/promptly.ts";
import { requireServer } from "../servers/missing.ts";
import type { Environments, SourceEnvironment } from "./environment.ts";

/** A record, and where it stood. */
type Read = { readonly lane: string; readonly batch: number } & DataRecord;

const MAX_POSITION_BYTES = 8192;
/** Positions from which a test resumes, spread over all of them. */
const MAX_RESUMES = 12;

/** Registers the tests of one source, once for each environment. */
export function testSource(
  definition: ConnectorDefinition,
  environments: Environments<SourceEnvironment>,
): void {
  for (const [label, make] of Object.entries(environments)) {
    testIn(definition, (what, fn) => {
      Deno.test(`${definition.type} source, ${label}: ${what}`, async (t) => {
        const unhandled: unknown[] = [];
        const note = (event: PromiseRejectionEvent) => {
          event.preventDefault();
          unhandled.push(event.reason);
        };
        addEventListener("unhandledrejection", note);
        try {
          await using environment = await requireServer(t, make);
          if (environment === undefined) return;
          await fn(new Origin(definition, environment));
          await new Promise((resolve) => setTimeout(resolve, 0));
        } finally {
          removeEventListener("unhandledrejection", note);
        }
        assert.deepEqual(unhandled, [], "A promise was rejected and nobody listened");
      });
    });
  }
}

function testIn(
  definition: ConnectorDefinition,
  test: (what: string, fn: (origin: Origin) => Promise<void>) => void,
): void {
  test("reading from the start gives all records, in batches as the contract has them", async (origin) => {
    const { batches, records } = await origin.read();
    assert.equal(records.length, origin.environment.records);
    for (const batch of batches) {
      assert.ok(batch.length <= 1000, `a batch of ${batch.length}`);
      const { position } = batch;
      assert.equal(typeof position.v, "number");
      const text = JSON.stringify(position);
      assert.ok(isJson(position), "A position is JSON");
      assert.ok(text.length <= MAX_POSITION_BYTES, `a position of ${text.length} bytes`);
    }
  });

  test("the order is total in each lane", async (origin) => {
    const last = new Map<string, string>();
    for (const { lane, order } of (await origin.read()).records) {
      if (lane === "") {
        assert.equal(order, undefined, "The lane without a name has no order");
        continue;
      }
      assert.match(order!, /^.*\/\d{16}(\.\d+)*$/);
      const before = last.get(lane);
      assert.ok(before === undefined || before < order!, `${lane}: ${before}, then ${order}`);
      last.set(lane, order!);
    }
  });

  test("both faces of a batch say the same", async (origin) => {
    for (const batch of (await origin.read()).batches) {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(batch.bytes);
      const lines = text === "" ? [] : text.slice(0, -1).split("\n");
      assert.ok(text === "" || text.endsWith("\n"));
      let at = 0;
      for (let i = 0; i < batch.length; i++) at += batch.span(i, "text")!.length;
      assert.equal(at, batch.bytes.length, "The texts are the bytes, one after the other");

      const again = batchFromData(batchFromRecords(batch.encoded(), batch.records).encoded());
      assert.deepEqual(again.records, batch.records);
      const parsed = (batch: Batch) =>
        new TextDecoder().decode(batch.bytes).split("\n").slice(0, -1).map((line) => JSON.parse(line));
      assert.deepEqual(parsed(again), lines.map((line) => JSON.parse(line)));
      for (let i = 0; i < batch.length; i++) {
        assert.equal(batch.stream(i), batch.records[i].stream);
        assert.equal(batch.operation(i), batch.records[i].operation);
        assert.equal(batch.order(i), batch.records[i].order);
      }
    }
  });

  test("resuming at any position gives exactly the rest", async (origin) => {
    const { batches, records } = await origin.read();
    for (const b of spread(batches.length, MAX_RESUMES)) {
      const rest = records.filter(({ batch }) => batch > b);
      const resumed = await origin.readRest(batches[b].position, rest);
      origin.assertSame(resumed, rest, `after batch ${b} of ${batches.length}`);
    }
  });

  test("resuming works where everything before was acknowledged", async (origin) => {
    const { batches, records } = await origin.read();
    const middle = batches.length >> 1;
    const before = await origin.environment.released?.();
    {
      await using source = await origin.open();
      const stop = new AbortController();
      let b = 0;
      for await (const { position } of source.read(undefined, stop.signal)) {
        if (b++ < middle) continue;
        assert.deepEqual(await origin.environment.released?.(), before, "Released before acknowledge()");
        await source.acknowledge(throughJson(position));
        break;
      }
      stop.abort();
    }
    const rest = records.filter(({ batch }) => batch > middle);
    const resumed = await origin.readRest(batches[middle].position, rest);
    origin.assertSame(resumed, rest, `after batch ${middle}`);
  });

  test("it stops within a second of being told, at once and after the first batch", async (origin) => {
    for (const batchesFirst of [0, 1]) {
      await assertPrompt(async () => {
        await using source = await origin.open();
        const stop = new AbortController();
        const iterator = source.read(undefined, stop.signal)[Symbol.asyncIterator]();
        for (let b = 0; b < batchesFirst; b++) await iterator.next();
        const startMs = performance.now();
        stop.abort();
        while (!(await iterator.next()).done) {
          assert.ok(performance.now() - startMs < 60_000, "It goes on reading");
        }
        return performance.now() - startMs;
      });
    }
  });

  test("it stops within a second while it waits", async (origin) => {
    const { isEndless, records } = origin.environment;
    await assertPrompt(async () => {
      await using source = await origin.open();
      const stop = new AbortController();
      const iterator = source.read(undefined, stop.signal)[Symbol.asyncIterator]();
      let count = 0;
      while (count < records) {
        const { value, done } = await iterator.next();
        assert.ok(!done);
        count += value.length;
      }
      // Batches without records may still come: only the position moved.
      let startMs: number | undefined;
      if (isEndless) {
        setTimeout(() => {
          startMs = performance.now();
          stop.abort();
        }, 50);
      }
      while (!(await iterator.next()).done);
      const tookMs = startMs === undefined ? 0 : performance.now() - startMs;
      assert.equal(startMs !== undefined, isEndless ?? false, "It ends by itself");
      assert.ok((await iterator.next()).done, "Nothing comes after the end");
      return tookMs;
    });
  });

  test("check() finds nothing wrong", async (origin) => {
    await using source = await origin.open();
    let findings = 0;
    await source.check(({ name, status, message }) => {
      findings++;
      assert.ok(status !== "failed", `${name}: ${message}`);
    });
    assert.ok(findings > 0);
  });

  if (definition.source!.discover) {
    test("discover() lists the streams that are read", async (origin) => {
      const { records } = await origin.read();
      await using source = await origin.open();
      const found = new Set((await source.discover!()).map(({ stream }) => qualifiedName(stream)));
      for (const { stream } of records) assert.ok(found.has(qualifiedName(stream)), qualifiedName(stream));
    });
  }
}

/** One environment, read as often as a test likes; documents outlive the sources opened in it. */
class Origin {
  readonly environment: SourceEnvironment;
  readonly #definition: ConnectorDefinition;
  readonly #documents = new Map<string, Json>();

  constructor(definition: ConnectorDefinition, environment: SourceEnvironment) {
    this.#definition = definition;
    this.environment = environment;
  }

  async open(): Promise<Source> {
    const { type, config } = this.#definition;
    const { clock, streams } = this.environment;
    const fake = fakeSourceContext({ documents: this.#documents, connector: type, streams });
    const context: SourceContext = clock ? { ...fake, clock } : fake;
    const { openSource } = await implementations[type].source!();
    return await openSource(config.parse(this.environment.config) as never, context);
  }

  /** Reads `count` records, and to the end where there is one. */
  async read(
    from?: Position,
    count = this.environment.records,
  ): Promise<{ batches: readonly Batch[]; records: readonly Read[] }> {
    await using source = await this.open();
    const stop = new AbortController();
    const batches: Batch[] = [];
    const records: Read[] = [];
    if (count === 0 && this.environment.isEndless) return { batches, records };
    for await (const batch of source.read(from && throughJson(from), stop.signal)) {
      for (const record of batch.records) {
        records.push({ ...record, lane: batch.lane, batch: batches.length });
      }
      batches.push(batch);
      if (this.environment.isEndless && records.length >= count) stop.abort();
      if (stop.signal.aborted) break;
    }
    return { batches, records };
  }

  /** Reads what comes behind a position: as many records as there were, or all where a snapshot starts again. */
  async readRest(from: Position, rest: readonly Read[]): Promise<readonly Read[]> {
    const count = rest.some(isSnapshot) ? this.environment.records : rest.length;
    return (await this.read(from, count)).records;
  }

  /**
   * A snapshot's lane belongs to one attempt: another attempt reads its tables anew, in a lane of its own. So of
   * those all rows must come again, and of all other lanes exactly the same records.
   */
  assertSame(found: readonly Read[], expected: readonly Read[], where: string): void {
    const compare = (records: readonly Read[]) =>
      records.filter((record) => !isSnapshot(record)).map((record) =>
        comparable(record, this.environment.volatile)
      );
    assert.deepEqual(compare(found), compare(expected), where);
    const rows = new Set(found.filter(isSnapshot).map(rowName));
    for (const record of expected.filter(isSnapshot)) {
      assert.ok(rows.has(rowName(record)), `${where}: a snapshot row is missing`);
    }
  }
}

function isSnapshot({ lane }: Read): boolean {
  return lane.startsWith("snapshot/");
}

function comparable({ batch: _, stream, ...record }: Read, volatile: readonly string[] = []) {
  const without = (row: Value | undefined) =>
    row !== null && typeof row === "object" && !(row instanceof Uint8Array) && !Array.isArray(row)
      ? Object.fromEntries(Object.entries(row as Row).filter(([name]) => !volatile.includes(name)))
      : row;
  return {
    ...record,
    stream: qualifiedName(stream),
    before: without(record.before),
    after: without(record.after),
    source: without(record.source),
    timeMicros: volatile.includes("timeMicros") ? undefined : record.timeMicros,
  };
}

function rowName({ stream, key, after }: Read): string {
  return JSON.stringify(
    [qualifiedName(stream), key ?? after],
    (_, value) => typeof value === "bigint" ? String(value) : value,
  );
}

/** Up to `count` numbers below `length`, the first and the last among them. */
function spread(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round(i * (length - 1) / (count - 1)));
}

function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (value === null || typeof value !== "object") {
    return ["string", "boolean", "object"].includes(typeof value);
  }
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every((member) => member === undefined || isJson(member));
}

function throughJson(position: Position): Position {
  return JSON.parse(JSON.stringify(position));
}
