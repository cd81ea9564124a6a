/** What is wrong with an expression, and where. Thrown by the parser and the compiler; definitions make problems of it. */

/** An expression that can't be used. The message says where in the text; columns count characters from 1. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";

  constructor(message: string, readonly column: number, readonly hint?: string) {
    super(`${message} (column ${column})`);
  }
}

/** The same as a problem of a configuration key. Anything but an ExpressionError is thrown on. */
export function expressionProblem(
  key: string,
  error: unknown,
): { key: string; message: string; hint?: string } {
  if (!(error instanceof ExpressionError)) throw error;
  return { key, message: error.message, hint: error.hint };
}
