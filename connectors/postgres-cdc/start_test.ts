import assert from "node:assert/strict";
import { ConnectorError } from "../../formats/data/errors.ts";
import type { PostgresConfig } from "./connector.ts";
import { readPosition, streamPoint, streamPosition } from "./position.ts";
import type { Slot } from "./slot.ts";
import { decideStart } from "./start.ts";

type Mode = PostgresConfig["snapshot"]["mode"];

const ORIGIN = { system: "7", slot: "s" };
const saved = streamPosition(ORIGIN, { lsn: 0x200n, index: 3, lastCommit: 0x100n });
const reading = {
  ...saved,
  snapshot: { state: "reading", attempt: 1, lsn: "0/200", tablesDone: 0, tables: 2 },
} as const;
const slot: Slot = {
  name: "s",
  plugin: "pgoutput",
  database: "db",
  activePid: null,
  isTemporary: false,
  isTwoPhase: false,
  isFailover: false,
  isSynced: false,
  confirmedLsn: 0x100n,
  walStatus: "reserved",
  invalidation: undefined,
};

const config = (mode: Mode, slot_temporary = false) => ({
  slot_name: "s",
  database: "db",
  slot_temporary,
  snapshot: { mode },
});
const start = (
  from: typeof saved | undefined,
  found: Slot | undefined,
  mode: Mode,
  serverLsn = 0x300n,
  hasAttempted = false,
) => {
  const before = { saved: from, slot: found, serverLsn, hasAttempted };
  const { snapshot, resume, replacesSlot } = decideStart(before, config(mode));
  return [snapshot, resume?.lsn, replacesSlot];
};
const code = (code: string) => (error: unknown) => error instanceof ConnectorError && error.code === code;

Deno.test("without a position everything is read first, unless snapshot.mode is never", () => {
  for (const mode of ["initial", "always", "when_needed"] as const) {
    assert.deepEqual(start(undefined, undefined, mode), [true, undefined, false]);
    assert.deepEqual(start(undefined, slot, mode), [true, undefined, false]);
    assert.deepEqual(start(reading, slot, mode), [true, undefined, false]);
  }
  assert.deepEqual(start(undefined, slot, "never"), [false, undefined, false]);
  assert.deepEqual(start(undefined, slot, "no_data"), [false, undefined, false]);
});

Deno.test("behind an interrupted snapshot come the changes since the slot was made, not only since the next one", () => {
  for (const from of [undefined, reading]) {
    assert.deepEqual(start(from, slot, "initial", 0x300n, true), [true, 0x100n, false]);
    assert.deepEqual(start(from, undefined, "initial", 0x300n, true), [true, undefined, false]);
  }
  assert.deepEqual(start(undefined, slot, "never", 0x300n, true), [false, undefined, false]);
});

Deno.test("with a position the stream goes on there; always reads the tables once more", () => {
  for (const mode of ["initial", "never", "when_needed"] as const) {
    assert.deepEqual(start(saved, slot, mode), [false, 0x200n, false]);
  }
  assert.deepEqual(start(saved, slot, "always"), [true, 0x200n, false]);
});

Deno.test("a gap is never hidden: it is an error that names the choice, or a new snapshot where that was chosen", () => {
  const gaps = [
    [undefined, "state_slot_gone", false],
    [{ ...slot, walStatus: "lost" }, "state_slot_lost", true],
    [{ ...slot, invalidation: "idle_timeout" }, "state_slot_lost", true],
    [{ ...slot, confirmedLsn: 0x201n }, "state_position_gone", false],
  ] as const;
  assert.throws(() => start(saved, slot, "initial", 0x1ffn), code("state_server_behind"));
  assert.deepEqual(start(saved, slot, "when_needed", 0x1ffn), [true, undefined, false]);
  for (const [found, expected, replacesSlot] of gaps) {
    for (const mode of ["initial", "always", "never"] as const) {
      assert.throws(() => start(saved, found, mode), code(expected));
    }
    assert.deepEqual(start(saved, found, "when_needed"), [true, undefined, replacesSlot]);
  }
});

