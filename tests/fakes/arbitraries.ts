/**
 * Random streams and records for property tests: every type of column with the values that hurt (the ends of int64,
 * −0, half surrogates, names such as `__proto__` and `7`), every operation with the rows that it can have.
 */
import fc from "fast-check";
import { orderText } from "../../formats/data/batch.ts";
import type { DataRecord, Header, Operation } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";

/** Any UTF-16, halves of surrogate pairs included. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 8,
  }),
  fc.string({
    unit: fc.constantFrom('"', "\\", "\n", "\r", "\t", "\0", "\u2028", "/", "{", "}", ",", "é", "𝄞"),
  }),
);

const name: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("id", "total", "customer", "a b", "größe", 'say "hi"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom("__proto__", "constructor", "7", "0", "", "snapshot", "order", "name"),
  },
  { weight: 1, arbitrary: anyText },
);

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(
    -(2n ** 63n),
    2n ** 63n - 1n,
    0n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    999_999_999_999_999n,
    10n ** 15n,
  ),
);
const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constant(2n ** 64n - 1n));
const float = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom<number | string>(
    -0,
    1e20,
    2 ** 53,
    -(2 ** 60),
    1e-7,
    1e300,
    "NaN",
    "Infinity",
    "-Infinity",
  ),
);
const bytes = fc.uint8Array({ maxLength: 20 });
const decimal = fc.tuple(int64, fc.nat({ max: 99 })).map(([whole, rest]) =>
  `${whole}.${String(rest).padStart(2, "0")}`
);

/** What a `json` column or a schemaless payload can hold: an integer is a bigint only where a number can't be exact. */
export const anyJson: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.constantFrom<Value>(-0, 1e20, 2n ** 53n, -(2n ** 63n), 10n ** 30n),
    anyText,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

const text = (...texts: string[]) => fc.constantFrom(...texts);
const scalars: readonly (readonly [ColumnType, fc.Arbitrary<Value>])[] = [
  [{ kind: "boolean" }, fc.boolean()],
  [{ kind: "int16" }, fc.integer({ min: -32768, max: 32767 })],
  [{ kind: "int32" }, fc.integer()],
  [{ kind: "int64" }, int64],
  [{ kind: "uint64" }, uint64],
  [{ kind: "float32" }, float],
  [{ kind: "float64" }, float],
  [{ kind: "decimal", precision: 38, scale: 2 }, decimal],
  [{ kind: "string" }, anyText],
  [{ kind: "enum", values: ["new", "paid"] }, text("new", "paid")],
  [{ kind: "uuid" }, fc.uuid()],
  [{ kind: "bytes" }, bytes],
  [{ kind: "date" }, text("2026-01-31", "-0043-03-15", "infinity")],
  [{ kind: "timestamp", precision: 6 }, text("2026-01-31T12:00:00.123456", "2026-01-31T12:00:00")],
  [
    { kind: "timestamptz", precision: 9 },
    text("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00+02:00"),
  ],
  [{ kind: "interval" }, text("P1DT2H", "P-1Y")],
  [{ kind: "json" }, anyJson],
  [{ kind: "unknown" }, anyJson],
];

interface Typed {
  readonly type: ColumnType;
  readonly value: fc.Arbitrary<Value>;
}

/** A type together with its values; arrays are nested to two dimensions, as PostgreSQL's may be. */
const typed: fc.Arbitrary<Typed> = fc.letrec<{ any: Typed }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2 },
    { weight: 6, arbitrary: fc.constantFrom(...scalars).map(([type, value]) => ({ type, value })) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...scalars.filter(([{ kind }]) => kind !== "json" && kind !== "unknown"))
        .map(([items, value]): Typed => {
          const row = fc.array(fc.option(value), { maxLength: 3 });
          return { type: { kind: "array", items }, value: fc.oneof(row, fc.array(row, { maxLength: 2 })) };
        }),
    },
    {
      weight: 1,
      arbitrary: tie("any").map(({ type, value }): Typed => ({
        type: { kind: "map", values: type },
        value: fc.dictionary(name, fc.option(value), { maxKeys: 3, noNullPrototype: true }),
      })),
    },
    {
      weight: 1,
      arbitrary: fc.array(fc.tuple(name, tie("any")), { maxLength: 3 }).map((fields): Typed => {
        const distinct = [...new Map(fields)];
        return {
          type: {
            kind: "struct",
            fields: distinct.map(([name, { type }]) => ({ name, type, nullable: true })),
          },
          value: fc.tuple(...distinct.map(([, { value }]) => fc.option(value)))
            .map((values) => Object.fromEntries(distinct.map(([name], i) => [name, values[i]]))),
        };
      }),
    },
  ),
})).any;

export interface Table {
  readonly stream: Stream;
  readonly row: fc.Arbitrary<Row>;
}

/** A table and rows of it: some columns NULL, some not sent. */
export const anyTable: fc.Arbitrary<Table> = fc.record({
  name: anyText,
  namespace: fc.option(anyText, { nil: undefined }),
  database: fc.option(anyText, { nil: undefined }),
  columns: fc.uniqueArray(fc.tuple(name, typed), { selector: ([name]) => name, maxLength: 6 }),
  keySize: fc.nat({ max: 2 }),
  keyFrom: fc.boolean(),
}).map(({ columns, keySize, keyFrom, ...names }) => {
  const list: Column[] = columns.map(([name, { type }]) => ({ name, type, nullable: true }));
  const key = list.map(({ name }) => name).slice(0, keySize);
  const stream: Stream = {
    ...names,
    columns: list,
    key: keyFrom ? key : key.toReversed(),
    payload: "row",
    version: 1,
  };
  const sent = fc.tuple(
    ...columns.map(([, { value }]) =>
      fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.constantFrom(null, undefined) })
    ),
  );
  const row = sent.map((values) =>
    Object.fromEntries(
      columns.flatMap(([name], i) => values[i] === undefined ? [] : [[name, values[i] as Value] as const]),
    )
  );
  return { stream, row };
});

