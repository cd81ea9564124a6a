import type { TableFilter } from "../_cdc/table_filter.ts";
import type { CheckReport } from "../contract.ts";
import type { Catalog } from "./catalog.ts";
import type { Endpoint } from "./connection.ts";
import type { PostgresConfig } from "./connector.ts";
import type { PublicationPlan } from "./publication.ts";
export async function checkSource(
  _c: Catalog,
  _e: Endpoint,
  _config: PostgresConfig,
  _f: TableFilter,
  _p: PublicationPlan,
  _r: CheckReport,
): Promise<void> {
  await Promise.resolve();
}
