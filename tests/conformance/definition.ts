/** What every connector's definition must be: `testDefinition` registers its tests. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { configFields } from "../../cli/fields.ts";
import { CATEGORIES, type ConnectorDefinition } from "../../connectors/contract.ts";
import { implementations } from "../../connectors/implementations.gen.ts";

const SECRET_NAME =
  /(^|_)(password|passphrase|secret|token|api_key|access_key|account_key|private_key|credentials?)$/;
const RIGHTS = ["net", "read", "write", "env", "sys"];

/** Registers the tests of one definition. */
export function testDefinition(definition: ConnectorDefinition): void {
  const { type } = definition;
  const test = (what: string, fn: () => void | Promise<void>) => Deno.test(`${type}: ${what}`, fn);

  test("says what it is", () => {
    assert.match(type, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    assert.match(definition.version, /^\d+\.\d+\.\d+$/);
    assert.ok(definition.category in CATEGORIES, definition.category);
    assert.ok(definition.tags.length > 0);
    for (const tag of definition.tags) assert.match(tag, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    for (const text of [definition.title, definition.summary]) {
      assert.match(text, /^\S.*[^.\s]$/, "One line without a full stop at the end");
    }
    assert.match(definition.description, /^\S.*\.$/s, "Whole sentences");
  });

  test("has the sides that its files implement", () => {
    const { source, sink } = implementations[type];
    assert.equal(Boolean(definition.source), Boolean(source), "source.ts");
    assert.equal(Boolean(definition.sink), Boolean(sink), "sink.ts");
    assert.ok(definition.source || definition.sink);
  });

  test("promises exactly once only with a technique, and can flush", () => {
    const { sink } = definition;
    if (!sink) return;
    assert.equal(sink.guarantee === "exactly_once", sink.technique !== undefined);
    assert.ok(sink.accepts.length > 0);
    const { maxRecords, maxBytes, maxWaitMs } = sink.batch;
    assert.ok(maxRecords > 0 && maxBytes > 0 && maxWaitMs > 0);
  });

  test("documents every key", () => {
    for (const { path, description } of configFields(definition)) {
      assert.ok(description.length > 0, `"${path}" has no description`);
      assert.match(description, /[^.\s]$/, `the description of "${path}" ends in a full stop`);
    }
  });

  test("marks its secrets", () => {
    for (const { path, secret } of configFields(definition)) {
      const name = path.split(".").at(-1)!.replace(/\[\]$/, "");
      if (SECRET_NAME.test(name)) assert.ok(secret, `"${path}" looks like a secret and is not marked`);
    }
  });

  test("refuses a key that it does not know", () => {
    const { error } = definition.config.safeParse({ ...exampleConfig(definition), no_such_key: 1 });
    assert.deepEqual(error?.issues.map(({ code }) => code), ["unrecognized_keys"]);
  });

  test("has an example that validates, and stays valid with its defaults filled in", () => {
    const config = definition.config.parse(exampleConfig(definition));
    assert.deepEqual(definition.config.parse(config), config);
    assert.ok(isPlain(config), "A validated configuration crosses to a worker, so it is plain data");
  });

  test("upgrades a configuration without touching one that needs none", () => {
    const config = exampleConfig(definition);
    const before = structuredClone(config);
    if (definition.upgradeConfig) {
      assert.deepEqual(definition.upgradeConfig(config), { config: before, notes: [] });
    }
    assert.deepEqual(config, before);
  });

  test("asks for rights that follow from its configuration alone", () => {
    const config = definition.config.parse(exampleConfig(definition));
    for (const role of ["source", "sink"] as const) {
      if (!definition[role]) continue;
      const before = structuredClone(config);
      const rights = definition.permissions(config, role);
      assert.deepEqual(config, before);
      assert.deepEqual(definition.permissions(structuredClone(config), role), rights);
      for (const [kind, names] of Object.entries(rights)) {
        assert.ok(RIGHTS.includes(kind), `"${kind}" can't be asked for`);
        assert.ok(Array.isArray(names) && names.length > 0, `"${kind}": name something, or leave it out`);
        for (const name of names) {
          assert.ok(!["", "*", "/"].includes(name), `"${kind}" of "${name}" is everything`);
        }
      }
    }
  });

  test("has a README with a place for its keys and more to say", async () => {
    const url = new URL(`../../connectors/${type}/README.md`, import.meta.url);
    const text = await Deno.readTextFile(url);
    const [before, rest] = text.split("<!-- generated: fields -->\n");
    const [, after] = (rest ?? "").split("<!-- /generated -->\n");
    assert.ok(after !== undefined, "No <!-- generated: fields --> … <!-- /generated -->");
    assert.match(before, new RegExp(`^# ${type}\n`));
    assert.ok(after.trim().length > 200, "Say what is guaranteed and what can go wrong");
  });
}

/** Registers the tests of all definitions together. */
export function testRegistry(definitions: readonly ConnectorDefinition[]): void {
  Deno.test("types and aliases of connectors are unique, and aliases fix keys that exist", () => {
    const names = definitions.flatMap(({ type, aliases = {} }) => [type, ...Object.keys(aliases)]);
    assert.deepEqual(names.toSorted(), [...new Set(names)].sort());
    for (const definition of definitions) {
      const keys = new Set(configFields(definition).map(({ path }) => path));
      for (const [alias, fixed] of Object.entries(definition.aliases ?? {})) {
        for (const key of Object.keys(fixed)) assert.ok(keys.has(key), `${alias} fixes "${key}"`);
      }
    }
  });
}

/** The `config:` in the connector's own example, variables replaced by their defaults or by something. */
export function exampleConfig({ type, example }: ConnectorDefinition): Record<string, unknown> {
  const file = parse(example, (_name, value) => typeof value === "string" ? withoutVariables(value) : value);
  const entries = Object.values({ ...file.sources, ...file.sinks }) as {
    connector: string;
    config?: object;
  }[];
  const entry = entries.find(({ connector }) => connector === type);
  assert.ok(entry, `The example of ${type} does not use it`);
  assert.ok(Object.keys(file.pipelines ?? {}).length > 0, "The example is no complete pipeline");
  return { ...entry.config };
}

function withoutVariables(text: string): string {
  return text.replace(/\$\{\w+(?::-([^}]*))?[^}]*\}/g, (_, fallback) => fallback ?? "something");
}

function isPlain(value: unknown): boolean {
  if (value === null || typeof value !== "object") {
    return typeof value !== "function" && typeof value !== "symbol";
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return false;
  return Object.values(value).every(isPlain);
}
