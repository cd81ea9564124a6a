/** Other tools' spellings of keys → ours, for the `upgradeConfig` of definitions. */

type Config = Record<string, unknown>;
type Upgraded = { config: Config; notes: string[] };

/** One spelling: the key that is meant, or the config with what the key's value means. */
type Meaning = string | ((value: unknown, config: Config) => Config);

/**
 * Replaces every key of `meanings` that stands in the config, with a note for each. A key that is there in both
 * spellings stays as it is, so that the schema complains about it.
 */
export function upgradeKeys(config: Config, meanings: Readonly<Record<string, Meaning>>): Upgraded {
  let upgraded = config;
  const notes: string[] = [];
  for (const [key, meaning] of Object.entries(meanings)) {
    if (!Object.hasOwn(upgraded, key)) continue;
    const { [key]: value, ...others } = upgraded;
    if (typeof meaning === "string") {
      if (Object.hasOwn(others, meaning)) continue;
      upgraded = { ...others, [meaning]: value };
      notes.push(`${key} is called ${meaning} here`);
    } else {
      upgraded = meaning(value, others);
      const made = Object.keys(upgraded).filter((name) => !Object.hasOwn(others, name));
      notes.push(
        made.length > 0 ? `${key} is written as ${made.join(" and ")} here` : `${key} has no effect here`,
      );
    }
  }
  return { config: upgraded, notes };
}

/** `a, b` as Kafka Connect writes lists → `["a", "b"]`; anything else stays. */
export function listOf(value: unknown): unknown {
  return typeof value === "string" ? value.split(",").map((item) => item.trim()).filter(Boolean) : value;
}

/** `a:b, c:d` as Kafka Connect writes maps → `{a: "b", c: "d"}`; anything else stays. */
export function mapOf(value: unknown): unknown {
  const items = listOf(value);
  if (!Array.isArray(items) || !items.every((item) => typeof item === "string" && item.includes(":"))) {
    return value;
  }
  return Object.fromEntries(items.map((item: string) => {
    const colon = item.lastIndexOf(":");
    return [item.slice(0, colon).trim(), item.slice(colon + 1).trim()];
  }));
}

/** `"true"` as properties files write it → true; anything else stays. */
export function booleanOf(value: unknown): unknown {
  return value === "true" ? true : value === "false" ? false : value;
}
