/**
 * What transforms cost, in one thread: each by itself on records that are parsed, and a chain of four from the bytes of
 * a batch to bytes again, beside a loop written by hand that does the same to the same lines.
 */
import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";
import {
  type Batch,
  type BatchData,
  batchFromData,
  batchFromRecords,
  type Origin,
} from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { openChain } from "../../runtime/chain/chain.ts";
import { conditionTest } from "../../runtime/chain/condition.ts";
import { readCase, type ReadCaseOptions } from "../../runtime/chain/transform_case.ts";
import { loadTransforms } from "../../runtime/config/transform_registry.ts";
import { Notation } from "../../transforms/_testing/notation.ts";
import { implementations } from "../../transforms/implementations.gen.ts";
import { type Bench, median } from "./measure.ts";

const ORIGIN: Origin = { connector: "bench", name: "bench", version: "0.0.0" };
const SIZE = 1000;
const KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/** A row of ten columns, as PostgreSQL's benchmarks have. */
const COLUMNS = {
  "public.orders": {
    id: "int64 key",
    customer: "string",
    email: "string",
    ssn: "string",
    status: "string",
    quantity: "int32",
    total: "decimal(12,2)",
    created_at: "timestamptz",
    updated_at: "timestamptz",
    note: "string",
  },
};

function batchOf(): BatchData {
  const notation = new Notation(COLUMNS);
  const records = Array.from({ length: SIZE }, (_, i): DataRecord =>
    notation.record({
      stream: "public.orders",
      op: i % 3 === 0 ? "insert" : "update",
      key: { id: i },
      after: {
        id: i,
        customer: `customer ${i}`,
        email: `someone.${i}@mail.example`,
        ssn: `${100 + i % 900}-45-${1000 + i}`,
        status: i % 10 === 0 ? "closed" : "active",
        quantity: i % 9 + 1,
        total: `${i}.50`,
        created_at: "2026-01-31T12:00:00.123456Z",
        updated_at: "2026-02-01T08:30:00.5Z",
        note: "a note of some sixty letters, so that the row has its length",
      },
      source: { lsn: "0/16E9118", txId: 571 },
    }));
  const head = {
    lane: "stream",
    position: { v: 1 },
    layout: "standard",
    readAtMicros: 1n,
    origin: ORIGIN,
  } as const;
  return batchFromRecords(head, records).encoded();
}

/** One transform by itself. */
interface Single {
  readonly list: string;
  readonly goal?: string;
  /** The same for one row, written by hand for these columns: without streams, keys, images before and orders. */
  readonly byHand?: (row: Row) => unknown;
  readonly byHandIs?: string;
}

/** The four that need little: rename, mask, filter, cast; and what people ask about. */
const SINGLE: Readonly<Record<string, Single>> = {
  rename_field: {
    list: "{ type: rename_field, config: { renames: { customer: client } } }",
    goal: "0.5",
    byHand: ({ id, customer, email, ssn, status, quantity, total, created_at, updated_at, note }) => (
      { id, client: customer, email, ssn, status, quantity, total, created_at, updated_at, note }
    ),
  },
  mask_field: {
    list: "{ type: mask_field, config: { fields: [ssn] } }",
    goal: "0.5",
    byHand: (row) => ({ ...row, ssn: "*".repeat(Math.min(20, (row.ssn as string).length)) }),
  },
  mask_field_hash: {
    list:
      "{ type: mask_field, config: { fields: [ssn], strategy: hash, key: a-key-of-the-benchmark-alone } }",
  },
  filter: {
    list: `{ type: filter, config: { condition: "status = active" } }`,
    goal: "0.5",
    byHand: (row) => row.status === "active" ? row : undefined,
  },
  cast: {
    list: "{ type: cast, config: { specs: { quantity: string } } }",
    goal: "0.5",
    byHand: (row) => ({ ...row, quantity: String(row.quantity) }),
  },
  timestamp_converter: {
    list: "{ type: timestamp_converter, config: { fields: [created_at], format: epoch_millis } }",
    byHand: (row) => ({ ...row, created_at: Date.parse(row.created_at as string) }),
  },
  insert_field: { list: "{ type: insert_field, config: { static_fields: { region: eu } } }" },
  flatten: { list: "{ type: flatten }" },
  extract_new_record_state: {
    list: "{ type: extract_new_record_state, config: { add_table: true, add_op: true } }",
  },
  encrypt_3_fields: {
    list: `{ type: encrypt_field, config: { fields: [ssn, email, customer], key: ${KEY} } }`,
    goal: "20",
    byHand: ({ ssn, email, customer }) => [encrypted(ssn), encrypted(email), encrypted(customer)],
    byHandIs: "a loop written by hand with node:crypto, with as much additional data, as base64",
  },
  encrypt_3_fields_deterministic: {
    list: `{ type: encrypt_field, config: { fields: [ssn, email, customer], algorithm: deterministic, ` +
      `key: ${KEY} } }`,
  },
  predicate_no_match: {
    list: `{ type: rename_field, config: { renames: { customer: client } }, predicate: { table: "=users" } }`,
  },
  predicate_operations: {
    list:
      "{ type: rename_field, config: { renames: { customer: client } }, predicate: { operations: [delete] } }",
  },
};

