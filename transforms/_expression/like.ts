/** SQL's LIKE: `%` for any text, `_` for one character, a backslash before either takes its meaning away. */

const ANY = Symbol("%");
const ONE = Symbol("_");

/** A test for texts. Characters are code points; never slower than length of text × length of pattern. */
export function likeTest(pattern: string, ignoreCase: boolean): (text: string) => boolean {
  const parts: (string | typeof ANY | typeof ONE)[] = [];
  const characters = [...(ignoreCase ? pattern.toLowerCase() : pattern)];
  for (let i = 0; i < characters.length; i++) {
    const char = characters[i];
    if (char === "\\" && i + 1 < characters.length) parts.push(characters[++i]);
    else if (char === "%") parts.at(-1) === ANY || parts.push(ANY);
    else parts.push(char === "_" ? ONE : char);
  }
  const fold = ignoreCase ? (text: string) => text.toLowerCase() : (text: string) => text;
  const fixed = parts.filter((part) => typeof part === "string").join("");
  const wild = parts.filter((part) => typeof part !== "string").length;
  if (wild === 0) return (text) => fold(text) === fixed;
  if (!parts.includes(ONE)) {
    if (wild === 1 && parts.at(-1) === ANY) return (text) => fold(text).startsWith(fixed);
    if (wild === 1 && parts[0] === ANY) return (text) => fold(text).endsWith(fixed);
    if (wild === 2 && parts[0] === ANY && parts.at(-1) === ANY) return (text) => fold(text).includes(fixed);
  }
  return (text) => wildcardMatch([...fold(text)], parts);
}

/** Goes back to the last `%` only, which is enough: an earlier one could not match better. */
function wildcardMatch(text: readonly string[], parts: readonly (string | symbol)[]): boolean {
  let t = 0;
  let p = 0;
  let anyAt = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (p < parts.length && (parts[p] === ONE || parts[p] === text[t])) {
      t++;
      p++;
    } else if (parts[p] === ANY) {
      anyAt = p++;
      resumeAt = t;
    } else if (anyAt >= 0) {
      p = anyAt + 1;
      t = ++resumeAt;
    } else return false;
  }
  while (parts[p] === ANY) p++;
  return p === parts.length;
}
