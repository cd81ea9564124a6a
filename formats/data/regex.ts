/**
 * Regular expressions that people write into a configuration: compiled once, and refused where their running time can
 * explode, because one row could then stop a pipeline. Used where tables
 * are named, by expressions and by every transform with a pattern.
 */

/**
 * Compiles a pattern in JavaScript's syntax; `(?i)`, `(?s)`, `(?m)` in front and `(?P<name>` are understood too.
 *
 * @throws {SyntaxError} when it is no pattern, or one that backtracks without bound; the message says which
 */
export function compileRegex(
  pattern: string,
  options: { anchored?: boolean; ignoreCase?: boolean } = {},
): RegExp {
  const inline = /^\(\?([ims]+)\)/.exec(pattern);
  let source = (inline ? pattern.slice(inline[0].length) : pattern).replaceAll("(?P<", "(?<");
  const problem = new Backtracking(source).problem();
  if (problem) throw new SyntaxError(problem);
  if (options.anchored) source = `^(?:${source})$`;
  const flags = [...new Set((inline?.[1] ?? "") + (options.ignoreCase ? "i" : ""))].join("");
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    // Escapes that Unicode mode refuses, such as \- and \@, are all right without it.
    try {
      return new RegExp(source, flags);
    } catch (error) {
      const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : "";
      throw new SyntaxError(`"${pattern}" is no regular expression: ${reason}`);
    }
  }
}

/** A piece of a pattern: what it may start with, whether it may be empty, and what repeats inside. */
interface Piece {
  /** Sources of one-character patterns, one of which the piece starts with; undefined: it can't be told. */
  readonly first: readonly string[] | undefined;
  readonly mayBeEmpty: boolean;
  /** Its length has no bound. */
  readonly isUnbounded: boolean;
  /** It comes a number of times that depends on the text. */
  readonly isVariable: boolean;
  /** It may come more than once. */
  readonly repeats: boolean;
  /** How many rounds its repetitions make at most, those inside of them multiplied. */
  readonly rounds: number;
  /** The alternatives of a group. */
  readonly inner?: readonly (readonly Piece[])[];
}

const MAX_DEPTH = 100;
/** With no more than these a repetition is done soon, however it is written. */
const FEW_ROUNDS = 20;

const ONCE = { mayBeEmpty: false, isUnbounded: false, isVariable: false, repeats: false, rounds: 1 };

/**
 * Looks for repetitions that can match one text in many ways, which is what makes backtracking exponential: in a group
 * that repeats, two alternatives that start alike, or a repeated piece that may go on where the next one starts, such
 * as `(a+)+`, `(\w+\s?)*`. `(\w+\.)+` is fine: the dot ends each round. Errs on the side of refusing.
 */
