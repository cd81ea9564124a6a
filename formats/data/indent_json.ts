/** JSON text for people: sinks that show records or write files for reading use it. */

/** Compact JSON over several lines, two spaces a level. Tokens stay as they are, so no number loses a digit. */
export function indentJson(text: string): string {
  let out = "";
  let depth = 0;
  let last = "";
  const newLine = () => `\n${"  ".repeat(depth)}`;
  // A string, a number or word, or one character of structure.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[^"{}[\],:\s]+|[{}[\],:]/g)) {
    const isClosing = token === "}" || token === "]";
    if (isClosing) depth--;
    const isInEmpty = isClosing && (last === "{" || last === "[");
    if ((isClosing && !isInEmpty) || (!isClosing && (last === "{" || last === "[" || last === ","))) {
      out += newLine();
    }
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth++;
    last = token;
  }
  return out;
}
