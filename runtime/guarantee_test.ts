import assert from "node:assert/strict";
import type { ConnectorDefinition, SinkRole, SourceRole } from "../connectors/contract.ts";
import file from "../connectors/file/connector.ts";
import postgres from "../connectors/postgres-cdc/connector.ts";
import rivven from "../connectors/rivven/connector.ts";
import { type Layout, LAYOUTS } from "../formats/data/envelope.ts";
import type { TransformDefinition } from "../transforms/contract.ts";
import extractNewRecordState from "../transforms/extract_new_record_state/definition.ts";
import { readConfig } from "./config/config.ts";
import { weakerGuarantee } from "./guarantee.ts";
import { makePlan } from "./plan.ts";

const ordered: SourceRole = {
  guarantee: "exactly_once",
  ordering: "per_lane",
  mode: "singleton",
  syncModes: ["cdc"],
  discover: false,
};
const broker = rivven.sink!;

const promised = (source: SourceRole, sink: SinkRole, exception?: string, loss?: string) => {
  const { guarantee, guaranteeReason } = weakerGuarantee(
    { ...source, name: "db" },
    { ...sink, name: "broker" },
    exception,
    loss,
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

Deno.test("a transform that takes the envelope away takes exactly-once away where it is looked up, and only there", () => {
  const definitions = [postgres, rivven, file] as unknown as readonly ConnectorDefinition[];
  const text = `
sources: { db: { connector: postgres-cdc, config: { host: db, database: d, user: u } } }
sinks:
  broker: { connector: rivven, config: { address: b } }
  files: { connector: file, config: { path: p } }
pipelines:
  whole: { source: db, sink: broker }
  rows: { source: db, sink: broker, transforms: [{ type: extract_new_record_state }] }
  kept: { source: db, sink: files, transforms: [{ type: extract_new_record_state }] }
`;
  const { config, problems } = readConfig(text, {
    file: "f.yaml",
    env: () => undefined,
    readFile: () => "",
    definitions,
    transforms: [extractNewRecordState] as unknown as readonly TransformDefinition[],
    unsetVariables: "error",
  });
  assert.ok(config, JSON.stringify(problems));
  const flows = makePlan(config, definitions).plan!.sources.flatMap(({ flows }) => flows);
  assert.deepEqual(flows.map(({ name, guarantee }) => `${name} ${guarantee}`), [
    "whole exactly_once",
    "rows at_least_once",
    "kept exactly_once",
  ]);
  assert.match(
    flows[1].guaranteeReason,
    /^Sink "broker" gets records without an envelope from transform "extract_new_record_state #1"/,
  );
});

Deno.test("a source that may lose records says so, whatever the sink does", () => {
  const loss = postgres.source!.loss!;
  assert.equal(loss({ slot_temporary: false } as never), undefined);
  assert.equal(
    promised(ordered, broker, undefined, loss({ slot_temporary: true } as never)),
    'at_most_once: Source "db" reads from a temporary slot (slot_temporary), so what changes while it is not connected ' +
      "is lost, and said so",
  );
});
