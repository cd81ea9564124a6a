/**
 * The front door. As a module: the SDK for writing connectors. As a program: `rivven-connect`, whose command line is
 * in cli/.
 *
 * ```ts
 * import { defineConnector } from "@rivven/connect";
 * ```
 *
 * @module
 */
export { CATEGORIES, defineConnector } from "./connectors/contract.ts";
export type * from "./connectors/contract.ts";
export { ConnectorError, RecordError } from "./formats/data/errors.ts";
export type { ErrorDetails, ErrorKind } from "./formats/data/errors.ts";
export { batchFromRecords, orderText } from "./formats/data/batch.ts";
export type { BatchData, BatchHead, Origin, Part } from "./formats/data/batch.ts";
export { LAYOUTS } from "./formats/data/envelope.ts";
export { OPERATIONS } from "./formats/data/record.ts";
export type { DataRecord, Header, Operation } from "./formats/data/record.ts";
export { qualifiedName } from "./formats/data/stream.ts";
export type { Column, ColumnType, Json, Row, Value } from "./formats/data/value.ts";

if (import.meta.main) {
  const { main } = await import("./cli/mod.ts");
  Deno.exit(await main(Deno.args));
}
