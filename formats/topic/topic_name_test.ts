import assert from "node:assert/strict";
import type { Stream } from "../data/stream.ts";
import { NORMALIZATION as DEFAULT, type Normalization, normalize } from "./normalization.ts";
import { patternProblem, topicOf, topicProblem } from "./topic_name.ts";

const stream = (name: string, namespace?: string, database?: string, topic?: string): Stream => ({
  name,
  namespace,
  database,
  topic,
  key: [],
  payload: "row",
  version: 1,
});

Deno.test("names are normalised as the table says", () => {
  const table: [string, Partial<Normalization>, string][] = [
    ["my schema", {}, "my_schema"],
    ["user@data", {}, "user_data"],
    ["schema.with.dots", {}, "schema_with_dots"],
    ["UserProfiles", { case_conversion: "snake_case" }, "user_profiles"],
    ["my-table", {}, "my-table"],
    ["my-table", { avro_compatible: true }, "my_table"],
    ["a b", { avro_compatible: true, replacement_char: "-" }, "a_b"],
    ["a b", { replacement_char: "-" }, "a-b"],
    ["dbo_users", { strip_prefixes: ["dbo_"] }, "users"],
    ["DBO_USERS", { strip_prefixes: ["dbo_"] }, "USERS"],
    ["orders_table", { strip_suffixes: ["_table"] }, "orders"],
    ["dbo_", { strip_prefixes: ["dbo_"] }, "_"],
    ["public_dbo_users", { strip_prefixes: ["dbo_", "public_"] }, "dbo_users"],
    ["dbo_public_users", { strip_prefixes: ["dbo_", "public_"] }, "users"],
    ["123table", { avro_compatible: true }, "_123table"],
    ["123table", { avro_compatible: true, case_conversion: "snake_case" }, "_123table"],
    ["Order#Items", { case_conversion: "snake_case" }, "order_items"],
    ["日本", {}, "__"],
    ["Ab", { case_conversion: "upper" }, "AB"],
    ["Ab", { case_conversion: "lower" }, "ab"],
    ["a.b C", { enabled: false }, "a.b C"],
  ];
  for (const [name, options, expected] of table) {
    assert.equal(normalize(name, { ...DEFAULT, ...options }), expected, `${name} ${JSON.stringify(options)}`);
  }
});

Deno.test("snake case and kebab case cut words at capitals, not within a run of them", () => {
  const snake = {
    "MyTable": "my_table",
    "myTable": "my_table",
    "my-table": "my_table",
    "my table": "my_table",
    "My-Table_Name": "my_table_name",
    "User Profile Data": "user_profile_data",
    "SalesDB": "sales_db",
    "already_snake": "already_snake",
    "HTTPRequest": "httprequest",
    "XMLParser": "xmlparser",
    "getHTTPResponse": "get_httpresponse",
    "UserID": "user_id",
    "IDUser": "iduser",
    "order2Items": "order2_items",
    "v2Users": "v2_users",
    "tbl__x_": "tbl_x_",
    "Ünder": "_nder",
    "_private": "private",
  };
  for (const [name, expected] of Object.entries(snake)) {
    assert.equal(normalize(name, { ...DEFAULT, case_conversion: "snake_case" }), expected, name);
  }
  const acronyms = {
    "HTTPRequest": "http_request",
    "getHTTPResponse": "get_http_response",
    "UserID": "user_id",
    "MyTable": "my_table",
    "SQL": "sql",
    "XMLa": "xm_la",
  };
  for (const [name, expected] of Object.entries(acronyms)) {
    const options = { ...DEFAULT, case_conversion: "snake_case", snake_case_acronyms: true } as const;
    assert.equal(normalize(name, options), expected, name);
  }
  for (const name of ["MyTable", "my_table", "my table"]) {
    const expected = name === "MyTable" ? "my-table" : "my-table";
    assert.equal(normalize(name, { ...DEFAULT, case_conversion: "kebab-case" }), expected, name);
  }
});

Deno.test("a topic is made of the pattern and the stream's names", () => {
  const table: [string | undefined, Stream, Partial<Normalization>, string][] = [
    [undefined, stream("orders", "public", "shop"), {}, "db.public.orders"],
    [undefined, stream("orders"), {}, "db.orders"],
    [undefined, stream("orders", "public", "shop", "routed"), {}, "routed"],
    ["cdc.{schema}.{table}", stream("users", "public"), {}, "cdc.public.users"],
    ["{database}.{schema}.{table}", stream("users", "public", "mydb"), {}, "mydb.public.users"],
    ["events", stream("users", "public"), {}, "events"],
    ["cdc.{database}.{table}", stream("order items", "x", "my-database"), {}, "cdc.my-database.order_items"],
    ["cdc.{schema}.{table}", stream("users"), {}, "cdc._unknown_.users"],
    ["cdc.{schema}.{table}", stream("users"), { case_conversion: "kebab-case" }, "cdc._unknown_.users"],
    ["Prod.CDC.{table}", stream("Users"), { case_conversion: "snake_case" }, "Prod.CDC.users"],
    [
      "{database}.{schema}.{table}",
      stream("UserProfiles", "dbo_MySchema", "SalesDB"),
      { case_conversion: "snake_case", avro_compatible: true, strip_prefixes: ["dbo_", "public_"] },
      "sales_db.my_schema.user_profiles",
    ],
  ];
  for (const [pattern, of, options, expected] of table) {
    assert.equal(topicOf(pattern, "db", of, { ...DEFAULT, ...options }), expected);
  }
});

Deno.test("long topics are shortened, with a hash of the whole", () => {
  const named = (count: number, letter: string, options = DEFAULT) =>
    topicOf("cdc.public.{table}", "db", stream(letter.repeat(count)), options);
  assert.equal(named(238, "a").length, 249);
  assert.match(named(238, "a"), /a$/);
  assert.equal(named(239, "a"), `cdc.public.${"a".repeat(229)}_35da3f48`);
  assert.match(named(300, "a"), /_227baa59$/);
  assert.match(named(300, "b"), /_df7a0519$/);
  assert.equal(named(300, "a", { ...DEFAULT, hash_on_truncate: false }), `cdc.public.${"a".repeat(238)}`);
  assert.equal(named(300, "a", { ...DEFAULT, truncate_long_names: false }).length, 311);
});

Deno.test("patterns and names that can't be are refused with the reason", () => {
  assert.match(patternProblem("x.{Table}")!, /no placeholder "\{Table\}"/);
  assert.match(patternProblem("x.{field:country}")!, /"\{field:country\}" is not the same .* content_router/);
  assert.match(
    patternProblem("x.{table}.{field:country}")!,
    /: "country IS NULL \? null : concat\('x\.', table\(\), '\.', country\)"$/,
  );
  assert.match(patternProblem("x.{op}")!, /order: .*content_router.*: "concat\('x\.', op\(\)\)"$/);
  assert.match(patternProblem("x.{connector}")!, /no placeholder "\{connector\}": use \{source\}/);
  assert.match(patternProblem("x.{table")!, /unmatched brace/);
  assert.match(patternProblem("é.{table}")!, /characters/);
  assert.match(patternProblem("")!, /no name of a topic/);
  assert.match(topicProblem("_x")!, /no name of a topic/);
  assert.match(topicProblem("a..b")!, /two dots/);
  assert.match(topicProblem("a".repeat(256))!, /no name/);
  assert.equal(topicProblem("cdc.public.users"), undefined);
  assert.equal(patternProblem("cdc.{schema}.{table}"), undefined);
});
