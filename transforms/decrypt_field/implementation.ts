/** Decrypts fields: the work of decrypt_field. Loaded by workers. */
import { parseColumnType } from "../_shared/column_types.ts";
import { ringOf } from "../_protection/keys.ts";
import { FieldProtection } from "../_protection/protection.ts";
import { openField } from "../_protection/seal_fields.ts";
import { Opener } from "../_protection/sealed.ts";
import { parseSelector } from "../_protection/selector.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { DecryptFieldConfig } from "./definition.ts";

export function openTransform(config: DecryptFieldConfig, context: TransformContext): Transform {
  const opener = new Opener([ringOf(config)]);
  const types = new Map(
    Object.entries(config.types).map(([name, text]) => [name, parseColumnType(text)!.type]),
  );
  const options = {
    onMissingKey: config.on_missing_key,
    checkPlace: config.check_place,
    typeOf: (column: string) => types.get(column),
  };
  return new FieldProtection<null>({
    entries: config.fields.map((field) => ({
      selector: parseSelector(field, config.ignore_case),
      action: null,
    })),
    context,
    done: "decrypted",
    allowUnmatched: config.allow_unmatched_fields,
    refuseKey: () => undefined,
    changeColumn: (column) =>
      column.type.kind === "json" || column.type.kind === "unknown"
        ? { name: column.name, type: types.get(column.name) ?? { kind: "unknown" }, nullable: true }
        : column,
    change: (value, _, at) => openField(value, at, opener, options),
  });
}
