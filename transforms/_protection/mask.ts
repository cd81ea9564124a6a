/** Masking strategies: a value → what is shown in its place, and the type of a column that is masked. */
import crypto from "node:crypto";
import { valueText } from "../../formats/data/json_value.ts";
import type { Column, ColumnType, Value } from "../../formats/data/value.ts";
import { hmacSha256 } from "./hmac.ts";
import { zeroOf } from "./zero.ts";

export const STRATEGIES = [
  "asterisks",
  "fixed",
  "redact",
  "partial",
  "hash",
  "null",
  "zero",
  "email",
  "card",
  "truncate",
] as const;

/** How one field is masked. All lengths are code points, so that no character is cut in half. */
export interface MaskSpec {
  readonly strategy: (typeof STRATEGIES)[number];
  /** `fixed`, `redact`: the text that is shown. */
  readonly replacement?: string;
  /** Stands for each hidden character. Default `*`. */
  readonly mask_char?: string;
  /** `asterisks`, `partial`: no longer run of mask characters. Default 20. */
  readonly max_length?: number;
  /** `asterisks`, `partial`: always as many mask characters, so that the length is hidden too. */
  readonly fixed_length?: number;
  readonly keep_first?: number;
  readonly keep_last?: number;
  /** `truncate`: so much stays. */
  readonly length?: number;
  /** `hash`. Default `hmac-sha256`. */
  readonly algorithm?: "hmac-sha256" | "sha256";
  /** `hash`: the key of `hmac-sha256`. */
  readonly key?: string;
  /** `hash`: so many hexadecimal digits. Default: all 64. */
  readonly truncate?: number;
  /** Numbers, booleans, times become the zero of their type instead of a text. */
  readonly type_preserving?: boolean;
}

/** A strategy, ready to use. `type` is the column's, where it is known. `null` stays `null`. */
export type Mask = (value: Value, type: ColumnType | undefined) => Value;

/**
 * Each field with how it is masked: its own keys come before the common ones. A field's own may be the name of the
 * strategy alone.
 */
export function maskSpecs(
  fields: readonly string[] | Readonly<Record<string, MaskSpec["strategy"] | Partial<MaskSpec>>>,
  common: Partial<MaskSpec>,
): { field: string; spec: MaskSpec }[] {
  const written: [string, MaskSpec["strategy"] | Partial<MaskSpec>][] = Array.isArray(fields)
    ? fields.map((field) => [field, {}])
    : Object.entries(fields);
  return written.map(([field, own]) => {
    const spec = { ...common, ...(typeof own === "string" ? { strategy: own } : own) };
    const otherwise = spec.replacement === undefined ? "asterisks" : "fixed";
    return { field, spec: { ...spec, strategy: spec.strategy ?? otherwise } };
  });
}

const MAX_LENGTH = 20;
export const REDACTED = "***REDACTED***";
/** What other values than texts become. */
const NO_TEXT = "****";

/** Kinds whose values are texts of any form. */
const TEXTS: ReadonlySet<ColumnType["kind"]> = new Set(["string", "json", "unknown"]);

export function maskOf(spec: MaskSpec): Mask {
  const hide = hiderOf(spec);
  return (value, type) => {
    if (value === null) return null;
    if (
      spec.type_preserving && !(typeof value === "string" && (type === undefined || TEXTS.has(type.kind)))
    ) {
      return zeroOf(type, value);
    }
    return hide(value, type);
  };
}

/** What becomes of a column that is masked. */
export function maskedColumn(column: Column, spec: MaskSpec): Column {
  const { name, type, nullable } = column;
  if (spec.strategy === "null") return { ...withoutDefault(column), nullable: true };
  const keepsType = spec.strategy === "zero" || (spec.type_preserving === true && !TEXTS.has(type.kind));
  return keepsType ? withoutDefault(column) : { name, type: { kind: "string" }, nullable };
}

