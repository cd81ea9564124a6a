/** From what was thrown to the exit code of the process. */
import { ConnectorError, type ErrorKind } from "../formats/data/errors.ts";
import { EXIT, UsageError } from "./command.ts";

const EXIT_OF_KIND: Partial<Record<ErrorKind, number>> = {
  config: EXIT.usage,
  auth: EXIT.environment,
  permission: EXIT.environment,
  not_found: EXIT.environment,
  connection: EXIT.environment,
  timeout: EXIT.environment,
  rate_limited: EXIT.environment,
  state: EXIT.environment,
};

/** The exit code that fits what a command has thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof ConnectorError) return EXIT_OF_KIND[error.kind] ?? EXIT.failed;
  return EXIT.failed;
}
