/** How people select streams by name: exact, with `*` and `?`, or by `/regular expression/`. */
import { compileRegex } from "./regex.ts";
import { qualifiedName, type Stream } from "./stream.ts";

/**
 * A test for streams. A pattern with a dot outside a regular expression is matched against `namespace.name` (and
 * `database.namespace.name`), one without against the bare name too. Case counts.
 *
 * @throws {SyntaxError} when a `/regular expression/` is not one, or one whose running time can explode
 */
export function streamMatcher(
  patterns: readonly string[],
): (stream: Pick<Stream, "name" | "namespace" | "database">) => boolean {
  const tests = patterns.map(patternTest);
  return (stream) => {
    const qualified = qualifiedName(stream);
    const names = [qualified, stream.name];
    if (stream.database !== undefined) names.push(`${stream.database}.${qualified}`);
    return tests.some((test) => names.some(test));
  };
}

/** A test for one name. */
export function patternTest(pattern: string): (name: string) => boolean {
  if (pattern.length > 2 && pattern.startsWith("/") && pattern.endsWith("/")) {
    const expression = compileRegex(pattern.slice(1, -1), { anchored: true });
    return (name) => expression.test(name);
  }
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const expression = new RegExp(`^${escaped}$`, "su");
  return (name) => expression.test(name);
}
