/** `metrics`: measurements of hosts over time. */
import {
  choice,
  column,
  type Field,
  hundredths,
  instant,
  integer,
  MADE_AT,
  OWN,
  SEQUENCE,
} from "./fields.ts";
import { type Pattern, replaceOne } from "./pattern.ts";
import { encode, put } from "./text.ts";

const ID = OWN, NAME = OWN + 1, HOST = OWN + 2, VALUE = OWN + 3, ENV = OWN + 4, REGION = OWN + 5;

/** What is measured: its unit, and the range of its values. */
const METRICS = [
  { name: "cpu_usage", unit: "percent", from: 0, span: 100 },
  { name: "memory_used", unit: "percent", from: 0, span: 100 },
  { name: "disk_io", unit: "bytes/s", from: 0, span: 1000 },
  { name: "network_rx", unit: "bytes/s", from: 0, span: 1000 },
  { name: "network_tx", unit: "bytes/s", from: 0, span: 1000 },
  { name: "requests_per_sec", unit: "req/s", from: 0, span: 10000 },
  { name: "latency_ms", unit: "milliseconds", from: 1, span: 500 },
  { name: "error_rate", unit: "percent", from: 0, span: 100 },
  { name: "queue_depth", unit: "count", from: 0, span: 1000 },
];
const HOSTS = ["web-01", "web-02", "api-01", "api-02", "db-01", "cache-01"];
const ENVS = ["prod", "staging", "dev"];
const REGIONS = ["us-east", "us-west", "eu-west", "ap-south"];

export function metrics(): Pattern {
  return {
    width: OWN + 6,
    identityWidth: 1,
    fields: [
      integer("metric_id", ID, "int64"),
      choice("name", NAME, METRICS.map(({ name }) => name)),
      hundredths("value", VALUE),
      choice("unit", NAME, METRICS.map(({ unit }) => unit)),
      choice("host", HOST, HOSTS),
      tags(),
      instant("timestamp", MADE_AT),
    ],
    draw(random, row, from) {
      row[from + ID] = row[from + SEQUENCE];
      const metric = random.below(METRICS.length);
      row[from + NAME] = metric;
      row[from + HOST] = random.below(HOSTS.length);
      const { from: least, span } = METRICS[metric];
      row[from + VALUE] = Math.round((random.fraction() * span + least) * 100);
      row[from + ENV] = random.below(ENVS.length);
      row[from + REGION] = random.below(REGIONS.length);
    },
    /** The same series measured again: another value at another time. */
    amend(random, row, from) {
      const { from: least, span } = METRICS[row[from + NAME]];
      replaceOne(random, row, from, { slot: VALUE, from: least * 100, to: (least + span) * 100 + 1 });
    },
  };
}

function tags(): Field {
  const members = ENVS.flatMap((env) =>
    REGIONS.map((region) => encode(`,"tags":{"env":"${env}","region":"${region}"}`))
  );
  const text = { kind: "string" } as const;
  return {
    column: column("tags", { kind: "struct", fields: [column("env", text), column("region", text)] }),
    maxBytes: Math.max(...members.map((member) => member.length)),
    write: (bytes, at, row, from) =>
      put(bytes, at, members[row[from + ENV] * REGIONS.length + row[from + REGION]]),
  };
}
