/** Several generators as one, whichever is first; used where connections are read at the same time. */

/**
 * Yields what the generators yield, in the order in which it is there; none is ahead by more than one. When one of them
 * fails, or nobody reads on, `done` is aborted, which must end what the others wait for.
 */
export async function* merged<T>(
  sources: readonly AsyncGenerator<T>[],
  done: AbortController,
): AsyncGenerator<T> {
  const ready: { readonly from: number; readonly value: T }[] = [];
  let left = sources.length;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const pull = async (from: number) => {
    try {
      const { value, done } = await sources[from].next();
      if (done) left--;
      else ready.push({ from, value });
    } catch (error) {
      failure ??= { error };
    }
    wake?.();
  };
  const pulls = sources.map((_, i) => pull(i));
  try {
    while (left > 0) {
      if (failure) throw failure.error;
      const next = ready.shift();
      if (next) {
        yield next.value;
        pulls[next.from] = pull(next.from);
      } else await new Promise<void>((resolve) => wake = resolve);
    }
  } finally {
    done.abort();
    await Promise.all(pulls);
    await Promise.all(sources.map((source) => source.return(undefined).catch(() => {})));
  }
}
