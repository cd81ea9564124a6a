/**
 * Encryption keys: their two written forms, the ring of versions that a transform, the command `decrypt` and readers
 * elsewhere use, and where the main thread finds them.
 */

/** One key in its versions. */
export interface KeyRing {
  /** What `__key_id` says. */
  readonly id: string;
  /** The version that new values are encrypted with. */
  readonly active: number;
  readonly versions: ReadonlyMap<number, Uint8Array>;
}

export const KEY_VARIABLE = "RIVVEN_ENCRYPTION_KEY";
export const DEFAULT_KEY_ID = "default";

/** Versions that are looked for in the environment: a gap ends the search only after this many. */
const MAX_VERSION = 100;

const HOW_TO_MAKE = `Make a key with: openssl rand -base64 32`;

/**
 * Reads a key of 32 bytes from its text: 64 hexadecimal digits, or base64 (either alphabet, padded or not).
 *
 * @returns the bytes, or why it is none, without anything of the text
 */
export function readKey(text: string): Uint8Array | { readonly problem: string } {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Uint8Array.fromHex(trimmed);
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) {
    const alphabet = /[-_]/.test(trimmed) ? "base64url" : "base64";
    try {
      const bytes = Uint8Array.fromBase64(trimmed, { alphabet });
      if (bytes.length === 32) return bytes;
    } catch {
      // Both alphabets at once.
    }
  }
  return {
    problem: `is no key: expected 32 bytes as base64 (44 characters) or as 64 hexadecimal digits, found ` +
      `${trimmed.length} characters`,
  };
}

/** The name of the variable of a version: version 1 has none in it. */
export function variableOf(version: number): string {
  return version === 1 ? KEY_VARIABLE : `${KEY_VARIABLE}_V${version}`;
}

/** Every version that the environment has under its usual name. */
export function versionsIn(env: (name: string) => string | undefined): Map<number, string> {
  const found = new Map<number, string>();
  for (let version = 1; version <= MAX_VERSION; version++) {
    const text = env(variableOf(version)) || (version === 1 ? env(`${KEY_VARIABLE}_V1`) : undefined);
    if (text) found.set(version, text);
  }
  return found;
}

export interface KeyProblem {
  /** The key of the configuration it is about. */
  readonly key: string;
  readonly message: string;
  readonly hint?: string;
}

/** The keys of a transform as they were written. */
interface WrittenKeys {
  readonly key?: unknown;
  readonly keys?: unknown;
}

/** Providers that hold keys elsewhere; there is nothing that asks them. */
const ELSEWHERE = ["vault", "aws-kms", "gcp-kms", "azure-kv"];

/**
 * `completeConfig` of a transform with keys: `key`, `keys` and the environment → `key_versions` (version → key, as 64
 * hexadecimal digits) and `active_version`, so that the worker needs no variable. What is missing is a problem: the
 * flow doesn't start.
 */
export function completeKeys(
  config: Record<string, unknown>,
  env: (name: string) => string | undefined,
): { config: Record<string, unknown>; problems: KeyProblem[] } {
  const { key, keys } = config as WrittenKeys;
  const problems: KeyProblem[] = [];
  const ring = isObject(keys) ? keys : {};
  const provider = ring.provider ?? "env";
  if (typeof provider === "string" && ELSEWHERE.includes(provider)) {
    const message = `Key provider "${provider}" is not in this build yet`;
    const hint = `Write provider: env and set ${KEY_VARIABLE}, or provider: file and \${file:/path/to/key}`;
    return { config, problems: [{ key: "keys.provider", message, hint }] };
  }
  const versions: Record<string, string> = {};
  const add = (version: number | string, text: string, at: string, name: string) => {
    const bytes = readKey(text);
    if (bytes instanceof Uint8Array) versions[version] = bytes.toHex();
    else problems.push({ key: at, message: `${name} ${bytes.problem}`, hint: HOW_TO_MAKE });
  };
  if (key !== undefined && typeof key !== "string") return { config, problems }; // the schema says so
  if (key !== undefined) add(1, key, "key", `"key"`);
  const written = isObject(ring.versions) ? Object.entries(ring.versions) : undefined;
  for (const [version, value] of written ?? []) {
    const at = `keys.versions.${version}`;
    if (!/^[1-9]\d{0,8}$/.test(version) || typeof value !== "string") {
      problems.push({
        key: at,
        message: "Versions are whole numbers from 1 on, each with a text",
        hint: undefined,
      });
    } else if (provider === "file") {
      add(version, value, at, `Version ${version}`);
    } else {
      const text = env(value);
      if (text) add(version, text, at, `The variable of version ${version}`);
      else {problems.push({
          key: at,
          message: `The variable of version ${version} is not set`,
          hint: HOW_TO_MAKE,
        });}
    }
  }
  if (key === undefined && written === undefined) {
    const found = versionsIn(env);
    for (const [version, text] of found) add(version, text, "fields", variableOf(version));
    if (found.size === 0) {
      const message = `There is no key: ${KEY_VARIABLE} is not set`;
      problems.push({ key: "fields", message, hint: `${HOW_TO_MAKE}, and export it as ${KEY_VARIABLE}` });
    }
  }
  const numbers = Object.keys(versions).map(Number);
  const active = ring.active_version ?? (numbers.length > 0 ? Math.max(...numbers) : undefined);
  if (problems.length === 0 && typeof active === "number" && versions[active] === undefined) {
    const message = `There is no version ${active} of the key`;
    problems.push({ key: "keys.active_version", message, hint: `There is ${numbers.join(", ") || "none"}` });
  }
  const { key: _, ...rest } = config;
  if (Object.keys(versions).length === 0) return { config: rest, problems };
  return { config: { ...rest, key_versions: versions, active_version: active }, problems };
}

/** The ring that completeKeys() wrote down. */
export function ringOf(
  config: {
    readonly key_id: string;
    readonly active_version?: number;
    readonly key_versions?: Readonly<Record<string, string>>;
  },
): KeyRing {
  const versions = new Map(
    Object.entries(config.key_versions ?? {}).map((
      [version, hex],
    ) => [Number(version), Uint8Array.fromHex(hex)]),
  );
  return { id: config.key_id, active: config.active_version ?? Math.max(...versions.keys()), versions };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