Deno.test("what an interrupted snapshot has delivered is not gone on with when the changes since then are gone", () => {
  const planned = { ...reading, snapshot: { ...reading.snapshot, plan: 1, units: { done: "", at: {} } } };
  assert.deepEqual(start(planned, slot, "initial", 0x300n, true), [true, 0x100n, false]);
  const gaps = [
    [undefined, "state_slot_gone", false],
    [{ ...slot, walStatus: "lost" }, "state_slot_lost", true],
    [{ ...slot, confirmedLsn: 0x201n }, "state_position_gone", false],
  ] as const;
  for (const [found, expected, replacesSlot] of gaps) {
    assert.throws(() => start(planned, found, "initial", 0x300n, true), code(expected));
    assert.deepEqual(start(planned, found, "when_needed", 0x300n, true), [true, undefined, replacesSlot]);
  }
  // Without a position there is no gap, and a slot that is beyond repair is somebody else's, unless one may be replaced.
  const lost = { ...slot, walStatus: "lost" };
  assert.throws(() => start(undefined, lost, "initial"), code("state_slot_lost"));
  assert.deepEqual(start(undefined, lost, "when_needed"), [true, undefined, true]);
});

Deno.test("a slot that went by itself is a gap between two points, and a new snapshot where that was chosen", () => {
  const planned = { ...reading, snapshot: { ...reading.snapshot, plan: 1, units: { done: "", at: {} } } };
  for (const from of [saved, planned]) {
    const before = { saved: from, slot: undefined, serverLsn: 0x300n, hasAttempted: true };
    for (const [more, temporary] of [[{}, true], [{ wasDropped: true }, false]] as const) {
      for (const mode of ["initial", "never", "no_data"] as const) {
        assert.throws(() => decideStart({ ...before, ...more }, config(mode, temporary)), (error) => {
          assert(error instanceof ConnectorError);
          assert.equal(error.code, "state_slot_gone");
          assert.equal(error.retryable, false);
          assert.match(
            error.message,
            /(temporary slot "s" ended|"s" was dropped).*since 0\/200 is gone.*at 0\/300/,
          );
          assert.match(error.hint ?? "", /when_needed or always.*--reset-position/);
          return true;
        });
      }
      for (const mode of ["when_needed", "always"] as const) {
        const { snapshot, resume, isGap } = decideStart({ ...before, ...more }, config(mode, temporary));
        assert.deepEqual([snapshot, resume, isGap], [true, undefined, true]);
      }
    }
  }
  // What was dropped and is there again counts as it is.
  const again = decideStart(
    { saved, slot, serverLsn: 0x300n, hasAttempted: true, wasDropped: true },
    config("initial"),
  );
  assert.deepEqual([again.snapshot, again.resume?.lsn, again.isGap], [false, 0x200n, false]);
  const fresh = { saved: undefined, slot: undefined, serverLsn: 0x300n, hasAttempted: false };
  assert.equal(decideStart(fresh, config("initial", true)).snapshot, true);
  assert.throws(
    () => decideStart({ ...fresh, slot }, config("initial", true)),
    code("config_slot_permanent"),
  );
});

Deno.test("a slot of another plugin or another database is not taken", () => {
  for (const from of [undefined, saved]) {
    assert.throws(
      () => start(from, { ...slot, plugin: "test_decoding" }, "initial"),
      code("config_slot_plugin"),
    );
    assert.throws(
      () => start(from, { ...slot, plugin: null, confirmedLsn: undefined }, "initial"),
      code("config_slot_plugin"),
    );
    assert.throws(() => start(from, { ...slot, database: "other" }, "initial"), code("config_slot_database"));
  }
});

Deno.test("a position is read back as it was, and only where it belongs", () => {
  const point = { lsn: 0x200n, index: 3, lastCommit: 0x100n };
  assert.deepEqual(streamPoint(readPosition(JSON.parse(JSON.stringify(saved)), ORIGIN)), point);
  assert.throws(() => readPosition({ ...saved, v: 2 }, ORIGIN), code("state_position_version"));
  assert.throws(() => readPosition(saved, { ...ORIGIN, system: "8" }), code("state_other_server"));
  assert.throws(() => readPosition(saved, { ...ORIGIN, slot: "t" }), code("state_other_slot"));
});
