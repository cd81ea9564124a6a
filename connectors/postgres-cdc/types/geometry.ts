/** PostgreSQL's own geometric types (geo_ops.c): points as objects, the others as text or made of points. */
import type { BatchWriter } from "../../../formats/data/batch_writer.ts";
import type { Column, ColumnType } from "../../../formats/data/value.ts";
import { type Codec, encode, malformed, TEXT, writeByte } from "./codec.ts";
import { writeFloat } from "./numbers.ts";
import type { TypeOptions } from "./options.ts";

const OPEN = 0x28, CLOSE = 0x29, OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, COMMA = 0x2c;
const LESS = 0x3c, GREATER = 0x3e, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;
const X = encode('{"x":'), Y = encode(',"y":');
const A = encode('{"a":'), B = encode(',"b":'), C = encode(',"c":');
const CENTER = encode('{"center":'), RADIUS = encode(',"radius":');
const CLOSED = encode('{"closed":true,"points":'), NOT_CLOSED = encode('{"closed":false,"points":');

const FLOAT: ColumnType = { kind: "float64" };
const POINT: ColumnType = struct({ x: FLOAT, y: FLOAT });
const POINTS: ColumnType = { kind: "array", items: POINT };

function struct(members: Record<string, ColumnType>): ColumnType {
  const fields = Object.entries(members).map(([name, type]): Column => ({ name, type, nullable: false }));
  return { kind: "struct", fields };
}

export type GeometryName = "point" | "line" | "lseg" | "box" | "path" | "polygon" | "circle";

/** How a shape is written, and its type, where it is asked for as an object. */
const SHAPES: Record<GeometryName, { type: ColumnType; write: (shape: Shape) => void }> = {
  point: { type: POINT, write: (shape) => shape.point() },
  line: {
    type: struct({ a: FLOAT, b: FLOAT, c: FLOAT }),
    write(shape) {
      shape.take(OPEN_BRACE);
      shape.number(A, COMMA);
      shape.number(B, COMMA);
      shape.number(C, CLOSE_BRACE);
      writeByte(shape.out, CLOSE_BRACE);
    },
  },
  lseg: { type: POINTS, write: (shape) => shape.points(OPEN_BRACKET, CLOSE_BRACKET) },
  box: { type: POINTS, write: (shape) => shape.points(undefined, undefined) },
  polygon: { type: POINTS, write: (shape) => shape.points(OPEN, CLOSE) },
  path: {
    type: struct({ closed: { kind: "boolean" }, points: POINTS }),
    write(shape) {
      const isClosed = shape.is(OPEN);
      shape.out.literal(isClosed ? CLOSED : NOT_CLOSED);
      if (isClosed) shape.points(OPEN, CLOSE);
      else shape.points(OPEN_BRACKET, CLOSE_BRACKET);
      writeByte(shape.out, CLOSE_BRACE);
    },
  },
  circle: {
    type: struct({ center: POINT, radius: FLOAT }),
    write(shape) {
      shape.take(LESS);
      shape.out.literal(CENTER);
      shape.point();
      shape.take(COMMA);
      shape.number(RADIUS, GREATER);
      writeByte(shape.out, CLOSE_BRACE);
    },
  },
};

export function geometryCodec(name: GeometryName, options: TypeOptions): Codec {
  if (name !== "point" && options.geometry_handling === "text") return TEXT;
  const { type, write } = SHAPES[name];
  return {
    type,
    write(out, source, start, end) {
      const shape = new Shape(name, out, source, start, end);
      write(shape);
      shape.finish();
    },
  };
}

/** Reads the parts of a shape one after the other and writes them. */
class Shape {
  constructor(
    readonly name: GeometryName,
    readonly out: BatchWriter,
    readonly source: Uint8Array,
    public at: number,
    readonly end: number,
  ) {}

  is(byte: number): boolean {
    return this.at < this.end && this.source[this.at] === byte;
  }

  take(byte: number): void {
    if (!this.is(byte)) {
      throw malformed(this.name, `"${String.fromCharCode(byte)}" is missing`);
    }
    this.at++;
  }

  /** A number up to the byte that follows it, which is taken too. */
  number(name: Uint8Array, until: number): void {
    const start = this.at;
    while (this.at < this.end && this.source[this.at] !== until) this.at++;
    this.out.literal(name);
    writeFloat(this.out, this.name, this.source, start, this.at);
    this.take(until);
  }

  /** `(1.5,2)` */
  point(): void {
    this.take(OPEN);
    this.number(X, COMMA);
    this.number(Y, CLOSE);
    writeByte(this.out, CLOSE_BRACE);
  }

  /** Points with commas between them. */
  points(open: number | undefined, close: number | undefined): void {
    if (open !== undefined) this.take(open);
    writeByte(this.out, OPEN_BRACKET);
    this.point();
    while (this.is(COMMA)) {
      this.take(COMMA);
      writeByte(this.out, COMMA);
      this.point();
    }
    writeByte(this.out, CLOSE_BRACKET);
    if (close !== undefined) this.take(close);
  }

  finish(): void {
    if (this.at !== this.end) throw malformed(this.name, "there is more than expected");
  }
}
