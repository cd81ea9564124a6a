/** Parquet files that DuckDB has written: its types, codecs and pages are not ours. */
import assert from "node:assert/strict";
import { DuckDb } from "../../tests/oracle/duckdb.ts";
import { recordsOf, SourceFolder } from "./testing.ts";

const table = (isNew: boolean) => `
  select i as id, i % 3 = 0 as flag, (i % 200 - 100)::tinyint as tiny, (i % 256)::utinyint as utiny, i::usmallint as us,
    (${
  isNew ? "i" : "4294967295 - i"
})::uinteger as ui, (18446744073709551615::ubigint - i::ubigint) as ub, 0.1::float as f, 'inf'::double as d,
    (-1234567890123456789.01 - i)::decimal(38, 4) as dec, (i / 100.0)::decimal(9, 2) as money,
    case when i % 5 = 0 then null else 'é' || i end as text, 'x'::blob as raw,
    '6f0b1d1e-7c4a-4b9e-8f55-0123456789ab'::uuid as uid, date '0001-01-01' as day, time '23:59:59.999999' as clock,
    timestamp '1969-12-31 23:59:59.123456' as ts, timestamptz '2026-01-31 12:00:00.5+02' as tz,
    timestamp_ns '2026-01-31 12:00:00.123456789' as ns, interval '14 months 3 days 1.5 seconds' as span,
    [i, null] as list, [[1], []]::int[][] as nested, map {'k': i} as map, {'a': i, 'b': ['x']} as struct, 'b'::enum('a', 'b') as e,
    '{"a":12345678901234567890}'::json as j
  from range(2000) t(i)`;

for (const [k, codec] of ["snappy", "zstd", "lz4_raw", "brotli"].entries()) {
  // DuckDB's newer encoding of unsigned numbers beyond 2^31 is not that of others.
  const isNew = k % 2 === 1;
  Deno.test(`parquet: a file of DuckDB, ${codec}, is read with all its types`, async () => {
    await using place = new SourceFolder();
    using duckdb = await DuckDb.open();
    const path = place.path("a.parquet");
    await duckdb.query(
      `copy (${
        table(isNew)
      }) to '${path}' (format parquet, codec '${codec}', row_group_size 2048, parquet_version ${
        isNew ? "v2" : "v1"
      })`,
    );
    const batches = await place.read({ path: "a.parquet" });
    const all = recordsOf(batches);
    assert.equal(all.length, 2000);
    for (const i of [0, 1, 1999]) {
      assert.deepEqual(all[i].after, {
        id: BigInt(i),
        flag: i % 3 === 0,
        tiny: i % 200 - 100,
        utiny: i % 256,
        us: i,
        ui: isNew ? BigInt(i) : 4294967295n - BigInt(i),
        ub: 2n ** 64n - 1n - BigInt(i),
        f: 0.1,
        d: "Infinity",
        dec: `-${1234567890123456789n + BigInt(i)}.0100`,
        money: (i / 100).toFixed(2),
        text: i % 5 === 0 ? null : `é${i}`,
        raw: new TextEncoder().encode("x"),
        uid: "6f0b1d1e-7c4a-4b9e-8f55-0123456789ab",
        day: "0001-01-01",
        clock: "23:59:59.999999",
        ts: "1969-12-31T23:59:59.123456",
        tz: "2026-01-31T10:00:00.5Z",
        ns: "2026-01-31T12:00:00.123456789",
        span: "P14M3DT1.5S",
        list: [BigInt(i), null],
        nested: [[1], []],
        map: { k: BigInt(i) },
        struct: { a: BigInt(i), b: ["x"] },
        e: "b",
        j: { a: 12345678901234567890n },
      }, `row ${i}`);
    }
    const rest = await place.records({ path: "a.parquet" }, batches[0].position);
    assert.deepEqual(rest, all.slice(batches[0].length));
  });
}
