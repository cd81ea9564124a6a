/** Finds encrypted values in JSON text, so that the rest of it stays byte for byte as it is. decrypt.ts asks. */

/** An object in a JSON text that has a member `__encrypted`. */
export interface SealedSpan {
  readonly start: number;
  readonly end: number;
  /** Names and indices from the root. */
  readonly path: readonly (string | number)[];
}

/** Deeper texts are not looked into: each level is a call on the stack. */
const MAX_DEPTH = 1000;

/**
 * The outermost ones, in order.
 *
 * @param json valid JSON
 * @throws {RangeError} when it is nested too deeply
 */
export function sealedSpans(json: string): SealedSpan[] {
  const found: SealedSpan[] = [];
  const path: (string | number)[] = [];
  let at = 0;
  value();
  return found;

  function value(): void {
    space();
    if (path.length > MAX_DEPTH) throw new RangeError(`JSON nested more than ${MAX_DEPTH} levels deep`);
    const first = json[at];
    if (first === "{") object();
    else if (first === "[") array();
    else if (first === '"') at = endOfString();
    else while (at < json.length && !/[\s,\]}]/.test(json[at])) at++;
  }

  function object(): void {
    const start = at;
    const before = found.length;
    let isSealed = false;
    at++;
    for (space(); json[at] !== "}"; space()) {
      const end = endOfString();
      const name: string = JSON.parse(json.slice(at, end));
      at = end;
      space();
      at++; // the colon
      isSealed ||= name === "__encrypted";
      path.push(name);
      value();
      path.pop();
      space();
      if (json[at] === ",") at++;
    }
    at++;
    if (!isSealed) return;
    found.length = before;
    found.push({ start, end: at, path: [...path] });
  }

  function array(): void {
    at++;
    space();
    for (let i = 0; json[at] !== "]"; i++) {
      path.push(i);
      value();
      path.pop();
      space();
      if (json[at] === ",") at++;
      space();
    }
    at++;
  }

  function endOfString(): number {
    let end = at + 1;
    while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
    return end + 1;
  }

  function space(): void {
    while (json[at] === " " || json[at] === "\n" || json[at] === "\r" || json[at] === "\t") at++;
  }
}
