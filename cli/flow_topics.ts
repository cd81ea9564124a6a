/** Which topics of a broker a flow reads and publishes to, in words: for plan.ts. */
import { BROKER_CONNECTOR } from "../runtime/config/flows.ts";
import type { PlannedFlow, PlannedSource } from "../runtime/plan.ts";

interface BrokerConfig {
  readonly topic?: string;
  readonly topics?: readonly string[];
  readonly consumer_group?: string;
}

/** Rows of name and text; none for a flow without a broker at either end. */
export function topicRows(source: PlannedSource, { sink }: PlannedFlow): string[][] {
  const rows: string[][] = [];
  if (source.connector === BROKER_CONNECTOR) {
    const { topics = [], consumer_group: group } = source.config as BrokerConfig;
    rows.push(["reads", `${topics.join(", ")}${group === undefined ? "" : ` as group ${group}`}`]);
  }
  if (sink.connector === BROKER_CONNECTOR) {
    rows.push(["publishes to", targetOf(source, (sink.config as BrokerConfig).topic)]);
  }
  return rows;
}

/** What is decided first comes first. */
function targetOf({ routing }: PlannedSource, own = "{source}.{namespace}.{stream}"): string {
  const rest = routing?.topic ?? own;
  if (routing?.pattern !== undefined) {
    return routing.topic === undefined ? routing.pattern : `${routing.pattern}; what is no table: ${rest}`;
  }
  const tables = (routing?.tables ?? []).map(({ namespace, name, topic }) =>
    `${namespace === undefined ? name : `${namespace}.${name}`} to ${topic}`
  );
  return tables.length === 0 ? rest : `${tables.join(", ")}; all else: ${rest}`;
}
