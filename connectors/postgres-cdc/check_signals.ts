/** What `check` says of signals: whether the table they come in is there and sent. */
import type { CheckReport } from "../contract.ts";
import { type Table, tableName } from "./catalog.ts";
import { quoteIdentifier } from "./connection.ts";
import { addTablesStatement, type Publication, quoteTable } from "./publication.ts";
import type { SignalConfig } from "./signal_keys.ts";
import { signalTable } from "./signals.ts";

const COLUMNS = ["id", "type", "data"];

/** @param publication undefined: it will be made, with the table */
export function checkSignals(
  config: SignalConfig,
  all: readonly Table[],
  publication: Publication | undefined,
  report: CheckReport,
): void {
  const wanted = signalTable(config);
  if (wanted === undefined) return;
  const name = tableName(wanted);
  const failed = (message: string, hint: string) =>
    report({ name: "signal_table", status: "failed", message, hint, blame: "environment" });
  const table = all.find((each) => each.schema === wanted.schema && each.name === wanted.name);
  const create = `CREATE TABLE ${
    quoteTable(wanted)
  } (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048))`;
  if (table === undefined) return failed(`There is no table "${name}" for signals`, `Run: ${create}`);
  const missing = COLUMNS.filter((column) => !table.columns.some(({ name }) => name === column));
  if (missing.length > 0) {
    return failed(
      `Table "${name}" for signals has no column ${missing.map((column) => `"${column}"`).join(", ")}`,
      `Run: ALTER TABLE ${quoteTable(table)} ${
        missing.map((column) => `ADD ${quoteIdentifier(column)} varchar(2048)`).join(", ")
      }`,
    );
  }
  if (publication && !publication.tables.some(({ oid }) => oid === table.oid)) {
    return failed(
      `Publication "${publication.name}" does not send table "${name}" for signals`,
      `Run: ${addTablesStatement(publication.name, [table])}`,
    );
  }
  report({ name: "signal_table", status: "ok", message: `"${name}" is there, and the publication sends it` });
}
