/**
 * Patterns of dates and times: strftime (`%Y-%m-%d %H:%M`) where there is a percent sign, otherwise Unicode's and
 * Java's letters (`yyyy-MM-dd'T'HH:mm:ss.SSS`). One compiled pattern writes and reads.
 */
import {
  atOffset,
  type DateTime,
  dayOf,
  daysOf,
  fractionText,
  offsetText,
  parseOffset,
  two,
  yearText,
} from "./times.ts";

export interface TimePattern {
  format(time: DateTime): string;
  /** Undefined: the text does not look like this, or there is no such day or time. */
  parse(text: string): DateTime | undefined;
  /** Whether it says anything about the zone; what it writes without one is local time. */
  readonly hasZone: boolean;
}

/** What has been read so far. */
interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  nanos: number;
  digits: number;
  hour12?: number;
  isAfternoon?: boolean;
  offset?: number;
  epoch?: number;
  dayOfYear?: number;
}

interface Piece {
  write(time: DateTime): string;
  /** A regular expression with one group where `read` is given. */
  readonly expression: string;
  read?(text: string, parts: Parts): void;
  readonly isZone?: boolean;
}

const MONTHS = "January,February,March,April,May,June,July,August,September,October,November,December".split(
  ",",
);
const DAYS = "Sunday,Monday,Tuesday,Wednesday,Thursday,Friday,Saturday".split(",");

const hourOf = ({ second }: DateTime) => Math.floor(second / 3600);
const minuteOf = ({ second }: DateTime) => Math.floor(second / 60) % 60;
const hour12Of = (time: DateTime) => hourOf(time) % 12 || 12;

function number(
  digits: string,
  of: (time: DateTime) => number,
  set: (parts: Parts, value: number) => void,
  isPadded = true,
): Piece {
  return {
    write: (time) => isPadded ? two(of(time)) : String(of(time)),
    expression: `(${digits})`,
    read: (text, parts) => set(parts, Number(text)),
  };
}

function name(
  names: readonly string[],
  length: number,
  index: (time: DateTime) => number,
  set?: (parts: Parts, i: number) => void,
): Piece {
  const cut = names.map((one) => one.slice(0, length));
  return {
    write: (time) => cut[index(time)],
    expression: `(${cut.join("|")})`,
    read: (text, parts) => {
      const i = cut.findIndex((one) => one.toLowerCase() === text.toLowerCase());
      set?.(parts, i);
    },
  };
}

function fraction(digits: number | undefined, point = ""): Piece {
  return {
    write: (time) => {
      const text = fractionText(time.nanos, digits);
      return digits === undefined && text === "" ? "" : (point && ".") + text;
    },
    expression: digits === undefined
      ? `(${point && "(?:\\."}\\d{0,9}${point && ")?"})`
      : `${point && "\\."}(\\d{${digits}})`,
    read: (text, parts) => {
      const figures = text.replace(".", "");
      parts.nanos = Number(figures.padEnd(9, "0"));
      parts.digits = figures.length;
    },
  };
}

function zone(colon: string, utc: string): Piece {
  return {
    write: ({ offset = 0 }) => offsetText(offset, utc, colon),
    expression: "(Z|z|[+-]\\d{2}(?::?\\d{2}(?::?\\d{2})?)?)",
    read: (text, parts) => {
      parts.offset = parseOffset(text) ?? NaN;
    },
    isZone: true,
  };
}

