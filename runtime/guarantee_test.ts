import assert from "node:assert/strict";
import type { SinkRole, SourceRole } from "../connectors/contract.ts";
import postgres from "../connectors/postgres-cdc/connector.ts";
import rivven from "../connectors/rivven/connector.ts";
import { type Layout, LAYOUTS } from "../formats/data/envelope.ts";
import { weakerGuarantee } from "./guarantee.ts";

const ordered: SourceRole = {
  guarantee: "exactly_once",
  ordering: "per_lane",
  mode: "singleton",
  syncModes: ["cdc"],
  discover: false,
};
const broker = rivven.sink!;

const promised = (source: SourceRole, sink: SinkRole, exception?: string) => {
  const { guarantee, guaranteeReason } = weakerGuarantee(
    { ...source, name: "db" },
    { ...sink, name: "broker" },
    exception,
  );
  return `${guarantee}: ${guaranteeReason}`;
};

Deno.test("a flow into the broker is exactly-once where the layout says which record is which", () => {
  const exceptionIn = (layout: Layout) => broker.exception!(undefined as never, layout);
  assert.equal(
    promised(ordered, broker, exceptionIn("auto")),
    'exactly_once: Source "db" replays in order and sink "broker" looks up what the target has already',
  );
  assert.equal(
    promised(ordered, broker, exceptionIn("plain")),
    'at_least_once: Sink "broker" writes layout plain, which does not say which records these are, so after a crash ' +
      "some may come twice",
  );
  assert.deepEqual(LAYOUTS.filter((layout) => exceptionIn(layout)), ["cdc_event", "plain"]);
});

Deno.test("rows of an interrupted snapshot are told apart from the changes, but for sinks that cut back", () => {
  assert.equal(
    promised(postgres.source!, broker),
    'exactly_once: Source "db" replays in order and sink "broker" looks up what the target has already; rows of a ' +
      "snapshot that is interrupted may come twice",
  );
  assert.equal(
    promised(postgres.source!, { ...broker, technique: "truncate" }),
    'exactly_once: Source "db" replays in order and sink "broker" cuts back what the checkpoint doesn\'t know',
  );
});

Deno.test("an exception of the sink changes nothing where the source has no order anyway", () => {
  assert.match(
    promised({ ...ordered, ordering: "none" }, broker, "does something"),
    /^at_least_once: Source "db" has no order/,
  );
});
