/** Makes messages of the rows of an outbox table: the work of outbox_router. Loaded by workers. */
import { ConnectorError, RecordError } from "../../formats/data/errors.ts";
import { parseJson, valueText } from "../../formats/data/json_value.ts";
import type { DataRecord, Header } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import { streamMatcher } from "../../formats/data/stream_pattern.ts";
import type { Row, Value } from "../../formats/data/value.ts";
import { parseInstant } from "../_expression/instants.ts";
import { compileRegex } from "../../formats/data/regex.ts";
import { asJson } from "../_shared/json_values.ts";
import { setMember } from "../_shared/paths.ts";
import { eachRecord, isRow } from "../_shared/records.ts";
import { routedTopicOfRow, TopicStreams, TopicTemplate } from "../_shared/topics.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { OutboxRouterConfig } from "./definition.ts";

const utf8 = new TextEncoder();

export function openTransform(config: OutboxRouterConfig, context: TransformContext): Transform {
  const router = new OutboxRouter(config, context);
  return {
    matches: outboxTables(config),
    stream(stream) {
      checkColumns(config, stream);
      return stream;
    },
    apply: eachRecord((record) => router.route(record)),
  };
}

function neededColumns(config: OutboxRouterConfig): string[] {
  const { table_field_event_id: id, table_field_event_key: key, table_field_event_payload: payload } = config;
  return [id, key, payload, config.route_by_field];
}

function outboxTables(config: OutboxRouterConfig): (stream: Stream) => boolean {
  if (config.tables.length > 0) return streamMatcher(config.tables);
  const needed = neededColumns(config);
  return ({ columns }) => !columns || needed.every((name) => columns.some((column) => column.name === name));
}

function checkColumns(config: OutboxRouterConfig, stream: Stream): void {
  const { columns } = stream;
  const missing = columns &&
    neededColumns(config).find((name) => columns.every((column) => column.name !== name));
  if (missing === undefined) return;
  throw new ConnectorError(
    `${qualifiedName(stream)} has no column "${missing}", which an outbox table needs`,
    {
      code: "config_outbox_column",
      hint:
        "Name the table's column with table_field_event_… or route_by_field, or take the table out of tables",
    },
  );
}

class OutboxRouter {
  readonly #config: OutboxRouterConfig;
  readonly #context: TransformContext;
  readonly #regex: RegExp;
  readonly #template: TopicTemplate;
  readonly #topics = new TopicStreams();
  readonly #streams = new WeakMap<Stream, Record<Stream["payload"], Stream>>();
  #updates = 0;

  constructor(config: OutboxRouterConfig, context: TransformContext) {
    this.#config = config;
    this.#context = context;
    this.#regex = compileRegex(config.route_topic_regex, { anchored: true });
    this.#template = new TopicTemplate(config.route_topic_replacement, this.#regex);
  }

  /** The message that a record of the outbox table is; undefined: none. */
  route(record: DataRecord): DataRecord | undefined {
    switch (record.operation) {
      case "insert":
      case "snapshot":
      case "record":
        return isRow(record.after ?? null) ? this.#message(record, record.after as Row) : record;
      case "update":
        return this.#update(record);
      case "delete":
      case "tombstone":
      case "truncate":
        return undefined;
      default:
        return record;
    }
  }

  #update(record: DataRecord): undefined {
    const message = `${
      qualifiedName(record.stream)
    } is an outbox table, whose rows are only inserted and deleted, and has an update`;
    switch (this.#config.table_op_invalid_behavior) {
      case "error":
        throw new RecordError(message, { code: "schema_outbox_update" });
      case "fatal":
        throw new ConnectorError(message, {
          code: "schema_outbox_update",
          hint: "Find out who updates the table, or set table_op_invalid_behavior to warn",
        });
      default:
        // The first, and then ever fewer of them.
        if (Math.log2(++this.#updates) % 1 === 0) {
          this.#context.log.warn(`${message}; it is dropped (${this.#updates} so far)`);
        }
        this.#context.metrics.add("records_filtered_total");
    }
  }

