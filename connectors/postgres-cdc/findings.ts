/** Findings of `check`, as its steps make them. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { CheckFinding, CheckReport } from "../contract.ts";

/** How many names a message lists. */
const LISTED = 5;

/** Runs one step; what it throws is its finding. */
export async function reported<T>(
  name: string,
  report: CheckReport,
  step: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    report(failed(name, error.message, error.hint, error.kind === "config" ? "config" : "environment"));
    return undefined;
  }
}

/** All is well. */
export function ok(name: string, message: string): CheckFinding {
  return { name, status: "ok", message };
}

/** It works, but not as somebody may want it. */
export function warning(name: string, message: string, hint?: string): CheckFinding {
  return { name, status: "warning", message, hint };
}

/** It would not work. */
export function failed(
  name: string,
  message: string,
  hint?: string,
  blame: CheckFinding["blame"] = "environment",
): CheckFinding {
  return { name, status: "failed", message, hint, blame };
}

/** Names for a message, the first few of many. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map((name) => `"${name}"`).join(", ");
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

/** A statement that a line has room for. */
export function shortened(statement: string): string {
  return statement.length > 300 ? `${statement.slice(0, 300)}…` : statement;
}
