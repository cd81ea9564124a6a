/** Avro and Parquet files read back: those that our own formats write, with every type of column. */
import assert from "node:assert/strict";
import type { Batch } from "../contract.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { Column, ColumnType, Row, Value } from "../../formats/data/value.ts";
import { fileFormat, type FormatKeys, type FormatName } from "../../formats/files/formats.ts";
import { fakeBatch, fakeRecord } from "../../tests/fakes/records.ts";
import { recordsOf, SourceFolder } from "./testing.ts";

/** Type, and values at its edges. */
const COLUMNS: Readonly<Record<string, readonly [ColumnType, ...Value[]]>> = {
  id: [{ kind: "int64" }, -(2n ** 63n), 2n ** 63n - 1n, 9007199254740993n],
  u: [{ kind: "uint64" }, 2n ** 64n - 1n, 0n],
  b: [{ kind: "boolean" }, true, false],
  small: [{ kind: "int16" }, -32768, 32767],
  int: [{ kind: "int32" }, -2147483648, 2147483647],
  f: [{ kind: "float32" }, 0.1, 3.4028235e38, "NaN", "-Infinity", 1.1754944e-38],
  d: [{ kind: "float64" }, 0.1, -0, 5e-324, 1.7976931348623157e308, "Infinity"],
  dec: [
    { kind: "decimal", precision: 38, scale: 10 },
    "-1234567890123456789012345678.0123456789",
    "0.0000000001",
  ],
  money: [{ kind: "decimal", precision: 9, scale: 2 }, "-0.05", "1234567.89", "12.00"],
  free: [{ kind: "decimal" }, "0.1", "123456789012345678901234567890.5"],
  text: [{ kind: "string" }, "", "Zoë \u0000 日本 \u{1f600}", '"quoted"'],
  uuid: [{ kind: "uuid" }, "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab"],
  bytes: [{ kind: "bytes" }, Uint8Array.of(0, 1, 255), new Uint8Array()],
  day: [{ kind: "date" }, "2026-01-31", "0001-01-01", "1582-10-15", "+12026-02-28"],
  time: [{ kind: "time", precision: 6 }, "23:59:59.999999", "00:00:00"],
  at: [{ kind: "timestamp", precision: 6 }, "2026-01-31T12:00:00.123456", "1969-12-31T23:59:59.999999"],
  atz: [{ kind: "timestamptz", precision: 3 }, "2026-01-31T12:00:00.5Z", "0001-01-01T00:00:00Z"],
  nano: [{ kind: "timestamptz", precision: 9 }, "2026-01-31T12:00:00.123456789Z"],
  json: [{ kind: "json" }, { a: [1, null, { b: 12345678901234567890n }] }, [], "text", 5, true],
  list: [{ kind: "array", items: { kind: "int64" } }, [1n, null, 3n], []],
  texts: [{ kind: "array", items: { kind: "string" } }, ["a", ""], [null]],
  map: [{ kind: "map", values: { kind: "float64" } }, { a: 1.5, "": null }, {}],
  struct: [
    {
      kind: "struct",
      fields: [
        { name: "x", type: { kind: "int32" }, nullable: true },
        { name: "y", type: { kind: "string" }, nullable: true },
      ],
    },
    { x: 1, y: "two" },
    { x: null, y: null },
  ],
};

const columns: readonly Column[] = Object.entries(COLUMNS)
  .map(([name, [type]]) => ({ name, type, nullable: name !== "id" }));
const stream: Stream = { name: "edges", columns, key: ["id"], payload: "row", version: 1 };

/** A row for each value, the others NULL or what they have at that place. */
const ROWS: readonly Row[] = Array.from({ length: 6 }, (_, i) =>
  Object.fromEntries(
    Object.entries(COLUMNS).map((
      [name, [, ...values]],
    ) => [name, values[i] ?? (name === "id" ? BigInt(i) : null)]),
  ));

async function written(name: FormatName, batch: Batch, keys: Partial<FormatKeys> = {}): Promise<Uint8Array> {
  const format = await fileFormat(name, { metadata_columns: false, ...keys });
  const pieces: Uint8Array[] = [];
  const encoder = format.begin(batch, 0, (bytes) => pieces.push(bytes));
  assert.equal(
    encoder.add(batch, 0, batch.length, (i, error) => assert.fail(`record ${i}: ${error.message}`)),
    batch.length,
  );
  await encoder.end();
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
}

const record = (after: Row): DataRecord =>
  fakeRecord(1, { stream, operation: "record", key: undefined, after, source: undefined });

/** What a format has no type of its own for. */
const KINDS: Readonly<Record<"avro" | "parquet", Readonly<Record<string, string>>>> = {
  avro: { u: "decimal", small: "int32", free: "string" },
  parquet: { free: "string" },
};

