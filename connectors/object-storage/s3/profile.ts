/** The two files of ~/.aws: sections in brackets, a key and a value a line. */

/** What one section says; names in lower case. */
export type Profile = Readonly<Record<string, string>>;

/**
 * The profiles of a file, by name. What is indented belongs to the key above and is left out.
 *
 * @param isConfig in `config` a section is called `profile x` (but `default`), in `credentials` `x`
 */
export function readProfiles(text: string, isConfig: boolean): Map<string, Profile> {
  const profiles = new Map<string, Record<string, string>>();
  let current: Record<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line);
    if (section) {
      const name = nameOf(section[1], isConfig);
      current = name === undefined ? undefined : profiles.get(name) ?? {};
      if (name !== undefined) profiles.set(name, current!);
      continue;
    }
    const pair = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (pair && current) current[pair[1].toLowerCase()] = pair[2];
  }
  return profiles;
}

function nameOf(section: string, isConfig: boolean): string | undefined {
  const named = /^profile\s+(.+)$/.exec(section);
  if (named) return named[1].replace(/^["'](.*)["']$/, "$1");
  return !isConfig || section === "default" ? section : undefined;
}
