/** Encrypts fields: the work of encrypt_field. Loaded by workers. */
import { ringOf } from "../_protection/keys.ts";
import { FieldProtection } from "../_protection/protection.ts";
import { type Bind, BINDABLE, FieldSealer } from "../_protection/seal_fields.ts";
import { Sealer } from "../_protection/sealed.ts";
import { parseSelector } from "../_protection/selector.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { EncryptFieldConfig } from "./definition.ts";

export function openTransform(config: EncryptFieldConfig, context: TransformContext): Transform {
  const { algorithm, format, encrypt_null, allow_key_protection } = config;
  const sealer = new Sealer(ringOf(config), algorithm, format);
  const sealed = new FieldSealer(sealer, bindOf(config), (message) => context.log.warn(message));
  return new FieldProtection<null>({
    entries: config.fields.map((field) => ({
      selector: parseSelector(field, config.ignore_case),
      action: null,
    })),
    context,
    done: "encrypted",
    allowUnmatched: config.allow_unmatched_fields,
    refuseKey: () =>
      allow_key_protection ? undefined : {
        reason: "rows could no longer be told apart",
        hint: "Leave it out, or write algorithm: deterministic and allow_key_protection: true",
      },
    changeColumn: ({ name, nullable }) => ({ name, type: { kind: "json" }, nullable }),
    change: (value, _, at) => value === null && !encrypt_null ? null : sealed.seal(value, at),
  });
}

function bindOf({ aad, algorithm, format }: EncryptFieldConfig): Bind {
  if (format === 1) return [];
  if (aad !== undefined) return aad.bind;
  return algorithm === "deterministic" ? BINDABLE.filter((part) => part !== "key") : BINDABLE;
}
