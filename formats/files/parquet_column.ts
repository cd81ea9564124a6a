/**
 * The columns of a Parquet file with the cells of the row group that is being filled. Most have one type from the start;
 * the dimensions of an array, and the type of a column that no schema names, are known when values have been seen.
 */
import type { SchemaElement } from "npm:hyparquet-writer@0.17.0";
import type { Column, ColumnType, Value } from "../data/value.ts";
import { FlatCells } from "./parquet_cells.ts";
import { checkGuessed, type Guess, guessOf, isSame, settled, typeOfGuess, unify } from "./parquet_guess.ts";
import { Misfit } from "./misfit.ts";
import { type Cell, type Limits, type ParquetType, parquetType } from "./parquet_type.ts";

export interface ParquetColumn {
  readonly name: string;
  /**
   * The cell of a value; changes nothing yet, since another column may refuse the row. Undefined when the value fits a
   * column of another type only, which another file can have.
   *
   * @throws {Misfit}
   */
  take(value: Value): Cell | undefined;
  /** Adds what `take()` gave last to the row group. */
  keep(cell: Cell): void;
  /** The row group, in one buffer unless cells have others inside. From the first call on the type is settled. */
  readonly cells: FlatCells | readonly Cell[];
  /** Empties the row group. */
  clear(): void;
  /** Of the settled column. */
  elements(): SchemaElement[];
}

export function parquetColumn({ name, type }: Column, limits: Limits): ParquetColumn {
  const { base, depth } = dimensions(type);
  if (base.kind === "unknown") return new OpenColumn(name, limits);
  // JSON may be an array itself, so its depth says nothing about the column.
  if (depth > 0 && base.kind !== "json") return new ArrayColumn(name, base, depth, limits);
  return new TypedColumn(name, parquetType(type, limits));
}

function dimensions(type: ColumnType): { base: ColumnType; depth: number } {
  let base = type;
  let depth = 0;
  for (; base.kind === "array"; base = base.items) depth++;
  return { base, depth };
}

/** A rough size in memory, in bytes. */
export function sizeOf(cell: Cell | Value): number {
  switch (typeof cell) {
    case "string":
      return 16 + cell.length;
    case "number":
      return 12;
    case "bigint":
      return 24;
    case "boolean":
      return 8;
    default: {
      if (cell === null || cell === undefined) return 8;
      if (cell instanceof Uint8Array) return 96 + cell.length;
      let size = 48;
      for (const item of Array.isArray(cell) ? cell : Object.values(cell)) size += 8 + sizeOf(item);
      return size;
    }
  }
}

/** Where cells of that type are gathered. */
function noCells(type: ParquetType): FlatCells | Cell[] {
  const [element, ...inside] = type.elements("");
  return inside.length > 0 ? [] : new FlatCells(element);
}

class TypedColumn implements ParquetColumn {
  readonly name: string;
  readonly #type: ParquetType;
  cells: FlatCells | Cell[];

  constructor(name: string, type: ParquetType) {
    this.name = name;
    this.#type = type;
    this.cells = noCells(type);
  }

  take(value: Value): Cell {
    return value === null ? null : this.#type.cell(value);
  }

  keep(cell: Cell): void {
    this.cells.push(cell);
  }

  clear(): void {
    if (this.cells instanceof FlatCells) this.cells.clear();
    else this.cells = [];
  }

  elements(): SchemaElement[] {
    return this.#type.elements(this.name);
  }
}

/**
 * Arrays of one item type. Databases let each value have other dimensions than the last, while a Parquet column has the
 * same for all: those of the first value that shows them.
 */
class ArrayColumn implements ParquetColumn {
  readonly name: string;
  readonly #items: ColumnType;
  readonly #limits: Limits;
  readonly #declared: number;
  /** The depth that values without items need. */
  #least = 0;
  #depth: number | undefined;
  #type: ParquetType | undefined;
  #taken: { depth: number; type: ParquetType } | undefined;
  #cells: Cell[] = [];

