/** The two kinds of expected failure: of one record, and of a whole flow. */

/** What went wrong, first word of every error code. The kind decides whether trying again can help. */
export const ERROR_KINDS = {
  config: false,
  auth: false,
  permission: false,
  not_found: false,
  rate_limited: true,
  timeout: true,
  connection: true,
  transient: true,
  serialization: false,
  schema: false,
  state: false,
  conflict: true,
  fenced: false,
  fatal: false,
  internal: false,
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;

export interface ErrorDetails {
  /** Stable and documented: a kind, then what exactly, as in `state_position_gone`. */
  readonly code: `${ErrorKind}` | `${ErrorKind}_${string}`;
  /** What the person who reads this can do. */
  readonly hint?: string;
  /** Follows from the kind when left out. */
  readonly retryable?: boolean;
  /** How long the other side asked us to wait. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** A failure of a whole flow: what was tried, on what, what was found. Never holds secrets or rows. */
export class ConnectorError extends Error {
  override readonly name = "ConnectorError";
  readonly code: ErrorDetails["code"];
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly retryAfterMs?: number;

  constructor(message: string, details: ErrorDetails) {
    super(message, { cause: details.cause });
    this.code = details.code;
    this.kind = kindOf(details.code);
    this.retryable = details.retryable ?? ERROR_KINDS[this.kind];
    this.hint = details.hint;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** One record that can't be decoded, transformed or written; the pipeline's `on_error` decides about it. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly code: ErrorDetails["code"];

  constructor(message: string, details: { code: ErrorDetails["code"]; cause?: unknown }) {
    super(message, { cause: details.cause });
    this.code = details.code;
  }
}

function kindOf(code: string): ErrorKind {
  for (const kind of Object.keys(ERROR_KINDS) as ErrorKind[]) {
    if (code === kind || code.startsWith(`${kind}_`)) return kind;
  }
  return "internal";
}

/** What crosses between threads and lands in logs and `--json`: an error as plain data, without its stack. */
export interface ErrorReport {
  readonly message: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly retryAfterMs?: number;
  /** Messages of the causes, outermost first. */
  readonly causes: readonly string[];
}

/** Turns anything thrown into an ErrorReport. What is not a ConnectorError counts as a fault of ours. */
export function reportError(error: unknown): ErrorReport {
  const causes: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause !== undefined && causes.length < 8) {
    causes.push(cause instanceof Error ? cause.message : String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  if (error instanceof ConnectorError) {
    const { message, code, retryable, hint, retryAfterMs } = error;
    return { message, code, retryable, hint, retryAfterMs, causes };
  }
  if (error instanceof RecordError) {
    return { message: error.message, code: error.code, retryable: false, causes };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { message, code: "internal", retryable: false, causes };
}

/** The other way round, for the thread that receives the report. */
export function errorFromReport(report: ErrorReport): ConnectorError {
  let cause: Error | undefined;
  for (const message of report.causes.toReversed()) cause = new Error(message, { cause });
  const { message, hint, retryable, retryAfterMs } = report;
  return new ConnectorError(message, {
    code: report.code as ErrorDetails["code"],
    hint,
    retryable,
    retryAfterMs,
    cause,
  });
}
