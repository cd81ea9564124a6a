/**
 * How a configuration names columns and what lies inside them: `ssn`, `public.users:ssn`, `users.ssn`,
 * `profile.phones.number`, `card_*`, `/^public\.users\.(ssn|iban)$/`. Read by every transform that protects columns.
 */
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";
import { compileRegex } from "../../formats/data/regex.ts";

/** A selector, ready to be asked. */
export interface Selector {
  /** As it was written. */
  readonly text: string;
  /** The paths that it can mean in this stream; a path's first part names a column. None: it isn't about the stream. */
  pathsIn(stream: Stream): readonly (readonly NameTest[])[];
  /** True: it names this stream, and no pattern does, so that a column it doesn't find is a mistake. */
  names(stream: Stream): boolean;
}

/** Does a column, or a member of an object, have this name? */
export type NameTest = (name: string) => boolean;

/**
 * Reads one selector. A name alone stands for that column of every stream; `table:path` for one of the streams that
 * the pattern on the left names (`table`, `schema.table`, `database.schema.table`). Without a colon, dots are read in
 * every way that they can be meant: as a path into a column, and as a column behind the name of its table. Arrays are
 * entered by themselves. `*` and `?` stand for parts of one name, quotes (" or `) keep dots in it, and a
 * `/regular expression/` is compared with the whole of `column`, `table.column`, `schema.table.column` and
 * `database.schema.table.column`.
 *
 * @throws {SyntaxError} when it isn't one; the message is for the person who wrote it
 */
export function parseSelector(text: string, ignoreCase = false): Selector {
  if (text.trim() === "") throw new SyntaxError("A field needs a name");
  if (isExpression(text)) {
    const test = expressionTest(text, ignoreCase);
    return {
      text,
      pathsIn: (stream) => {
        const tables = namesOf(stream);
        return [[(column) => test(column) || tables.some((table) => test(`${table}.${column}`))]];
      },
      names: () => false,
    };
  }
  const colon = endOfTable(text);
  if (colon >= 0) {
    const table = text.slice(0, colon).trim();
    const path = parsePath(text.slice(colon + 1)).map((part) => part.test(ignoreCase));
    const isTable = nameTest(table, ignoreCase);
    const matches = (stream: Stream) => namesOf(stream).some(isTable);
    return {
      text,
      pathsIn: (stream) => matches(stream) ? [path] : [],
      names: (stream) => !isPattern(table) && matches(stream),
    };
  }
  const parts = parsePath(text);
  const tests = parts.map((part) => part.test(ignoreCase));
  // The table's name may take the first one to three of several parts.
  const prefixes = [1, 2, 3].filter((count) => count < parts.length);
  const fits = (stream: Stream, count: number) => {
    const names = [stream.database, stream.namespace, stream.name].slice(3 - count);
    return names.every((name, i) => name !== undefined && tests[i](name));
  };
  return {
    text,
    pathsIn: (stream) => [
      tests,
      ...prefixes.filter((count) => fits(stream, count)).map((count) => tests.slice(count)),
    ],
    names: (stream) =>
      prefixes.some((count) => fits(stream, count) && parts.slice(0, count).every((part) => part.isExact)),
  };
}

/**
 * A test for one name: exact, with `*` and `?`, or a `/regular expression/` for the whole of it.
 *
 * @throws {SyntaxError} when a `/regular expression/` is not one, or could take forever
 */
export function nameTest(pattern: string, ignoreCase = false): NameTest {
  if (isExpression(pattern)) return expressionTest(pattern, ignoreCase);
  if (/[*?]/.test(pattern)) {
    const escaped = pattern.replace(/[.+^${}()|[\]\\\/]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
    const expression = new RegExp(`^${escaped}$`, ignoreCase ? "isu" : "su");
    return (name) => expression.test(name);
  }
  if (!ignoreCase) return (name) => name === pattern;
  const lower = pattern.toLowerCase();
  return (name) => name.toLowerCase() === lower;
}

/** The names that patterns of tables are compared with. */
export function namesOf(stream: Stream): string[] {
  const qualified = qualifiedName(stream);
  const names = [stream.name];
  if (qualified !== stream.name) names.push(qualified);
  if (stream.database !== undefined) names.push(`${stream.database}.${qualified}`);
  return names;
}

/** Does it stand for more names than one? */
export function isPattern(text: string): boolean {
  return /[*?]/.test(text) || isExpression(text);
}

function isExpression(text: string): boolean {
  return text.length > 2 && text.startsWith("/") && text.endsWith("/");
}

function expressionTest(text: string, ignoreCase: boolean): NameTest {
  const expression = compileRegex(text.slice(1, -1), { anchored: true, ignoreCase });
  return (name) => expression.test(name);
}

/** Where the colon between table and column stands, outside of quotes and regular expressions; -1: nowhere. */
function endOfTable(text: string): number {
  if (text.startsWith("/")) {
    const end = text.indexOf("/:", 1);
    return end < 0 ? -1 : end + 1;
  }
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "`") quote = char;
    else if (char === ":") return i;
  }
  return -1;
}

interface PathPart {
  readonly isExact: boolean;
  test(ignoreCase: boolean): NameTest;
}

/** `profile."home.address".lines[*]`, taken apart at its dots. */
function parsePath(text: string): PathPart[] {
  const parts: PathPart[] = [];
  let at = 0;
  for (;;) {
    const quote = text[at] === '"' || text[at] === "`" ? text[at] : "";
    let name: string;
    if (quote !== "") {
      const end = text.indexOf(quote, at + 1);
      if (end < 0) throw new SyntaxError(`A quote is not closed`);
      name = text.slice(at + 1, end);
      at = end + 1;
      if (at < text.length && text[at] !== "." && text[at] !== "[") {
        throw new SyntaxError(`After a name in quotes comes a dot or the end`);
      }
    } else {
      const end = text.slice(at).search(/[.[]/);
      name = end < 0 ? text.slice(at) : text.slice(at, at + end);
      at += name.length;
      name = name.trim();
    }
    if (name === "") throw new SyntaxError(`A name is missing before or after a dot`);
    const exact = quote !== "" || !/[*?]/.test(name);
    parts.push({
      isExact: exact,
      test: (ignoreCase) =>
        quote === "" || ignoreCase ? nameTest(name, ignoreCase) : (other) => other === name,
    });
    // Arrays are entered by themselves, so `[*]` and `[]` say nothing new.
    for (let match; (match = /^\[([^\]]*)\]/.exec(text.slice(at))); at += match[0].length) {
      if (match[1] !== "" && match[1] !== "*") {
        throw new SyntaxError(
          `"[${match[1]}]" selects one item of an array; only [*], all of them, is possible`,
        );
      }
    }
    if (at >= text.length) return parts;
    if (text[at] !== ".") throw new SyntaxError(`After [*] comes a dot or the end`);
    at++;
  }
}
