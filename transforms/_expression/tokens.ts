/** The words of an expression: text → tokens. Called by parse.ts. */
import { ExpressionError } from "./errors.ts";

export type Token =
  /** A bareword or a keyword; `upper` is how keywords are compared. */
  | { readonly kind: "word"; readonly text: string; readonly upper: string; readonly at: number }
  /** `` `name` ``: always a name. `"text"`: a name, or a text where no such name is known. */
  | { readonly kind: "name" | "quoted"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  /** Digits as they were written, without sign. */
  | { readonly kind: "number"; readonly text: string; readonly at: number }
  /** A JSON array, parsed by the parser. */
  | { readonly kind: "json"; readonly text: string; readonly at: number }
  | { readonly kind: "sign"; readonly text: string; readonly at: number }
  | { readonly kind: "end"; readonly text: ""; readonly at: number };

const WORD = /[\p{ID_Start}_@#][\p{ID_Continue}$@#]*/uy;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SIGN = /<>|<=|>=|==|!=|&&|\|\||[=<>()[\].,+*\/?:!-]/y;

/**
 * Takes a text apart. Positions are 0-based offsets.
 *
 * @throws {ExpressionError} at a character that no token starts with, and at a quote without an end
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (true) {
    while (at < text.length && /\s/.test(text[at])) at++;
    if (at >= text.length) break;
    const token = readToken(text, at, tokens.at(-1));
    tokens.push(token.token);
    at = token.end;
  }
  tokens.push({ kind: "end", text: "", at: text.length });
  return tokens;
}

function readToken(text: string, at: number, previous: Token | undefined): { token: Token; end: number } {
  const char = text[at];
  if (char === "'") return quotedString(text, at);
  if (char === '"') return quotedName(text, at);
  if (char === "`") return backquoted(text, at);
  if (char === "[" && previous?.kind === "word" && previous.upper === "IN") return jsonArray(text, at);
  WORD.lastIndex = NUMBER.lastIndex = SIGN.lastIndex = at;
  const word = WORD.exec(text)?.[0];
  if (word) {
    return { token: { kind: "word", text: word, upper: word.toUpperCase(), at }, end: at + word.length };
  }
  // In `items.0` and `a.5` the dot belongs to the path.
  const isStep = previous?.kind === "sign" && previous.text === ".";
  const number = isStep ? /^\d+/.exec(text.slice(at))?.[0] : NUMBER.exec(text)?.[0];
  if (number && /^\d{4}-\d{2}/.test(text.slice(at))) {
    throw new ExpressionError("A date is a text", at + 1, "Put it into single quotes: '2026-01-31'");
  }
  if (number && !(char === "." && previous && isOperandEnd(previous))) {
    return { token: { kind: "number", text: number, at }, end: at + number.length };
  }
  const sign = SIGN.exec(text)?.[0];
  if (sign) return { token: { kind: "sign", text: sign, at }, end: at + sign.length };
  const shown = String.fromCodePoint(text.codePointAt(at)!);
  throw new ExpressionError(
    `"${shown}" has no meaning here`,
    at + 1,
    char === "%" || char === ";" || char === "~" || char === "^"
      ? "Put texts and patterns into single quotes: name LIKE 'A%'"
      : "Put texts into single quotes and unusual names into backquotes",
  );
}

function isOperandEnd({ kind, text }: Token): boolean {
  return kind === "word" || kind === "name" || kind === "quoted" || kind === "sign" && text === "]";
}

/** SQL's strings: a quote inside is written twice, a backslash is a backslash. */
function quotedString(text: string, at: number): { token: Token; end: number } {
  const found = /'((?:[^']|'')*)'/y;
  found.lastIndex = at;
  const match = found.exec(text);
  if (!match) {
    throw new ExpressionError(
      "The text has no closing quote",
      at + 1,
      "A quote inside is written twice: 'it''s'",
    );
  }
  return { token: { kind: "string", text: match[1].replaceAll("''", "'"), at }, end: at + match[0].length };
}

/** A quoted name as SQL has it (`""` inside), or a string as JSON has it (backslashes). */
function quotedName(text: string, at: number): { token: Token; end: number } {
  const found = /"((?:[^"\\]|\\.|"")*)"/ys;
  found.lastIndex = at;
  const match = found.exec(text);
  if (!match) throw new ExpressionError("The quoted name has no closing quote", at + 1);
  let name: string;
  try {
    name = match[1].includes('""') ? match[1].replaceAll('""', '"') : JSON.parse(match[0]);
  } catch {
    name = match[1];
  }
  return { token: { kind: "quoted", text: name, at }, end: at + match[0].length };
}

function backquoted(text: string, at: number): { token: Token; end: number } {
  const found = /`((?:[^`]|``)+)`/y;
  found.lastIndex = at;
  const match = found.exec(text);
  if (!match) throw new ExpressionError("The name has no closing backquote", at + 1);
  return { token: { kind: "name", text: match[1].replaceAll("``", "`"), at }, end: at + match[0].length };
}

/** From `[` to the bracket that closes it, strings inside passed over. */
function jsonArray(text: string, at: number): { token: Token; end: number } {
  let depth = 0;
  let inString = false;
  for (let i = at; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === "\\") i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) {
      return { token: { kind: "json", text: text.slice(at, i + 1), at }, end: i + 1 };
    }
  }
  throw new ExpressionError("The list has no closing bracket", at + 1);
}
