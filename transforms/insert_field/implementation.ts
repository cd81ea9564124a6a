/** Fields added to rows: the work of insert_field. Loaded by workers. */
import type { DataRecord } from "../../formats/data/record.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType, Row, Value } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import { addedColumn, typedValue } from "../_shared/column_types.ts";
import { asJson } from "../_shared/json_values.ts";
import { eachPart, mayRetype, UntouchedParts } from "../_shared/parts.ts";
import { columnAt, type FieldPath, parsePath, setMember, valueAt, withColumn } from "../_shared/paths.ts";
import { template } from "../_shared/templates.ts";
import { timeWriter } from "../_shared/time_formats.ts";
import { fromEpochNanos } from "../_shared/times.ts";
import type { InsertFieldConfig } from "./definition.ts";
import { eventUuid } from "./event_uuid.ts";

interface Added {
  readonly name: string;
  type(stream: Stream): ColumnType;
  /** Undefined: the field is not added. */
  value(row: Row, record: DataRecord): Value | undefined;
}

/** What is added to the rows of a stream. */
interface Planned extends Pick<Added, "name" | "value"> {
  /** The stream has a column for it, of its type. */
  readonly isTyped: boolean;
}

export function openTransform(config: InsertFieldConfig, context: TransformContext): Transform {
  const { overwrite } = config;
  const added = addedFields(config, context);
  const copies = Object.entries(config.copy_fields).map(([name, path]) => ({ name, path: parsePath(path) }));
  const plans = new WeakMap<Stream, readonly Planned[]>();
  const untouched = new UntouchedParts();
  return {
    stream(stream) {
      const hasAfter = config.apply_to.includes("after");
      let columns = stream.columns;
      const planned: Planned[] = [];
      for (const { name, type, value } of added) {
        if (!overwrite && columns?.some((column) => column.name === name)) continue;
        const wanted = type(stream);
        const isTyped = columns !== undefined && hasAfter && mayRetype(stream, name, wanted, config.apply_to);
        if (columns && hasAfter) {
          columns = withColumn(columns, addedColumn(name, isTyped ? wanted : { kind: "unknown" }));
        }
        planned.push({ name, value, isTyped });
      }
      const made = { ...stream, columns };
      untouched.note(stream, made);
      plans.set(made, planned);
      return made;
    },
    apply: eachPart(
      config.apply_to,
      (row, record) => {
        const copy: Record<string, Value> = { ...row };
        for (const { name, value, isTyped } of plans.get(record.stream)!) {
          if (!overwrite && (Object.hasOwn(row, name) || record.unavailable?.includes(name))) continue;
          const one = value(row, record);
          if (one !== undefined) setMember(copy, name, isTyped ? one : asJson(one));
        }
        return copy;
      },
      config.apply_to.includes("after")
        ? (names) => {
          const missing = copies.filter(({ path }) => isUnsent(path, names)).map(({ name }) => name);
          const given = overwrite ? names.filter((name) => !added.some((one) => one.name === name)) : names;
          return missing.length === 0 && given.length === names.length
            ? names
            : [...new Set([...given, ...missing])];
        }
        : undefined,
      untouched,
    ),
  };
}

function isUnsent(
  { plain, segments: [first] }: FieldPath,
  unavailable: readonly string[] | undefined,
): boolean {
  return unavailable?.includes(plain ?? first.name) ?? false;
}

const STRING: ColumnType = { kind: "string" }, INT64: ColumnType = { kind: "int64" };

function addedFields(config: InsertFieldConfig, { origin, nowMicros }: TransformContext): Added[] {
  const added: Added[] = [];
  const add = (name: string | undefined, type: Added["type"] | ColumnType, value: Added["value"]) => {
    if (name !== undefined) added.push({ name, type: typeof type === "function" ? type : () => type, value });
  };
  for (const [name, value] of Object.entries(config.static_fields)) {
    const typed = typedValue(value as Value);
    add(name, typed.type, () => typed.value);
  }
  for (const [name, text] of Object.entries(config.templates)) {
    const write = template(text, origin);
    add(name, STRING, (_row, record) => write(record));
  }
  for (const [name, text] of Object.entries(config.copy_fields)) {
    const path = parsePath(text);
    add(
      name,
      ({ columns }) => columnAt(columns, path)?.type ?? { kind: "unknown" },
      (row, { unavailable }) => valueAt(row, path) ?? (isUnsent(path, unavailable) ? undefined : null),
    );
  }
  const times = timeWriter({ format: config.timestamp_format, precision: 6 });
  const timeText = (micros: bigint) => times.write(fromEpochNanos(micros * 1000n, 6));
  add(config.event_timestamp_field, times.type(6), (_row, { timeMicros }) => timeText(timeMicros));
  add(config.timestamp_field, times.type(6), () => timeText(nowMicros()));
  const days = timeWriter({ format: "date" });
  add(config.date_field, { kind: "date" }, () => days.write(fromEpochNanos(nowMicros() * 1000n, 6)));
  add(
    config.topic_field,
    STRING,
    (_row, { stream }) => stream.topic ?? (stream.namespace ? null : stream.name),
  );
  add(config.partition_field, INT64, (_row, record) => integerOf(record.source?.partition));
  add(config.offset_field, INT64, (_row, record) => integerOf(record.source?.offset));
  add(config.key_field, { kind: "json" }, (_row, { key }) => asJson(keyValue(key)));
  add(config.uuid_field, { kind: "uuid" }, (_row, record) => eventUuid(record, origin));
  return added;
}

function integerOf(value: Value | undefined): Value {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value ?? null;
}

function keyValue(key: DataRecord["key"]): Value {
  if (!(key instanceof Uint8Array)) return key ?? null;
  try {
    return strict.decode(key);
  } catch {
    return key.toBase64();
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