class Backtracking {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #problem: string | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  problem(): string | undefined {
    this.#alternatives();
    return this.#problem;
  }

  #alternatives(): Piece[][] {
    const all: Piece[][] = [];
    do all.push(this.#sequence()); while (this.#take("|"));
    return all;
  }

  #sequence(): Piece[] {
    const pieces: Piece[] = [];
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at])) {
      const piece = this.#atom();
      if (piece) pieces.push(this.#repeated(piece));
    }
    return pieces;
  }

  /** One character, class or group; undefined for what matches no character, such as `^` and `(?=x)`. */
  #atom(): Piece | undefined {
    const source = this.#source;
    const start = this.#at;
    const char = source[this.#at++];
    if (char === "(") return this.#group();
    if (char === "^" || char === "$") return undefined;
    if (char === "[") {
      while (this.#at < source.length && source[this.#at] !== "]") {
        this.#at += source[this.#at] === "\\" ? 2 : 1;
      }
      this.#at++;
    } else if (char === "\\") {
      const next = source[this.#at++];
      if (next === "b" || next === "B") return undefined;
      if (next === "u" || next === "x" || next === "p" || next === "P") {
        const rest = /^(?:\{[^}]*\}|[0-9a-fA-F]{2,4})/.exec(source.slice(this.#at));
        this.#at += rest?.[0].length ?? 0;
      } else if (next === "k" || /[1-9]/.test(next ?? "")) {
        // A reference back: what it is can't be told.
        const rest = /^(?:<[^>]*>|\d*)/.exec(source.slice(this.#at));
        this.#at += rest?.[0].length ?? 0;
        return { ...ONCE, first: undefined, mayBeEmpty: true };
      }
    }
    return { ...ONCE, first: [source.slice(start, this.#at)] };
  }

  #group(): Piece | undefined {
    const head = /^\?(?:<?[=!]|:|<[^>]*>|[ims-]+:)/.exec(this.#source.slice(this.#at))?.[0] ?? "";
    this.#at += head.length;
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError("The pattern is nested too deeply");
    const inner = this.#alternatives();
    this.#depth--;
    this.#take(")");
    if (/^\?<?[=!]/.test(head)) return undefined;
    return {
      ...ONCE,
      first: union(inner.map(firstOf)),
      mayBeEmpty: inner.some((pieces) => pieces.every((piece) => piece.mayBeEmpty)),
      isUnbounded: inner.flat().some((piece) => piece.isUnbounded),
      rounds: inner.flat().reduce((sum, { rounds }) => sum + rounds, 0),
      inner,
    };
  }

  #repeated(piece: Piece): Piece {
    const quantifier = /^(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??/.exec(this.#source.slice(this.#at));
    if (!quantifier) return piece;
    this.#at += quantifier[0].length;
    const [, low, high = low] = quantifier;
    const sign = quantifier[0][0];
    const min = sign === "+" ? 1 : sign === "*" || sign === "?" ? 0 : Number(low);
    const max = sign === "?" ? 1 : sign === "*" || sign === "+" || high === "" ? Infinity : Number(high);
    const rounds = piece.rounds * max;
    if (max > 1 && piece.inner && (rounds > FEW_ROUNDS || piece.isUnbounded)) {
      const reason = ambiguity(piece.inner);
      if (reason) {
        this.#problem ??= `The pattern can take forever: a group that repeats ("${
          quantifier[0]
        }") has ${reason}`;
      }
    }
    return {
      ...piece,
      mayBeEmpty: piece.mayBeEmpty || min === 0,
      isUnbounded: piece.isUnbounded || max > 1000,
      isVariable: min !== max,
      repeats: max > 1,
      rounds,
    };
  }

  #take(char: string): boolean {
    if (this.#source[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

/** Why a group with these alternatives, repeated, can match a text in several ways; undefined when it can't. */
function ambiguity(alternatives: readonly (readonly Piece[])[]): string | undefined {
  if (alternatives.some((pieces) => pieces.every((piece) => piece.mayBeEmpty))) {
    return "something inside that may be empty";
  }
  return ambiguityBefore(alternatives, union(alternatives.map(firstOf)));
}

/** The same for alternatives behind which a text starts with one of `follows`. */
function ambiguityBefore(
  alternatives: readonly (readonly Piece[])[],
  follows: readonly string[] | undefined,
): string | undefined {
  for (const [i, pieces] of alternatives.entries()) {
    for (const other of alternatives.slice(i + 1)) {
      if (overlap(firstOf(pieces), firstOf(other))) return "alternatives that start alike";
    }
    for (const [k, piece] of pieces.entries()) {
      const rest = pieces.slice(k + 1);
      const next = rest.every((one) => one.mayBeEmpty) ? union([firstOf(rest), follows]) : firstOf(rest);
      if (piece.isVariable && overlap(piece.first, next)) {
        return "another repetition inside that may go on where the next round starts";
      }
      if (!piece.inner) continue;
      const reason = ambiguityBefore(piece.inner, piece.repeats ? union([next, piece.first]) : next);
      if (reason) return reason;
    }
  }
}

function firstOf(pieces: readonly Piece[]): readonly string[] | undefined {
  const firsts: (readonly string[] | undefined)[] = [];
  for (const piece of pieces) {
    firsts.push(piece.first);
    if (!piece.mayBeEmpty) break;
  }
  return union(firsts);
}

function union(sets: readonly (readonly string[] | undefined)[]): readonly string[] | undefined {
  const all: string[] = [];
  for (const set of sets) {
    if (set === undefined) return undefined;
    all.push(...set);
  }
  return all;
}

/** Letters, digits and signs, and some of each script: what two patterns for one character are tried on. */
const SAMPLES = [
  ...Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)),
  ..."ΩЖש日あ한€→😀\u2028\u3000",
];

function overlap(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  if (a.some((one) => b.includes(one))) return true;
  const test = (sources: readonly string[]) => {
    try {
      return new RegExp(`^(?:${sources.join("|")})$`, "isu");
    } catch {
      return new RegExp(`^(?:${sources.join("|")})$`, "is");
    }
  };
  if (a.length === 0 || b.length === 0) return false;
  const [left, right] = [test(a), test(b)];
  return SAMPLES.some((char) => left.test(char) && right.test(char));
}
