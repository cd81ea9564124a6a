/** Names of the source's as parts of object names: whatever a table is called, different names stay different. */
import { percent, shortened } from "../_files/placeholders.ts";

/**
 * A name as one segment between slashes: what could leave it or is not allowed everywhere is written as `%2F`, a
 * missing name as `_`. One that is longer than `maxBytes` is cut and ends in a hash.
 */
export function safeName(name: string, maxBytes = 80): string {
  if (name === "") return "_";
  if (name === "_") return "%5F";
  // deno-lint-ignore no-control-regex
  const safe = name.replace(/[\x00-\x1f\x7f/\\:*?"<>|%{}+#&=^`[\]]/g, percent).replace(
    /^[. ]|[. ]$/g,
    percent,
  );
  return shortened(safe.toWellFormed(), name, maxBytes);
}

/** An order as a part of a file name: sorts as it does, since all orders of a lane are made alike. */
export function safeOrder(order: string): string {
  const safe = order.replace(/[^\w.]|_/g, (char) => char === "/" ? "_" : percent(char));
  return shortened(safe, order, 64);
}

/** A lane as a part of a file name: `orders/3` is `orders+3`. */
export function safeLane(lane: string): string {
  const safe = lane.split("/").map((part) => safeName(part, 1024)).join("+");
  return shortened(safe, lane, 80);
}