const queue: fc.Arbitrary<{ stream: Stream; after: fc.Arbitrary<Value> }> = fc.record({
  name: anyText,
  isBytes: fc.boolean(),
}).map(({ name, isBytes }) => ({
  stream: { name, key: [], payload: isBytes ? "bytes" as const : "json" as const, version: 1 },
  after: isBytes ? bytes : anyJson,
}));

const OWN_NAMES = ["lsn", "txId", "sequence", "position", "cdc", "a,b", 'q"', "x}"];
/** Own members of `source`: names that the envelope does not use itself. */
const source: fc.Arbitrary<Row | undefined> = fc.option(
  fc.dictionary(fc.constantFrom(...OWN_NAMES), anyJson, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  { nil: undefined },
);
const headers: fc.Arbitrary<readonly Header[] | undefined> = fc.option(
  fc.array(fc.tuple(anyText, fc.oneof(anyText, bytes)), { minLength: 1, maxLength: 2 }),
  { nil: undefined },
);
const order: fc.Arbitrary<string | undefined> = fc.option(
  fc.tuple(text("00000000016E9118", "a/b", 'q"\\', ""), fc.nat(), text("", "", ".1", ".1.2"))
    .map(([group, index, suffix]) => orderText(group, index, suffix)),
  { nil: undefined },
);
const timeMicros = fc.oneof(fc.bigInt({ min: 0n, max: 4n * 10n ** 15n }), fc.constantFrom(0n, -1n, 999n));

const common = fc.record({ timeMicros, source, headers, order });

/** A record whose members are all there, as a parsed one has them. */
function whole(record: DataRecord): DataRecord {
  const { stream, operation, key, before, after, unavailable, timeMicros, source, headers, order, bare } =
    record;
  return {
    stream,
    operation,
    key,
    before,
    after,
    unavailable,
    timeMicros,
    source,
    headers,
    order,
    bare: bare ?? false,
  };
}

/** The key as BatchWriter takes it from the rows: `before` has the say, `after` where `before` is not enough. */
export function keyFromRows(
  { stream, before, after }: Pick<DataRecord, "stream" | "before" | "after">,
): Row | undefined {
  const { key } = stream;
  if (key.length === 0) return undefined;
  for (const row of [before, after as Row | undefined]) {
    if (row && key.every((name) => Object.hasOwn(row, name))) {
      return Object.fromEntries(key.map((name) => [name, row[name]]));
    }
  }
  return undefined;
}

const MARKERS = ["first", "first_in_data_collection", "last", "last_in_data_collection", "incremental"];

/** The place of a change in its transaction. */
const place: fc.Arbitrary<Row> = fc.record({
  id: fc.constantFrom("571:24023320", 'a"b:1'),
  total_order: fc.nat(),
  data_collection_order: fc.nat(),
}, { noNullPrototype: true });

/** A change of a random table, as a CDC source would write it. */
export const anyChange: fc.Arbitrary<DataRecord> = anyTable.chain(({ stream, row }) =>
  fc.record({
    common,
    operation: fc.constantFrom<Operation>("insert", "update", "delete", "snapshot", "truncate", "tombstone"),
    before: fc.option(row, { nil: undefined }),
    after: row,
    marker: fc.option(fc.constantFrom(...MARKERS), { nil: undefined }),
    transaction: fc.option(place, { nil: undefined }),
  }).map(({ common, operation, before, after, marker, transaction }) => {
    const rows = {
      before: operation === "update" || operation === "delete" || operation === "tombstone"
        ? before
        : undefined,
      after: operation === "insert" || operation === "update" || operation === "snapshot" ? after : undefined,
    };
    const absent = stream.columns!.map(({ name }) => name).filter((name) => !Object.hasOwn(after, name));
    const unavailable = operation === "update" && absent.length > 0 ? absent : undefined;
    const marked = operation === "snapshot" && marker
      ? { snapshot: marker, ...common.source }
      : common.source;
    const own = transaction ? { ...marked, transaction } : marked;
    const key = operation === "truncate" ? undefined : keyFromRows({ stream, ...rows });
    return whole({ stream, operation, ...rows, key, unavailable, ...common, source: own });
  })
);

/** A message, a schema document, or a record of a queue, with a key of its own. */
export const anyOther: fc.Arbitrary<DataRecord> = fc.oneof(
  anyTable.chain(({ stream, row }) =>
    fc.record({ common, row, document: anyJson, kind: fc.nat({ max: 2 }) }).map(
      ({ common, row, document, kind }) => {
        const operation = (["message", "schema", "record"] as const)[kind];
        const after = operation === "record" ? row : document;
        const key = operation === "record" ? keyFromRows({ stream, after: row }) : undefined;
        return whole({ stream, operation, key, after, ...common });
      },
    )
  ),
  queue.chain(({ stream, after }) =>
    fc.record({ common, after, key: fc.option(bytes, { nil: undefined }) }).map(({ common, after, key }) =>
      whole({ stream, operation: "record", key, after, ...common })
    )
  ),
);

export const anyRecord: fc.Arbitrary<DataRecord> = fc.oneof({ weight: 3, arbitrary: anyChange }, {
  weight: 2,
  arbitrary: anyOther,
});