/** Two values that were equal stay equal, and two that weren't stay apart. */
export function keepsKeysApart({ strategy, truncate = 64, type_preserving }: MaskSpec): boolean {
  return strategy === "hash" && truncate >= 32 && type_preserving !== true;
}

function hiderOf(spec: MaskSpec): Mask {
  const { mask_char = "*", max_length = MAX_LENGTH, fixed_length } = spec;
  // `repeat` makes some texts on the way to each.
  const texts: string[] = [];
  const stars = (count: number) => {
    const length = fixed_length ?? Math.min(count, max_length);
    return texts[length] ??= mask_char.repeat(length);
  };
  switch (spec.strategy) {
    case "asterisks":
      return (value) => typeof value === "string" ? stars(countUpTo(value, max_length)) : NO_TEXT;
    case "fixed":
    case "redact":
      return () => spec.replacement ?? REDACTED;
    case "partial":
      return (value) => {
        const text = scalarText(value);
        return text === undefined ? NO_TEXT : partly(text, spec.keep_first ?? 0, spec.keep_last ?? 0, stars);
      };
    case "hash":
      return hasherOf(spec);
    case "null":
      return () => null;
    case "zero":
      return (value, type) => zeroOf(type, value);
    case "email":
      return (value) => {
        const at = typeof value === "string" ? value.lastIndexOf("@") : -1;
        if (at < 1) return typeof value === "string" ? stars(countUpTo(value, max_length)) : NO_TEXT;
        const local = [...(value as string).slice(0, at)];
        const domain = (value as string).slice(at);
        return `${local.length > 1 ? local[0] : ""}${mask_char.repeat(3)}${domain}`;
      };
    case "card":
      return (value) => {
        const digits = scalarText(value)?.replaceAll(/[ -]/g, "");
        // ISO/IEC 7812: 8 to 19 digits; of less than 12, four would be too many to show.
        if (digits !== undefined && /^\d{12,19}$/.test(digits)) {
          return mask_char.repeat(digits.length - 4) + digits.slice(-4);
        }
        return typeof value === "string" ? stars(countUpTo(value, max_length)) : NO_TEXT;
      };
    case "truncate":
      return (value) => firstCodePoints(scalarText(value) ?? valueText(value), spec.length ?? 0);
  }
}

function hasherOf({ algorithm = "hmac-sha256", key, truncate = 64 }: MaskSpec): Mask {
  if (algorithm === "sha256") {
    // Of the JSON text, quotes included, as earlier versions did.
    return (value) => crypto.hash("sha256", valueText(value), "hex").slice(0, truncate);
  }
  const utf8 = new TextEncoder();
  const hmac = hmacSha256(utf8.encode(key));
  return (value) =>
    hmac(utf8.encode(typeof value === "string" ? value : valueText(value))).slice(0, truncate);
}

/** Never shows more than half of the text. */
function partly(text: string, keepFirst: number, keepLast: number, stars: (count: number) => string): string {
  const points = [...text];
  const most = Math.floor(points.length / 2);
  const last = Math.min(keepLast, most);
  const first = Math.min(keepFirst, most - last);
  const hidden = points.length - first - last;
  return points.slice(0, first).join("") + stars(hidden) + points.slice(points.length - last).join("");
}

/** A scalar as text; undefined for arrays, objects and bytes. */
function scalarText(value: Value): string | undefined {
  return typeof value === "object" ? undefined : String(value);
}

function countUpTo(text: string, most: number): number {
  if (text.length <= 1) return text.length;
  let count = 0;
  for (let i = 0; i < text.length && count < most; i++, count++) {
    const code = text.codePointAt(i)!;
    if (code > 0xffff) i++;
  }
  return count;
}

function firstCodePoints(text: string, count: number): string {
  let end = 0;
  for (let n = 0; n < count && end < text.length; n++) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
  return text.slice(0, end);
}

/** A default may say what the mask hides. */
function withoutDefault({ name, type, nullable, nativeType }: Column): Column {
  return { name, type, nullable, ...(nativeType === undefined ? {} : { nativeType }) };
}
