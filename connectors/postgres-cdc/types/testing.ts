/** What the tests of the codecs share: a catalog without a server, and a way to see both faces of one value. */
import { type Batch, batchFromData } from "../../../formats/data/batch.ts";
import { BatchWriter, writerColumns } from "../../../formats/data/batch_writer.ts";
import { RecordError } from "../../../formats/data/errors.ts";
import type { Stream } from "../../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../../formats/data/value.ts";
import { DEFAULT_TYPE_OPTIONS, TypeCatalog, type TypeOptions, type TypeRow } from "./mod.ts";

/** A row of TYPE_QUERY with what a type needs at least. */
export function typeRow(members: Record<string, string>): TypeRow {
  return { namespace: "pg_catalog", kind: "base", native: members.name, extension: null, ...members };
}

/** Name → [oid, oid of its array]: pg_type.dat. */
const BUILT_IN: Record<string, readonly [number, number]> = {
  bool: [16, 1000],
  bytea: [17, 1001],
  char: [18, 1002],
  name: [19, 1003],
  int8: [20, 1016],
  int2: [21, 1005],
  int4: [23, 1007],
  text: [25, 1009],
  oid: [26, 1028],
  tid: [27, 1010],
  xid: [28, 1011],
  cid: [29, 1012],
  json: [114, 199],
  xml: [142, 143],
  point: [600, 1017],
  lseg: [601, 1018],
  path: [602, 1019],
  box: [603, 1020],
  polygon: [604, 1027],
  line: [628, 629],
  cidr: [650, 651],
  float4: [700, 1021],
  float8: [701, 1022],
  circle: [718, 719],
  macaddr8: [774, 775],
  money: [790, 791],
  macaddr: [829, 1040],
  inet: [869, 1041],
  bpchar: [1042, 1014],
  varchar: [1043, 1015],
  date: [1082, 1182],
  time: [1083, 1183],
  timestamp: [1114, 1115],
  timestamptz: [1184, 1185],
  interval: [1186, 1187],
  timetz: [1266, 1270],
  bit: [1560, 1561],
  varbit: [1562, 1563],
  numeric: [1700, 1231],
  uuid: [2950, 2951],
  pg_lsn: [3220, 3221],
  tsvector: [3614, 3643],
  jsonb: [3802, 3807],
  xid8: [5069, 271],
};

const RANGES: Record<string, readonly [oid: number, bound: string, multirange: number]> = {
  int4range: [3904, "int4", 4451],
  numrange: [3906, "numeric", 4532],
  tsrange: [3908, "timestamp", 4533],
  tstzrange: [3910, "timestamptz", 4534],
  daterange: [3912, "date", 4535],
  int8range: [3926, "int8", 4536],
};

const oids = new Map<string, number>();

/** The oid of a type that comes with the server, by its own name (`int4`, `_int4`). */
export function oidOf(name: string): number {
  const oid = oids.get(name);
  if (oid === undefined) throw new Error(`No such type: ${name}`);
  return oid;
}

function builtInRows(): TypeRow[] {
  const rows: TypeRow[] = [];
  const add = (oid: number, name: string, members: Record<string, string> = {}) => {
    oids.set(name, oid);
    rows.push(typeRow({ oid: String(oid), name, ...members }));
  };
  for (const [name, [oid, array]] of Object.entries(BUILT_IN)) {
    add(oid, name);
    const delimiter = name === "box" ? ";" : ",";
    add(array, `_${name}`, { kind: "array", element: String(oid), delimiter, native: `${name}[]` });
  }
  for (const [name, [oid, bound, multirange]] of Object.entries(RANGES)) {
    add(oid, name, { kind: "range", range_of: String(oidOf(bound)) });
    add(multirange, name.replace("range", "multirange"), { kind: "multirange", range_of: String(oid) });
  }
  return rows;
}

const ROWS = builtInRows();

/** A catalog of the types that come with the server, and of `more`. */
export function testCatalog(options: Partial<TypeOptions> = {}, more: readonly TypeRow[] = []): TypeCatalog {
  return new TypeCatalog([...ROWS, ...more], { ...DEFAULT_TYPE_OPTIONS, ...options });
}

/** Both faces of a value: its JSON text, and what a record has after that text was parsed again. */
export interface Faces {
  readonly json: string;
  readonly value: Value;
  readonly type: ColumnType;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes one value into a batch of one record. The text stands between others, as it does on the wire. */
export function faces(catalog: TypeCatalog, oid: number, text: string, typmod = -1): Faces {
  return facesOf(catalog, [{ name: "value", oid, typmod }], [text])[0];
}

/** Writes the values of one row into a batch of one record. */
export function facesOf(
  catalog: TypeCatalog,
  columns: readonly { readonly name: string; readonly oid: number; readonly typmod: number }[],
  texts: readonly (string | null)[],
): Faces[] {
  const types = columns.map(({ oid, typmod }) => catalog.columnType(oid, typmod));
  const batch = batchOf(catalog, columns, texts);
  const row = batch.records[0].after as Row;
  const members = memberTexts(decoder.decode(batch.span(0, "after")!), columns.map(({ name }) => name));
  return columns.map(({ name }, i) => ({ json: members[i], value: row[name], type: types[i] }));
}

/** A batch with one record in layout `standard`. */
export function batchOf(
  catalog: TypeCatalog,
  columns: readonly { readonly name: string; readonly oid: number; readonly typmod: number }[],
  texts: readonly (string | null)[],
): Batch {
  const stream: Stream = {
    name: "t",
    namespace: "public",
    database: "db",
    key: [],
    payload: "row",
    version: 1,
    columns: columns.map(({ name, oid, typmod }) => ({
      name,
      type: catalog.columnType(oid, typmod),
      nullable: true,
      nativeType: catalog.nativeType(oid, typmod),
    })),
  };
  const out = new BatchWriter({
    origin: { connector: "postgres-cdc", name: "test", version: "0" },
    layout: "standard",
    nowMicros: () => 1_000_000n,
    maxRecords: 1,
    // Small, so that every writer must make room for what it writes.
    maxBytes: 8,
  });
  out.begin(stream, "insert", 1_000_000n, "0", 0);
  out.beginRow("after");
  const names = writerColumns(stream);
  columns.forEach(({ oid, typmod }, i) => {
    out.column(names[i]);
    const text = texts[i];
    if (text === null) return out.null();
    const source = encoder.encode(`x${text}"x`);
    catalog.writer(oid, typmod)(out, source, 1, source.length - 2);
  });
  out.endRow();
  out.end();
  return batchFromData(out.finish({ v: 1 }));
}

/** The texts of an object's members, cut out of it at the names. */
function memberTexts(object: string, names: readonly string[]): string[] {
  const prefixes = names.map((name, i) => `${i === 0 ? "{" : ","}${JSON.stringify(name)}:`);
  const texts: string[] = [];
  let at = 0;
  names.forEach((_, i) => {
    at = object.indexOf(prefixes[i], at) + prefixes[i].length;
    const end = i + 1 < names.length ? object.indexOf(prefixes[i + 1], at) : object.length - 1;
    texts.push(object.slice(at, end));
    at = end;
  });
  return texts;
}

/** Whether the text is refused with the error that malformed values have; anything else thrown goes on. */
export function isRefused(catalog: TypeCatalog, oid: number, text: string, typmod = -1): boolean {
  try {
    faces(catalog, oid, text, typmod);
    return false;
  } catch (error) {
    if (error instanceof RecordError && error.code === "serialization_malformed_value") return true;
    throw error;
  }
}
