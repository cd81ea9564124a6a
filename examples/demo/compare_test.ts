import assert from "node:assert/strict";
import { startPostgres } from "../../tests/servers/postgres.ts";
import { compare } from "./compare.ts";
import { replay } from "./replay.ts";
import type { Table } from "./shop.ts";

const THINGS: Table = { namespace: "public", name: "things", key: ["id", "part"] };

const DEFINITION = `
  CREATE TABLE things (
    id bigint, part int, name text, price numeric(12,2), active boolean, ref uuid, data bytea, tags text[],
    doc jsonb, at timestamptz, PRIMARY KEY (id, part)
  );
  INSERT INTO things VALUES
    (9007199254740993, 1, 'Zoë 🎁 "x"', 12.50, true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', '{a,NULL,"b c"}',
     '{"n": 9007199254740993, "d": 1.50}', '2026-01-01 12:00:00.5+00'),
    (9007199254740993, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (9007199254740994, 1, '', 0, false, NULL, '\\x', '{}', '[]', '2026-01-01 12:00:00+02')`;

const FULL =
  `{"id":9007199254740993,"part":1,"name":"Zoë 🎁 \\"x\\"","price":"12.50","active":true,"ref":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","data":"AP8=","tags":["a",null,"b c"],"doc":{"d": 1.50, "n": 9007199254740993},"at":"2026-01-01T12:00:00.500000Z"}`;
const NULLS =
  `{"id":9007199254740993,"part":2,"name":null,"price":null,"active":null,"ref":null,"data":null,"tags":null,"doc":null,"at":null}`;
const EMPTY =
  `{"id":9007199254740994,"part":1,"name":"","price":"0.00","active":false,"ref":null,"data":"","tags":[],"doc":[],"at":"2026-01-01T10:00:00Z"}`;

function line(op: string, after: string, before = "null", source = "{}"): string {
  return `{"before":${before},"after":${after},"source":${source},"op":"${op}","ts_ms":1}`;
}

const SNAPSHOT = [line("r", FULL), line("r", NULLS), line("c", EMPTY)];

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

Deno.test("compare() finds a copy equal, and every missing, doubled, altered and additional row", async (t) => {
  await using pg = await startPostgres({ fsync: false });
  const client = await pg.connect();
  await client.query(DEFINITION);

  const differences = async (lines: readonly string[]) =>
    (await compare(client, THINGS, await replay(each(lines), THINGS.key))).differences;

  await t.step("equal, whatever the way there", async () => {
    const key = `{"id":9007199254740993,"part":2}`;
    const detour = [
      line("r", FULL),
      line("c", NULLS.replace(`"name":null`, `"name":"first"`)),
      line(
        "u",
        `{"id":9007199254740993,"part":2,"price":"1.00"}`,
        "null",
        `{"unavailable_columns":["name"]}`,
      ),
      line("d", "null", key),
      line("c", NULLS),
      line("c", EMPTY),
    ];
    assert.deepEqual(await differences(SNAPSHOT), []);
    const result = await compare(client, THINGS, await replay(each(detour), THINGS.key));
    assert.deepEqual(result.differences, []);
    assert.deepEqual(
      { ...result, events: Object.fromEntries(result.events) },
      {
        table: "public.things",
        rowsInDatabase: 3,
        rowsReplayed: 3,
        events: { r: 1, c: 3, u: 1, d: 1 },
        differences: [],
      },
    );
  });

  const faults: [what: string, lines: string[], expected: string[]][] = [
    ["missing", SNAPSHOT.slice(1), ["the row 9007199254740993,1 is missing in the file"]],
    ["doubled", [...SNAPSHOT, SNAPSHOT[0]], ["line 4: the row 9007199254740993,1 comes twice"]],
    [
      "additional",
      [...SNAPSHOT, line("c", EMPTY.replace(`"part":1`, `"part":7`))],
      ["the row 9007199254740994,7 is in the file only"],
    ],
    [
      "delete that came twice",
      [...SNAPSHOT, line("d", "null", `{"id":1,"part":1}`)],
      ["line 4: a delete of the row 1,1, which is not there"],
    ],
    [
      "update without its row",
      [line("u", FULL), ...SNAPSHOT.slice(1)],
      ["line 1: an update of the row 9007199254740993,1, which is not there"],
    ],
    [
      "column that is left out",
      [SNAPSHOT[0].replace(`"price":"12.50",`, ""), ...SNAPSHOT.slice(1)],
      [`the row 9007199254740993,1 has no "price" in the file`],
    ],
    [
      "null for a value",
      [...SNAPSHOT.slice(0, 2), SNAPSHOT[2].replace(`"name":""`, `"name":null`)],
      [`the row 9007199254740994,1 differs in "name"`],
    ],
  ];
  const altered: [column: string, from: string, to: string][] = [
    ["price", `"12.50"`, `"12.5"`],
    ["name", "🎁", "🎀"],
    ["active", "true", "false"],
    ["ref", "a0eebc99", "a0eebc98"],
    ["data", "AP8=", "AP4="],
    ["tags", `["a",null`, `["a","NULL"`],
    ["doc", `"n": 9007199254740993`, `"n": 9007199254740992`],
    ["doc", "1.50", "1.5"],
    ["at", ".500000Z", ".500001Z"],
  ];
  for (const [column, from, to] of altered) {
    assert.ok(SNAPSHOT[0].includes(from));
    faults.push([
      `altered ${column}: ${from} → ${to}`,
      [SNAPSHOT[0].replace(from, to), ...SNAPSHOT.slice(1)],
      [`the row 9007199254740993,1 differs in "${column}"`],
    ]);
  }
  for (const [what, lines, expected] of faults) {
    await t.step(what, async () => assert.deepEqual(await differences(lines), expected));
  }
});

Deno.test("replay() refuses a line that is no change", async () => {
  await assert.rejects(replay(each([SNAPSHOT[0], `{"before":`]), THINGS.key), /Line 2 is no JSON/);
  await assert.rejects(replay(each([FULL]), THINGS.key), /Line 1 is no change in the "standard" envelope/);
});
