/** SIGINT and SIGTERM: the first asks, the second ends the process at once. */

const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Calls `first` for the first signal; a second one exits with 130 or 143. Until disposed. */
export function onSignals(first: (signal: keyof typeof CODES) => void): Disposable {
  let asked = false;
  const signals = Object.keys(CODES) as (keyof typeof CODES)[];
  const handlers = signals.map((signal) => {
    const handler = () => {
      if (asked) Deno.exit(CODES[signal]);
      asked = true;
      first(signal);
    };
    Deno.addSignalListener(signal, handler);
    return { signal, handler };
  });
  return {
    [Symbol.dispose]() {
      for (const { signal, handler } of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}
