import assert from "node:assert/strict";
import { z } from "zod";
import type { Category, ConnectorDefinition } from "../connectors/contract.ts";
import { connectorNamed, rankOf, selectConnectors } from "./catalogue.ts";

function connector(
  type: string,
  about: { aliases?: string[]; tags?: string[]; category?: Category; summary?: string } = {},
): ConnectorDefinition {
  return {
    type,
    aliases: Object.fromEntries((about.aliases ?? []).map((alias) => [alias, {}])),
    version: "1.0.0",
    category: about.category ?? "utility_debug",
    tags: about.tags ?? [],
    title: type,
    summary: about.summary ?? "Does things",
    description: "",
    config: z.strictObject({}),
    permissions: () => ({}),
    example: "",
  };
}

const shelf = [
  connector("writes-s3-logs", { summary: "Copies logs", category: "storage_file" }),
  connector("tagged", { tags: ["s3"], category: "warehouse" }),
  connector("texts", { summary: "Anything for S3 and others", category: "lakehouse" }),
  connector("s3-legacy", { category: "storage_object" }),
  connector("object-storage", { aliases: ["s3", "gcs"], category: "storage_object" }),
  connector("s3", { category: "storage_object" }),
  connector("elsewhere", { category: "database_cdc" }),
];

Deno.test("a search lists the exact name, an alias, a beginning, a tag, then what is in the text", () => {
  const found = selectConnectors(shelf, { search: "S3" }).map(({ type }) => type);
  assert.deepEqual(found.slice(0, 4), ["s3", "object-storage", "s3-legacy", "tagged"]);
  assert.deepEqual(found.slice(4).toSorted(), ["texts", "writes-s3-logs"]);
});

Deno.test("of several words each must match somewhere", () => {
  assert.equal(rankOf(shelf[0], "copies logs"), 4);
  assert.equal(rankOf(shelf[0], "copies cats"), Infinity);
  assert.equal(rankOf(connector("mysql-cdc"), "mysql_cdc"), 0);
});

Deno.test("without a search the list is by category and name, and filters narrow it", () => {
  assert.deepEqual(selectConnectors(shelf, {}).map(({ type }) => type), [
    "elsewhere",
    "object-storage",
    "s3",
    "s3-legacy",
    "writes-s3-logs",
    "tagged",
    "texts",
  ]);
  assert.deepEqual(selectConnectors(shelf, { category: "warehouse" }).map(({ type }) => type), ["tagged"]);
  assert.deepEqual(selectConnectors(shelf, { tags: ["s3"] }).map(({ type }) => type), ["tagged"]);
  assert.throws(() => selectConnectors(shelf, { category: "warehuose" }), {
    message: 'There is no category "warehuose"',
    hint: 'Did you mean "warehouse"?',
  });
  assert.throws(() => selectConnectors(shelf, { tags: ["s4x"] }), {
    message: 'No connector has the tag "s4x"',
  });
});

Deno.test("a connector is found by its name or an alias, and a name wins over an alias", () => {
  assert.equal(connectorNamed("gcs", shelf).type, "object-storage");
  assert.equal(connectorNamed("s3", shelf).type, "s3");
  assert.equal(connectorNamed("object_storage", shelf).type, "object-storage");
  assert.throws(() => connectorNamed("objectstorge", shelf), { hint: 'Did you mean "object-storage"?' });
});