  #message(record: DataRecord, row: Row): DataRecord {
    const { table_field_event_id, table_field_event_key, table_field_event_payload } = this.#config;
    const id = this.#column(row, table_field_event_id);
    const key = this.#column(row, table_field_event_key);
    const payload = this.#payload(this.#column(row, table_field_event_payload));
    const headers: Header[] = [...record.headers ?? [], ["id", headerText(id)]];
    const envelope: Record<string, Value> = {};
    let hasEnvelope = false;
    for (const { field, placement, alias = field } of this.#config.table_fields_additional_placement) {
      if (placement === "envelope") hasEnvelope = true;
      const value = Object.hasOwn(row, field) ? row[field] : undefined;
      if (value === undefined) {
        if (this.#config.table_fields_additional_error_on_missing) throw missing(field);
      } else if (placement === "envelope") setMember(envelope, alias, asJson(value));
      else if (value !== null) headers.push([alias, value instanceof Uint8Array ? value : headerText(value)]);
    }
    const isEmpty = payload === null || typeof payload === "string" && payload.trim() === "";
    const isTombstone = isEmpty && this.#config.route_tombstone_on_empty_payload;
    const after = hasEnvelope ? { payload: asJson(payload), ...envelope } : payload;
    return {
      stream: this.#stream(
        record.stream,
        this.#topic(row),
        !hasEnvelope && payload instanceof Uint8Array ? "bytes" : "json",
      ),
      operation: isTombstone ? "tombstone" : "record",
      key: key === null ? undefined : key instanceof Uint8Array ? key : utf8.encode(headerText(key)),
      after: isTombstone ? undefined : after instanceof Uint8Array ? after : asJson(after),
      timeMicros: this.#time(row) ?? record.timeMicros,
      source: record.source,
      headers,
      order: record.order,
      bare: !isTombstone,
    };
  }

  #column(row: Row, name: string): Value {
    if (!Object.hasOwn(row, name)) throw missing(name);
    return row[name];
  }

  #payload(payload: Value): Value {
    if (!this.#config.table_expand_json_payload || typeof payload !== "string" || !/^\s*[[{]/.test(payload)) {
      return payload;
    }
    try {
      return parseJson(payload, true);
    } catch {
      return payload;
    }
  }

  #topic(row: Row): string {
    const { route_by_field } = this.#config;
    const value = this.#column(row, route_by_field);
    if (value === null || typeof value === "object") {
      throw new RecordError(`The row has no text in "${route_by_field}", so that it has no topic`, {
        code: "schema_outbox_route",
      });
    }
    const text = String(value);
    const match = this.#regex.exec(text);
    return routedTopicOfRow(match ? this.#template.expand(match) : text);
  }

  #time(row: Row): bigint | undefined {
    const { table_field_event_timestamp: name } = this.#config;
    if (name === undefined) return undefined;
    const value = this.#column(row, name);
    if (value === null) return undefined;
    if (typeof value === "bigint" || typeof value === "number" && Number.isSafeInteger(value)) {
      return BigInt(value) * 1000n;
    }
    const instant = typeof value === "string" ? parseInstant(value) : undefined;
    if (instant?.kind !== "day" || !Number.isFinite(instant.seconds)) {
      throw new RecordError(`The column "${name}" holds no time`, { code: "schema_outbox_time" });
    }
    return BigInt(instant.seconds) * 1_000_000n + BigInt(Math.floor(instant.nanos / 1000));
  }

  /** The stream of the messages: no rows of a table any more, so that it has neither columns nor key. */
  #stream(outbox: Stream, topic: string, payload: "json" | "bytes"): Stream {
    let made = this.#streams.get(outbox);
    if (!made) {
      const of = (payload: Stream["payload"]): Stream => ({
        ...outbox,
        columns: undefined,
        key: [],
        payload,
      });
      this.#streams.set(outbox, made = { row: of("row"), json: of("json"), bytes: of("bytes") });
    }
    return this.#topics.of(made[payload], topic);
  }
}

function missing(name: string): RecordError {
  return new RecordError(`The row has no column "${name}", which the outbox event is made of`, {
    code: "schema_missing_field",
  });
}

function headerText(value: Value): string {
  return typeof value === "string" ? value : valueText(value);
}
