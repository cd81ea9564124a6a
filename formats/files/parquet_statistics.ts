/** The smallest and the largest value of a column of a row group (parquet.thrift, "Statistics"). */
import type { FlatCells } from "./parquet_cells.ts";

export interface CellStatistics {
  /** As the library takes them: bytes are copies. Undefined: the values have no order that is of use. */
  readonly min_value?: number | bigint | boolean | Uint8Array;
  readonly max_value?: number | bigint | boolean | Uint8Array;
  readonly null_count: bigint;
  /** Of floats. They are neither small nor large. */
  readonly nan_count?: bigint;
}

export function statisticsOf(cells: FlatCells): CellStatistics {
  const { element: { type, logical_type }, rows, values } = cells;
  const null_count = BigInt(rows - values);
  const isFloat = type === "FLOAT" || type === "DOUBLE";
  if (logical_type?.type === "JSON") return { null_count };
  const compare = comparisonOf(cells);
  let min = -1;
  let max = -1;
  let nans = 0;
  for (let i = 0, at = 0; i < values; i++, at = cells.next(at)) {
    if (isFloat && Number.isNaN(floatAt(cells, at))) nans++;
    else if (min < 0) min = max = at;
    else if (compare(at, min) < 0) min = at;
    else if (compare(at, max) > 0) max = at;
  }
  return {
    min_value: min < 0 ? undefined : valueAt(cells, min, -0),
    max_value: max < 0 ? undefined : valueAt(cells, max, 0),
    null_count,
    nan_count: isFloat ? BigInt(nans) : undefined,
  };
}

/** Compares the values at two places without making values of them. */
function comparisonOf(cells: FlatCells): (a: number, b: number) => number {
  const { element: { type, converted_type }, bytes, view, width } = cells;
  switch (type) {
    case "BOOLEAN":
      return (a, b) => bytes[a] - bytes[b];
    case "INT32":
      return (a, b) => view.getInt32(a, true) - view.getInt32(b, true);
    case "INT64": {
      const high = converted_type === "UINT_64"
        ? (at: number) => view.getUint32(at + 4, true)
        : (at: number) => view.getInt32(at + 4, true);
      return (a, b) => high(a) - high(b) || view.getUint32(a, true) - view.getUint32(b, true);
    }
    case "FLOAT":
    case "DOUBLE":
      return (a, b) => floatAt(cells, a) - floatAt(cells, b) || 0;
    default:
      if (width === 0) {
        return (a, b) =>
          compareBytes(bytes, a + 4, a + 4 + view.getUint32(a, true), b + 4, b + 4 + view.getUint32(b, true));
      }
      // The first byte of a number has the sign.
      if (converted_type === "DECIMAL") {
        return (a, b) => view.getInt8(a) - view.getInt8(b) || compareBytes(bytes, a, a + width, b, b + width);
      }
      return (a, b) => compareBytes(bytes, a, a + width, b, b + width);
  }
}

function compareBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  const rest = aEnd - a - (bEnd - b);
  while (a < aEnd && b < bEnd) {
    const difference = bytes[a++] - bytes[b++];
    if (difference !== 0) return difference;
  }
  return rest;
}

function floatAt({ view, width }: FlatCells, at: number): number {
  return width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true);
}

/** @param zero what 0 and −0 are: readers compare the largest with 0 and the smallest with −0 */
function valueAt(cells: FlatCells, at: number, zero: number): CellStatistics["min_value"] {
  const { element: { type, converted_type }, bytes, view, width } = cells;
  switch (type) {
    case "BOOLEAN":
      return bytes[at] === 1;
    case "INT32": {
      const value = view.getInt32(at, true);
      // The library would multiply a number.
      return converted_type === "DECIMAL" ? BigInt(value) : value;
    }
    case "INT64":
      return converted_type === "UINT_64" ? view.getBigUint64(at, true) : view.getBigInt64(at, true);
    case "FLOAT":
    case "DOUBLE":
      return floatAt(cells, at) || zero;
    default:
      if (converted_type !== "DECIMAL") return bytes.slice(width === 0 ? at + 4 : at, cells.next(at));
      return BigInt.asIntN(width * 8, BigInt(`0x${bytes.subarray(at, at + width).toHex()}`));
  }
}