function literal(text: string): Piece {
  return { write: () => text, expression: text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&") };
}

const year: Piece = {
  write: ({ days }) => yearText(dayOf(days).year),
  expression: "([+-]?\\d{4,})",
  read: (text, parts) => {
    parts.year = Number(text);
  },
};
const shortYear: Piece = {
  write: ({ days }) => two(((dayOf(days).year % 100) + 100) % 100),
  expression: "(\\d{2})",
  // As strptime() of POSIX: 69 to 99 are in the 1900s.
  read: (text, parts) => {
    parts.year = Number(text) + (Number(text) >= 69 ? 1900 : 2000);
  },
};
const month = (digits: string, isPadded?: boolean) =>
  number(digits, ({ days }) => dayOf(days).month, (parts, value) => void (parts.month = value), isPadded);
const day = (digits: string, isPadded?: boolean) =>
  number(digits, ({ days }) => dayOf(days).day, (parts, value) => void (parts.day = value), isPadded);
const hour = (digits: string, isPadded?: boolean) =>
  number(digits, hourOf, (parts, value) => void (parts.hour = value), isPadded);
const hour12 = (digits: string, isPadded?: boolean) =>
  number(digits, hour12Of, (parts, value) => void (parts.hour12 = value), isPadded);
const minute = (digits: string, isPadded?: boolean) =>
  number(digits, minuteOf, (parts, value) => void (parts.minute = value), isPadded);
const second = (digits: string, isPadded?: boolean) =>
  number(digits, ({ second }) => second % 60, (parts, value) => void (parts.second = value), isPadded);
const monthName = (length: number) =>
  name(MONTHS, length, ({ days }) => dayOf(days).month - 1, (parts, i) => void (parts.month = i + 1));
const dayName = (length: number) => name(DAYS, length, ({ days }) => (((days + 4) % 7) + 7) % 7);
const halfDay: Piece = {
  write: (time) => hourOf(time) < 12 ? "AM" : "PM",
  expression: "(AM|PM)",
  read: (text, parts) => {
    parts.isAfternoon = text.toLowerCase() === "pm";
  },
};
const dayOfYear: Piece = {
  write: ({ days }) => String(days - daysOf(dayOf(days).year, 1, 1)! + 1).padStart(3, "0"),
  expression: "(\\d{3})",
  read: (text, parts) => {
    parts.dayOfYear = Number(text);
  },
};
const epoch: Piece = {
  write: (time) => String(time.days * 86_400 + time.second - (time.offset ?? 0)),
  expression: "(-?\\d{1,15})",
  read: (text, parts) => {
    parts.epoch = Number(text);
    parts.offset = 0;
  },
  isZone: true,
};

const STRFTIME: Readonly<Record<string, readonly Piece[]>> = {
  Y: [year],
  y: [shortYear],
  m: [month("\\d{2}")],
  d: [day("\\d{2}")],
  e: [day(" ?\\d{1,2}", false)],
  H: [hour("\\d{2}")],
  I: [hour12("\\d{2}")],
  M: [minute("\\d{2}")],
  S: [second("\\d{2}")],
  p: [halfDay],
  f: [fraction(6)],
  L: [fraction(3)],
  N: [fraction(9)],
  "3f": [fraction(3)],
  "6f": [fraction(6)],
  "9f": [fraction(9)],
  ".f": [fraction(undefined, ".")],
  ".3f": [fraction(3, ".")],
  ".6f": [fraction(6, ".")],
  ".9f": [fraction(9, ".")],
  z: [zone("", "+0000")],
  ":z": [zone(":", "+00:00")],
  j: [dayOfYear],
  b: [monthName(3)],
  h: [monthName(3)],
  B: [monthName(9)],
  a: [dayName(3)],
  A: [dayName(9)],
  s: [epoch],
  "%": [literal("%")],
  F: [year, literal("-"), month("\\d{2}"), literal("-"), day("\\d{2}")],
  T: [hour("\\d{2}"), literal(":"), minute("\\d{2}"), literal(":"), second("\\d{2}")],
  R: [hour("\\d{2}"), literal(":"), minute("\\d{2}")],
};

const UNICODE: Readonly<Record<string, Piece>> = {
  yyyy: year,
  uuuu: year,
  y: year,
  yy: shortYear,
  MMMM: monthName(9),
  MMM: monthName(3),
  MM: month("\\d{2}"),
  M: month("\\d{1,2}", false),
  dd: day("\\d{2}"),
  d: day("\\d{1,2}", false),
  DDD: dayOfYear,
  EEEE: dayName(9),
  EEE: dayName(3),
  HH: hour("\\d{2}"),
  H: hour("\\d{1,2}", false),
  hh: hour12("\\d{2}"),
  h: hour12("\\d{1,2}", false),
  mm: minute("\\d{2}"),
  m: minute("\\d{1,2}", false),
  ss: second("\\d{2}"),
  s: second("\\d{1,2}", false),
  a: halfDay,
  XXX: zone(":", "Z"),
  XX: zone("", "Z"),
  xxx: zone(":", "+00:00"),
  xx: zone("", "+0000"),
  Z: zone("", "+0000"),
};

/**
 * @throws {SyntaxError} when the pattern has something that is not known here; the message is for whoever wrote it
 */
export function compileTimePattern(text: string): TimePattern {
  const pieces = text.includes("%") ? strftimePieces(text) : unicodePieces(text);
  const readers = pieces.filter(({ read }) => read !== undefined);
  const expression = new RegExp(`^${pieces.map(({ expression }) => expression).join("")}$`, "i");
  return {
    hasZone: pieces.some(({ isZone }) => isZone),
    format(time) {
      let out = "";
      for (const piece of pieces) out += piece.write(time);
      return out;
    },
    parse(value) {
      const match = expression.exec(value);
      if (!match) return undefined;
      const parts: Parts = {
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        digits: 0,
      };
      readers.forEach(({ read }, i) => read!(match[i + 1], parts));
      return timeOf(parts);
    },
  };
}

function timeOf(parts: Parts): DateTime | undefined {
  const { year, month, day, minute, second, nanos, digits, hour12, isAfternoon, offset, epoch, dayOfYear } =
    parts;
  if (epoch !== undefined) return atOffset(epoch, nanos, digits, 0);
  if (Number.isNaN(offset)) return undefined;
  const hour = hour12 === undefined ? parts.hour : hour12 % 12 + (isAfternoon ? 12 : 0);
  const first = dayOfYear === undefined ? undefined : daysOf(year, 1, 1)! + dayOfYear - 1;
  if (first !== undefined && (dayOfYear! < 1 || dayOf(first).year !== year)) return undefined;
  const days = first ?? daysOf(year, month, day);
  if (days === undefined || hour > 23 || minute > 59 || second > 59 || hour12 === 0 || (hour12 ?? 0) > 12) {
    return undefined;
  }
  return { days, second: hour * 3600 + minute * 60 + second, nanos, digits, offset, isDate: false };
}

function strftimePieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  for (
    const [, literalText, directive, other] of text.matchAll(/([^%]+)|%(:z|\.?[369]?f|[A-Za-z%])|(%.?)/gs)
  ) {
    if (literalText !== undefined) pieces.push(literal(literalText));
    else if (directive !== undefined && Object.hasOwn(STRFTIME, directive)) {
      pieces.push(
        ...STRFTIME[directive],
      );
    } else {throw new SyntaxError(
        `"${other ?? "%" + directive}" in the pattern "${text}" is not known here`,
      );}
  }
  return pieces;
}

function unicodePieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  for (const [all, quoted, letters] of text.matchAll(/'((?:[^']|'')*)'|(([A-Za-z])\3*)|[^A-Za-z']+|'/gs)) {
    if (quoted !== undefined) pieces.push(literal(quoted === "" ? "'" : quoted.replaceAll("''", "'")));
    else if (letters === undefined && all !== "'") pieces.push(literal(all));
    else if (/^S{1,9}$/.test(all)) pieces.push(fraction(all.length));
    else if (letters !== undefined && Object.hasOwn(UNICODE, letters)) pieces.push(UNICODE[letters]);
    else {
      throw new SyntaxError(
        `"${all}" in the pattern "${text}" is not known here; put letters that stand for themselves in single quotes`,
      );
    }
  }
  if (pieces.every(({ read }) => read === undefined)) {
    throw new SyntaxError(`The pattern "${text}" holds nothing of a date or time`);
  }
  return pieces;
}
