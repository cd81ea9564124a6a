/** What Avro and Parquet store as numbers and bytes, as the texts that we have for it, with all digits. */

const DAY_SECONDS = 86_400n;

/** `2026-01-31` of days since 1970. Years beyond four digits are signed. */
export function dateText(days: number): string {
  // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400 years that begin in March.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${two(month)}-${two(day)}`;
}

/** `12:00:00.5` of units since midnight. */
export function timeText(units: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const seconds = Number(units / perSecond);
  const clock = [seconds / 3600, seconds / 60 % 60, seconds % 60].map((part) => two(Math.floor(part))).join(
    ":",
  );
  return clock + fractionText(units % perSecond, digits);
}

/** `2026-01-31T12:00:00.5` of units since 1970. */
export function timestampText(units: bigint, digits: number): string {
  const perDay = DAY_SECONDS * 10n ** BigInt(digits);
  let rest = units % perDay;
  if (rest < 0n) rest += perDay;
  return `${dateText(Number((units - rest) / perDay))}T${timeText(rest, digits)}`;
}

/** A whole number of units of the last digit as a decimal. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** A number in two's complement, highest byte first. */
export function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = value << 8n | BigInt(byte);
  return bytes.length > 0 ? BigInt.asIntN(bytes.length * 8, value) : 0n;
}

/** ISO 8601 of months, days and milliseconds in four bytes each, lowest first: Avro's and Parquet's interval. */
export function intervalText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  const [months, days, millis] = [0, 4, 8].map((at) => view.getUint32(at, true));
  const date = `${months > 0 ? `${months}M` : ""}${days > 0 ? `${days}D` : ""}`;
  const time = millis > 0 ? `T${Math.floor(millis / 1000)}${fractionText(BigInt(millis % 1000), 3)}S` : "";
  return date + time === "" ? "PT0S" : `P${date}${time}`;
}

export function uuidText(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The shortest digits that name a number of 32 bits; what JSON has not is a text. */
export function float32(value: number): number | string {
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return Object.is(value, -0) ? -0 : shorter;
  }
  return value;
}

export function float64(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function fractionText(fraction: bigint, digits: number): string {
  const text = String(fraction).padStart(digits, "0").replace(/0+$/, "");
  return fraction === 0n ? "" : `.${text}`;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, "0");
  return `${year < 0 ? "-" : "+"}${String(Math.abs(year)).padStart(4, "0")}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
