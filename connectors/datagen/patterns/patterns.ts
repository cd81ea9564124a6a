/** The patterns by the names that configurations call them. connector.ts offers them, rows.ts makes rows of them. */
import { events } from "./events.ts";
import { keyValue } from "./key_value.ts";
import { metrics } from "./metrics.ts";
import { orders } from "./orders.ts";
import type { Pattern, PatternOptions } from "./pattern.ts";
import { random } from "./random.ts";
import { sequence } from "./sequence.ts";
import { users } from "./users.ts";

export const PATTERNS = {
  sequence,
  random,
  users,
  orders,
  events,
  metrics,
  key_value: keyValue,
} as const satisfies Record<string, (options: PatternOptions) => Pattern>;

export type PatternName = keyof typeof PATTERNS;
