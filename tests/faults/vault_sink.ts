/**
 * A sink for fault tests whose target stores the position with the data: one file that is replaced as a whole, with the
 * numbers and how far the flow is.
 */
import type { Progress, Sink, SinkContext } from "../../connectors/contract.ts";

export interface VaultConfig {
  readonly path: string;
}

/** What the file holds. */
export interface Vault {
  readonly progress: Progress;
  readonly numbers: readonly number[];
}

export function readVault(path: string): Vault | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

export function openSink({ path }: VaultConfig, context: SinkContext): Sink {
  const stored = readVault(path);
  const numbers = [...stored?.numbers ?? []];
  let isNew = false;
  return {
    write(batch) {
      for (const { after } of batch.records) numbers.push(Number((after as { n: bigint }).n));
      isNew = true;
      return Promise.resolve();
    },
    flush() {
      if (isNew) {
        const vault: Vault = { progress: context.progress(), numbers };
        Deno.writeTextFileSync(`${path}.new`, JSON.stringify(vault));
        Deno.renameSync(`${path}.new`, path);
      }
      isNew = false;
      return Promise.resolve();
    },
    recover: () => Promise.resolve(stored?.progress),
    check: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
