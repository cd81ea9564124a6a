/** Why a value does not fit its column. The writer makes a RecordError of it, which names the column. */
export class Misfit extends Error {
  override readonly name = "Misfit";
}

/** How a value's kind is called in messages: the value itself stays out of them. */
export function kindOf(value: unknown): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "string":
      return "text";
    case "boolean":
      return "a boolean";
    case "object":
      return "an object";
    case "bigint":
      return "an integer";
    default:
      return "a number";
  }
}

/** A Misfit of another kind of value than the column's. */
export function isNot(value: unknown, wanted: string): Misfit {
  return new Misfit(`it is ${kindOf(value)}, not ${wanted}`);
}
