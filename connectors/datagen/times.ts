/** When generated records are made: really, or on the virtual clock of `start_time`. Used by source.ts. */
import type { Clock } from "../contract.ts";
import type { DatagenConfig } from "./connector.ts";

const DETERMINISTIC_START = "2025-01-01T00:00:00Z";

export interface Times {
  /** Called once a batch. */
  tick(): void;
  /** When record `sequence` is made, microseconds since 1970; also in `bigMicros`. */
  at(sequence: number): number;
  readonly bigMicros: bigint;
  /** Whether `at` gives the same for a number at any time. */
  readonly isVirtual: boolean;
}

/** The clock that a configuration asks for. */
export function timesOf(config: DatagenConfig, clock: Clock): Times {
  const start = config.start_time ?? (config.deterministic ? DETERMINISTIC_START : undefined);
  return start === undefined ? new RealTimes(clock) : new VirtualTimes(start, config.events_per_second);
}

/** The time is read once a batch, so all its records have one. */
class RealTimes implements Times {
  readonly isVirtual = false;
  bigMicros = 0n;
  readonly #clock: Clock;
  #micros = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tick(): void {
    this.bigMicros = this.#clock.nowMicros();
    this.#micros = Number(this.bigMicros);
  }

  at(): number {
    return this.#micros;
  }
}

/** Each record is later than the one before by its share of a second; without a rate, by a microsecond. */
class VirtualTimes implements Times {
  readonly isVirtual = true;
  bigMicros = 0n;
  readonly #startMicros: number;
  readonly #perSecond: number;

  constructor(start: string, perSecond: number) {
    this.#startMicros = parseMicros(start);
    this.#perSecond = perSecond || 1_000_000;
  }

  tick(): void {}

  at(sequence: number): number {
    const seconds = Math.floor(sequence / this.#perSecond);
    const rest = sequence - seconds * this.#perSecond;
    const micros = this.#startMicros + seconds * 1_000_000 + Math.floor(rest * 1_000_000 / this.#perSecond);
    this.bigMicros = BigInt(micros);
    return micros;
  }
}

/** RFC 3339 → microseconds since 1970; `Date` keeps three digits of the fraction only. */
function parseMicros(text: string): number {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const wholeSeconds = Date.parse(text.replace(/\.\d+/, ""));
  return wholeSeconds * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}