/** The example of the first version's README. */
const CHAIN = `
  - { type: mask_field, config: { fields: [ssn, email] } }
  - { type: timestamp_converter, config: { fields: [created_at, updated_at], format: iso8601 } }
  - { type: filter, config: { condition: "status = active", drop: false } }
  - { type: extract_new_record_state, config: { add_table: true, add_op: true } }
`;

export const transforms: Bench = {
  name: "transforms",
  async run({ records, runs }, report) {
    const definitions = await loadTransforms();
    const data = batchOf();
    const rounds = Math.max(3, Math.min(300, Math.round(records / SIZE / 10)));
    const read: ReadCaseOptions = { file: "bench", definitions, env: () => undefined, readFile: () => "" };
    const open = (list: string) => {
      const { case: made, problems } = readCase(`transforms: ${list}\n`, read);
      if (!made) throw new Error(problems.map(({ message, hint }) => `${message}: ${hint}`).join("\n"));
      return openChain(made.steps, {
        implementations,
        compileCondition: (text) => conditionTest(text, () => 0n),
        context: {
          origin: ORIGIN,
          log: { warn() {} },
          metrics: { add() {} },
          nowMicros: () => 0n,
          random: () => 0,
        },
      });
    };
    /** Microseconds of CPU per record: the median of runs, after one that does not count. */
    const perRecord = async (work: () => unknown): Promise<number> => {
      const times: number[] = [];
      for (let run = 0; run <= runs; run++) {
        const started = process.cpuUsage();
        for (let round = 0; round < rounds; round++) await work();
        const { user, system } = process.cpuUsage(started);
        if (run > 0) times.push((user + system) / rounds / SIZE);
      }
      return median(times);
    };
    const unit = "CPU µs/record";

    const parsed = batchFromData(data);
    parsed.records;
    const rows = parsed.records.map(({ after }) => after as Row);
    for (
      const [name, { list, goal, byHand, byHandIs = "a loop written by hand" }] of Object.entries(SINGLE)
    ) {
      await using chain = await open(`[${list}]`);
      const ours = await perRecord(() => chain.runRecords(parsed.records, parsed));
      const limit = byHand && await perRecord(() => rows.map(byHand));
      const limit_is = byHand && byHandIs;
      report({ bench: `transforms ${name}`, unit, ours, limit, limit_is, goal, note: "records are parsed" });
    }

    await using chain = await open(CHAIN);
    const whole = async () => (await chain.run(batchFromData(data))).batch.bytes;
    const onlyParsed = await perRecord(() => chain.runRecords(parsed.records, parsed));
    report({
      bench: "transforms chain_of_four",
      unit,
      ours: onlyParsed,
      goal: "4",
      note: "records are parsed",
    });
    const limit = await perRecord(() => byHand(parsed));
    const ours = await perRecord(whole);
    report({
      bench: "transforms chain_of_four_bytes",
      unit,
      ours,
      limit,
      limit_is: "a loop written by hand: JSON.parse, the same changes, JSON.stringify; it rounds int64",
    });
  },
};

const AAD = new TextEncoder().encode(`rivven:2:default:1:bench.public.orders.customer#{"id":500}`);
const SECRET = Uint8Array.fromBase64(KEY);

function encrypted(value: Value): string {
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const cipher = createCipheriv("aes-256-gcm", SECRET, nonce);
  cipher.setAAD(AAD);
  const text = cipher.update(encoder.encode(value as string));
  cipher.final();
  return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString("base64");
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The chain of four without types, streams, keys and orders. */
function byHand(batch: Batch): Uint8Array {
  const out: string[] = [];
  for (const line of decoder.decode(batch.bytes).split("\n")) {
    if (line === "") continue;
    const { after, source, op } = JSON.parse(line);
    if (after.status !== "active") continue;
    for (const field of ["ssn", "email"]) after[field] = "*".repeat(Math.min(20, after[field].length));
    for (const field of ["created_at", "updated_at"]) after[field] = new Date(after[field]).toISOString();
    after.__table = source.table;
    after.__op = op;
    out.push(JSON.stringify(after));
  }
  return encoder.encode(out.join("\n"));
}