for (const format of ["avro", "parquet"] as const) {
  Deno.test(`${format}: every type of column comes back with equal values`, async () => {
    await using place = new SourceFolder();
    place.write(`edges.${format}`, await written(format, fakeBatch(ROWS.map(record))));
    const found = await place.records({ path: `edges.${format}`, key: ["id"] });
    for (const [i, row] of ROWS.entries()) {
      const u = row.u !== null && KINDS[format].u === "decimal" ? String(row.u) : row.u;
      assert.deepEqual(found[i].after, { ...row, u }, `row ${i}`);
    }
    assert.deepEqual(found.map(({ key }) => key), ROWS.map(({ id }) => ({ id })));
    const [{ stream }] = found;
    const kinds = stream.columns!.map(({ name, type: { kind } }) => [name, kind]);
    const expected = columns.map(({ name, type }) => [name, KINDS[format][name] ?? type.kind]);
    assert.deepEqual(kinds, expected);
    const decimals = stream.columns!.filter(({ type }) => type.kind === "decimal").map(({ type }) => type);
    assert.deepEqual(decimals.slice(-2), [COLUMNS.dec[0], COLUMNS.money[0]]);
  });

  Deno.test(`${format}: changes with metadata columns come back as changes`, async () => {
    await using place = new SourceFolder();
    const id = { id: 7n };
    const changes = [
      fakeRecord(1),
      fakeRecord(2, { operation: "snapshot" }),
      fakeRecord(3, {
        operation: "update",
        before: id,
        after: { id: 3n, total: "3.50" },
        unavailable: ["customer"],
      }),
      fakeRecord(4, {
        operation: "delete",
        key: id,
        before: { ...id, customer: null, total: null },
        after: undefined,
      }),
    ];
    place.write(`orders.${format}`, await written(format, fakeBatch(changes), { metadata_columns: true }));
    const found = await place.records({ path: `orders.${format}` });
    assert.deepEqual(
      found.map(({ operation, timeMicros, unavailable, before, after }) => ({
        operation,
        timeMicros,
        unavailable,
        before,
        after,
      })),
      changes.map(({ operation, timeMicros, unavailable, before, after }) => ({
        operation,
        timeMicros,
        unavailable,
        before: operation === "delete" ? before : undefined,
        after,
      })),
    );
    assert.deepEqual(found[0].source, { file: `orders.${format}`, origin: { order: changes[0].order } });
  });

  Deno.test(`${format}: from any position comes exactly the rest`, async () => {
    await using place = new SourceFolder();
    const rows = Array.from({ length: 1000 }, (_, i) => ({ ...ROWS[i % 6], id: BigInt(i) }));
    const keys = format === "parquet" ? { parquet: { ...PARQUET, row_group_size: 300 } } : {};
    place.write(
      `a.${format}`,
      await written(format, fakeBatch(rows.map(record)), keys as Partial<FormatKeys>),
    );
    const config = { path: `a.${format}` };
    const batches = await place.read(config, undefined, 190);
    const all = recordsOf(batches);
    assert.deepEqual(all.map(({ after }) => (after as { id: bigint }).id), rows.map(({ id }) => id));
    let count = 0;
    for (const { length, position } of batches) {
      count += length;
      const rest = await place.records(config, position, 190);
      assert.deepEqual(
        rest.map(({ order, lane }) => [order, lane]),
        all.slice(count).map(({ order, lane }) => [order, lane]),
      );
      assert.deepEqual(rest.at(-1)?.after, all.slice(count).at(-1)?.after);
    }
  });

  Deno.test(`${format}: a file that is cut off or something else is an error, and waited for while it is followed`, async () => {
    await using place = new SourceFolder();
    const bytes = await written(format, fakeBatch(ROWS.map(record)));
    place.write(`a.${format}`, bytes.subarray(0, bytes.length - 10));
    if (format === "parquet") {
      await assert.rejects(place.read({ path: `a.${format}` }), { code: "serialization_file" });
    }
    place.write(`b.${format}`, "this is something else, and long enough to be looked at");
    await assert.rejects(place.read({ path: `b.${format}` }), { code: "serialization_file" });
    let count = 0;
    await place.follow({ path: `a.${format}` }, (records) => {
      count += records.length;
      if (count === 0) place.append(`a.${format}`, bytes.subarray(bytes.length - 10));
      return count === ROWS.length;
    });
  });
}

const PARQUET = {
  compression: "zstd",
  row_group_size: 10_000,
  enable_statistics: true,
  data_page_size: 4096,
  dictionary_page_size: 1 << 20,
  max_string_size: 1 << 20,
};
