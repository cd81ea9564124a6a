/** For tests of the sink: a store in memory, and a world in which it is killed and opened again. */
import { gunzipSync } from "node:zlib";
import type { Batch, CheckReport, SinkContext } from "../contract.ts";
import type { Json } from "../../formats/data/value.ts";
import { fakeSinkContext } from "../../tests/fakes/context.ts";
import { fakeBatch } from "../../tests/fakes/records.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { joined } from "./bytes.ts";
import type { LayoutKeys } from "./layout.ts";
import { ObjectSink } from "./object_sink.ts";
import type { NewObject, ObjectStore } from "./object_store.ts";

/** Thrown where the process is gone. */
export class Killed extends Error {}

/** Objects by name; every call passes `step` before and after it did its work. */
export class MemoryStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();
  readonly cleaned: string[] = [];
  step: (what: string) => Promise<void> = () => Promise.resolve();

  async create({ name, body }: NewObject): Promise<"created" | "exists"> {
    await this.step(`create ${name}`);
    const exists = this.objects.has(name);
    if (!exists) this.objects.set(name, joined(body));
    await this.step(`created ${name}`);
    return exists ? "exists" : "created";
  }

  async sizeOf(name: string): Promise<number | undefined> {
    await this.step(`size of ${name}`);
    return this.objects.get(name)?.length;
  }

  async cleanUp(name: string): Promise<void> {
    await this.step(`clean up ${name}`);
    this.cleaned.push(name);
  }

  check(report: CheckReport): Promise<void> {
    report({ name: "bucket", status: "ok", message: "It is in memory" });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** The text of an object. */
  text(name: string): string {
    const bytes = this.objects.get(name)!;
    return new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  }

  /** The texts of all objects by name, in order of the names. */
  texts(): Record<string, string> {
    return Object.fromEntries([...this.objects.keys()].toSorted().map((name) => [name, this.text(name)]));
  }
}

export const KEYS: LayoutKeys = {
  format: "jsonl",
  metadata_columns: false,
  prefix: "",
  partitioning: "none",
  compression: "none",
};

/** A record of the source in a `World`. */
export interface Emitted {
  readonly lane: string;
  readonly record: DataRecord;
}

/** What outlives a process: the store, the state, the position in the source. */
export class World {
  readonly store = new MemoryStore();
  readonly documents = new Map<string, Json>();
  /** Of the last commit. */
  saved: Json | undefined;
  next = 0;
  readonly marks = new Map<string, string>();
  /** Orders of records that were refused, as far as they are committed. */
  readonly letters: string[] = [];
  /** All that was asked of store and state since it was emptied. */
  steps: string[] = [];
  /** Passed steps until the process is killed. */
  killAfter = Infinity;

  /** Opens a sink; its process is dead once a step threw. */
  async open(keys: Partial<LayoutKeys> = {}, more: { naming?: "range" | "legacy"; target?: string } = {}) {
    const { naming = "range", target = "memory" } = more;
    const fake = fakeSinkContext({ documents: this.documents, saved: this.saved, layout: "plain" });
    const step = this.#life();
    this.store.step = step;
    const context: SinkContext & { readonly rejected: typeof fake.rejected } = {
      ...fake,
      state: {
        get: fake.state.get,
        put: async (key, value) => {
          await step(`put ${key}`);
          await fake.state.put(key, value);
          await step(`saved ${key}`);
        },
      },
    };
    const options = { context, store: this.store, target, keys: { ...KEYS, ...keys }, naming };
    return { sink: await ObjectSink.open({ ...options, maxBytes: 2 << 20 }), context, step };
  }

  #life(): (what: string) => Promise<void> {
    let isDead = false;
    return (what) => {
      if (isDead || this.steps.length >= this.killAfter) {
        isDead = true;
        this.killAfter = Infinity;
        return Promise.reject(new Killed(what));
      }
      this.steps.push(what);
      return Promise.resolve();
    };
  }

  /** Runs a process from the last commit to the end of the source, or until it is killed. */
  async live(
    emitted: readonly Emitted[],
    random: () => number,
    keys: Partial<LayoutKeys> = {},
  ): Promise<boolean> {
    try {
      const { sink, context, step } = await this.open(keys);
      let marks = new Map<string, string>();
      for (let at = this.next; at < emitted.length;) {
        const batch = this.#batch(emitted, at, 1 + Math.floor(random() * 7));
        at += batch.all;
        if (batch.fresh) {
          await sink.write(batch.fresh);
          marks.set(batch.fresh.lane, batch.fresh.order(batch.fresh.length - 1)!);
        }
        if (random() < 0.7 && at < emitted.length) continue;
        const saved = await sink.flush() ?? undefined;
        await step("commit");
        this.saved = saved === undefined ? this.saved : JSON.parse(JSON.stringify(saved));
        this.next = at;
        for (const [lane, mark] of marks) this.marks.set(lane, mark);
        marks = new Map();
        this.letters.push(...context.rejected.splice(0).map(({ batch, i }) => batch.order(i)!));
        await step("committed");
      }
      await sink[Symbol.asyncDispose]();
      return true;
    } catch (error) {
      if (error instanceof Killed) return false;
      throw error;
    }
  }

  /** The next records of one lane, without those that the runtime drops. */
  #batch(emitted: readonly Emitted[], at: number, size: number): { all: number; fresh: Batch | undefined } {
    const { lane } = emitted[at];
    let all = 1;
    while (all < size && emitted[at + all]?.lane === lane) all++;
    const mark = this.marks.get(lane) ?? "";
    const records = emitted.slice(at, at + all).map(({ record }) => record).filter(({ order }) =>
      order! > mark
    );
    const fresh = records.length > 0 ? fakeBatch(records, { lane, layout: "plain" }) : undefined;
    return { all, fresh };
  }
}
