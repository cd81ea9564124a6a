/** Where a generated stream stands: what its positions say, read back with care. Used by source.ts alone. */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Position } from "../contract.ts";
import type { DatagenConfig } from "./connector.ts";
import { DEFAULT_WEIGHTS } from "./changes.ts";

export interface DatagenPosition extends Position {
  readonly v: 1;
  /** The number of the next record: so many were made before it. */
  readonly sequence: number;
  /** The generator's state, 16 hex digits. */
  readonly state: string;
  /** Where the generator began; decimal. */
  readonly seed: string;
  /** Grows by one with each start at record 0. */
  readonly attempt: number;
  /** When its last record was made, microseconds since 1970. */
  readonly at: number;
  /** With `cdc_mode`: the keys that decide about the draws. */
  readonly changes?: string;
}

/** @throws {ConnectorError} when the position was not made by this version of datagen */
export function readPosition(position: Position): DatagenPosition {
  const { v, sequence, state, seed, attempt, at, changes } = position;
  const isOurs = v === 1 && isCount(sequence) && isCount(attempt) && Number.isSafeInteger(at) &&
    typeof state === "string" && /^[0-9a-f]{16}$/.test(state) &&
    typeof seed === "string" && /^\d{1,20}$/.test(seed) &&
    (changes === undefined || typeof changes === "string");
  if (isOurs) return position as DatagenPosition;
  throw new ConnectorError(
    `Cannot resume: the saved position (version ${v}) is none that datagen understands`,
    {
      code: "state_position_unknown",
      hint: "Run the version that saved it, or delete the checkpoint to start again at record 0",
    },
  );
}

/**
 * Refuses a position that the configuration would continue with other draws.
 *
 * @throws {ConnectorError} naming the key that changed
 */
export function assertContinues(position: DatagenPosition, config: DatagenConfig): void {
  const { seed, changes } = position;
  if (config.seed !== undefined && BigInt(config.seed) !== BigInt(seed)) {
    throw cannotContinue(`seed is ${config.seed}, the records so far were drawn from ${seed}`);
  }
  const wanted = changesOf(config);
  if (wanted === changes) return;
  if (wanted === undefined) throw cannotContinue("cdc_mode is off, the records so far are changes");
  if (changes === undefined) throw cannotContinue("cdc_mode is on, the records so far are no changes");
  throw cannotContinue(
    `the keys for cdc_mode say "${wanted}", the records so far were drawn with "${changes}"`,
  );
}

/** What is wrong when the position and what the configuration makes of it differ. */
export function cannotContinue(found: string): ConnectorError {
  return new ConnectorError(`Cannot continue the stream: ${found}`, {
    code: "state_configuration_changed",
    hint: "Set the keys back, set on_restart: restart for one start, or delete the checkpoint",
  });
}

/** The keys that decide about the draws of `cdc_mode`, as text; undefined without it. */
export function changesOf(config: DatagenConfig): string | undefined {
  if (!config.cdc_mode) return undefined;
  const { insert, update, delete: remove } = config.cdc_weights ?? DEFAULT_WEIGHTS;
  return `${config.pattern}, update_mode ${config.update_mode}, cdc_weights ${insert}/${update}/${remove}, ` +
    `initial_rows ${config.initial_rows}`;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
