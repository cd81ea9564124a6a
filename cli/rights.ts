/** A worker's rights in words: for plan.ts and spec.ts. */
import type { Permissions } from "../connectors/contract.ts";

const KINDS: readonly (readonly [kind: keyof Permissions, verb: string])[] = [
  ["net", "reach"],
  ["read", "read"],
  ["write", "write"],
  ["env", "see the variables"],
  ["sys", "ask the system for"],
];

/** `reach db:5432; read /etc/ca.pem`, or `touch nothing outside`. */
export function describeRights(permissions: Permissions): string {
  return listRights(permissions).map(({ verb, what }) => `${verb} ${what}`).join("; ") ||
    "touch nothing outside";
}

/** The same, one kind of right each; empty: none at all. */
export function listRights(permissions: Permissions): { verb: string; what: string }[] {
  return KINDS.flatMap(([kind, verb]) => {
    const names = permissions[kind] ?? [];
    return names.length > 0 ? [{ verb, what: names.join(", ") }] : [];
  });
}
