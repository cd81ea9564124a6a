/** How log messages look on standard error: a line of text, or a line of JSON for a collector. */
import type { Fields, LogLevel } from "../runtime/protocol.ts";
import { jsonText, type Output } from "./output.ts";

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export type Log = (level: LogLevel, from: string, message: string, fields?: Fields) => void;

/** A log that prints what is at least as important as `least`. */
export function logTo(output: Output, least: LogLevel, format: "text" | "json"): Log {
  const { dim, yellow, red, bold } = output.errorStyle;
  const colour: Record<LogLevel, (text: string) => string> = {
    debug: dim,
    info: (text) => text,
    warn: yellow,
    error: red,
  };
  return (level, from, message, fields) => {
    if (ORDER.indexOf(level) < ORDER.indexOf(least)) return;
    const time = new Date().toISOString();
    if (format === "json") return output.say(jsonText({ time, level, from, message, ...fields }, 0));
    const { hint, ...rest } = fields ?? {};
    const details = Object.entries(rest).map(([name, value]) => ` ${dim(`${name}=${jsonText(value, 0)}`)}`)
      .join("");
    output.say(
      `${dim(time.slice(11, 23))} ${colour[level](level.toUpperCase().padEnd(5))} ${
        bold(from)
      }  ${message}${details}`,
    );
    if (typeof hint === "string") output.say(`  → ${hint}`);
  };
}