  constructor(name: string, items: ColumnType, declared: number, limits: Limits) {
    this.name = name;
    this.#items = items;
    this.#declared = declared;
    this.#limits = limits;
  }

  take(value: Value): Cell | undefined {
    this.#taken = undefined;
    if (value === null) return null;
    if (this.#type) return this.#settledCell(this.#type, value);
    const { depth, isKnown } = depthOf(value);
    if (!isKnown) return value as Cell;
    if (depth < this.#least) return undefined;
    const type = this.#typeOf(Math.max(depth, 1));
    const cell = type.cell(value);
    this.#taken = { depth, type };
    return cell;
  }

  #settledCell(type: ParquetType, value: Value): Cell | undefined {
    try {
      return type.cell(value);
    } catch (error) {
      const { depth, isKnown } = depthOf(value);
      const isOther = isKnown ? depth > 0 && depth !== this.#depth : depth > this.#depth!;
      if (error instanceof Misfit && isOther) return undefined;
      throw error;
    }
  }

  keep(cell: Cell): void {
    if (this.#taken) ({ depth: this.#depth, type: this.#type } = this.#taken);
    else if (!this.#type && cell !== null) this.#least = Math.max(this.#least, depthOf(cell).depth);
    this.#cells.push(cell);
  }

  get cells(): readonly Cell[] {
    this.#settle();
    return this.#cells;
  }

  clear(): void {
    this.#cells = [];
  }

  elements(): SchemaElement[] {
    return this.#settle().elements(this.name);
  }

  #settle(): ParquetType {
    this.#depth ??= Math.max(this.#least, this.#declared);
    return this.#type ??= this.#typeOf(this.#depth);
  }

  #typeOf(depth: number): ParquetType {
    let type = this.#items;
    for (let i = 0; i < depth; i++) type = { kind: "array", items: type };
    return parquetType(type, this.#limits);
  }
}

/** How deep the first item lies; where there is none, how deep arrays go at least. */
function depthOf(value: Value | Cell): { depth: number; isKnown: boolean } {
  if (!Array.isArray(value)) return { depth: 0, isKnown: value !== null };
  let least = 1;
  for (const item of value) {
    const { depth, isKnown } = depthOf(item);
    if (isKnown) return { depth: depth + 1, isKnown };
    least = Math.max(least, depth + 1);
  }
  return { depth: least, isKnown: false };
}

/** A column without a type. Its first row group keeps the values as they are and gets its type from all of them. */
class OpenColumn implements ParquetColumn {
  readonly name: string;
  readonly #limits: Limits;
  #guess: Guess | undefined;
  #taken: Guess | undefined;
  #type: ParquetType | undefined;
  /** Values while there is no type. */
  #cells: FlatCells | Cell[] = [];

  constructor(name: string, limits: Limits) {
    this.name = name;
    this.#limits = limits;
  }

  take(value: Value): Cell | undefined {
    this.#taken = unify(this.#guess, guessOf(value));
    if (value === null) return null;
    if (this.#type) return isSame(this.#taken, this.#guess) ? this.#type.cell(value) : undefined;
    checkGuessed(value, sizeOf(value), this.#limits.maxStringSize);
    return value instanceof Uint8Array ? new Uint8Array(value) : value as Cell;
  }

  keep(cell: Cell): void {
    this.#guess = this.#taken;
    this.#cells.push(cell);
  }

  get cells(): FlatCells | readonly Cell[] {
    this.#settle();
    return this.#cells;
  }

  clear(): void {
    if (this.#cells instanceof FlatCells) this.#cells.clear();
    else this.#cells = [];
  }

  elements(): SchemaElement[] {
    return this.#settle().elements(this.name);
  }

  #settle(): ParquetType {
    if (this.#type) return this.#type;
    this.#guess = settled(this.#guess);
    const type = parquetType(typeOfGuess(this.#guess), this.#limits);
    const values = this.#cells as readonly Cell[];
    this.#cells = noCells(type);
    for (const value of values) this.#cells.push(value === null ? null : type.cell(value as Value));
    return this.#type = type;
  }
}
