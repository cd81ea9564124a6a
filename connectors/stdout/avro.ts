/** Records in the Avro formats of the `stdout` sink: the row, by the schema of the configuration or of its columns. */
import type { Batch } from "../contract.ts";
import { RecordError } from "../../formats/data/errors.ts";
import type { Stream } from "../../formats/data/stream.ts";
import { type AvroSchema, schemaOfColumns } from "../../formats/files/avro_columns.ts";
import { type AvroType, avroType, FieldMisfit } from "../../formats/files/avro_encoder.ts";
import { AvroWriter } from "../../formats/files/avro_writer.ts";
import { AVRO_DEFAULTS } from "../../formats/files/formats.ts";
import { Misfit } from "../../formats/files/misfit.ts";
import { columnsOf, rowOf } from "../../formats/files/rows.ts";
import { type AvroJson, avroJson } from "./avro_json.ts";
import type { StdoutConfig } from "./connector.ts";

interface Encoding {
  readonly type: AvroType;
  readonly json: AvroJson;
}

export class AvroRows {
  readonly #config: StdoutConfig;
  readonly #given: Encoding | undefined;
  readonly #ofStreams = new WeakMap<Stream, Encoding>();
  readonly #datum = new AvroWriter();

  constructor(config: StdoutConfig) {
    this.#config = config;
    this.#given = config.avro_schema === undefined ? undefined : encoding(JSON.parse(config.avro_schema));
  }

  /** The bytes of records `from` to `to`; those that have no row leave none. */
  bytes(batch: Batch, from: number, to: number, reject: (i: number, error: RecordError) => void): Uint8Array {
    const out = new AvroWriter();
    for (let i = from; i < to; i++) {
      try {
        this.#write(batch, i, out);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        reject(i, error);
      }
    }
    return out.written;
  }

  #write(batch: Batch, i: number, out: AvroWriter): void {
    const row = rowOf(batch.records[i], this.#config.include_metadata);
    if (row === undefined) return;
    const { type, json } = this.#encodingOf(batch.stream(i));
    const datum = this.#datum;
    datum.end = 0;
    const { confluent_wire_format, schema_id } = this.#config;
    if (confluent_wire_format) datum.fixed(wireHeader(schema_id!));
    try {
      type.write(datum, row);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      const where = error instanceof FieldMisfit ? `Column "${error.field}"` : "The row";
      throw new RecordError(`${where} does not fit the Avro schema: ${error.message}`, {
        code: "schema_value",
      });
    }
    switch (this.#config.format) {
      case "avrobinary":
        return out.fixed(datum.written);
      case "avrohex":
        return out.fixed(new TextEncoder().encode(`${datum.written.toHex()}\n`));
      default:
        return out.fixed(new TextEncoder().encode(`${json(datum.written)}\n`));
    }
  }

  #encodingOf(stream: Stream): Encoding {
    if (this.#given) return this.#given;
    const known = this.#ofStreams.get(stream);
    if (known) return known;
    if (!stream.columns) {
      throw new RecordError("The source knows no columns to make an Avro schema of: set avro_schema", {
        code: "schema_unknown",
      });
    }
    const columns = columnsOf(stream.columns, stream.key, this.#config.include_metadata);
    const made = encoding(schemaOfColumns(columns, AVRO_DEFAULTS.record_name, AVRO_DEFAULTS.namespace));
    this.#ofStreams.set(stream, made);
    return made;
  }
}

function encoding(schema: AvroSchema): Encoding {
  return { type: avroType(schema), json: avroJson(schema) };
}

/** A zero, then the schema's number in the registry, in four bytes (Confluent, "Wire format"). */
function wireHeader(schemaId: number): Uint8Array {
  const header = new Uint8Array(5);
  new DataView(header.buffer).setUint32(1, schemaId);
  return header;
}
