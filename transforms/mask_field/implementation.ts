/** Masks fields: the work of mask_field. Loaded by workers. */
import {
  keepsKeysApart,
  type Mask,
  maskedColumn,
  maskOf,
  type MaskSpec,
  maskSpecs,
} from "../_protection/mask.ts";
import { FieldProtection } from "../_protection/protection.ts";
import { parseSelector } from "../_protection/selector.ts";
import type { Stream } from "../../formats/data/stream.ts";
import type { ColumnType } from "../../formats/data/value.ts";
import type { Transform, TransformContext } from "../contract.ts";
import type { MaskFieldConfig } from "./definition.ts";

interface Masking {
  readonly spec: MaskSpec;
  readonly mask: Mask;
}

export function openTransform(config: MaskFieldConfig, context: TransformContext): Transform {
  const entries = maskSpecs(config.fields, config).map(({ field, spec }) => ({
    selector: parseSelector(field, config.ignore_case),
    action: { spec, mask: maskOf(spec) },
  }));
  const guessable = entries.find(({ action: { spec } }) =>
    spec.strategy === "hash" && spec.algorithm === "sha256"
  );
  if (guessable !== undefined) {
    context.log.warn(
      `"${guessable.selector.text}" is hashed without a key: short values, such as card numbers, can be found by ` +
        "hashing all there are. Use algorithm: hmac-sha256",
    );
  }
  const types = new WeakMap<Stream, ReadonlyMap<string, ColumnType>>();
  const typeOf = (stream: Stream, column: string) => {
    let known = types.get(stream);
    if (!known) types.set(stream, known = new Map(stream.columns?.map(({ name, type }) => [name, type])));
    return known.get(column);
  };
  return new FieldProtection<Masking>({
    entries,
    context,
    done: "masked",
    allowUnmatched: config.allow_unmatched_fields,
    refuseKey: ({ spec }) => {
      if (!config.allow_key_protection) {
        return {
          reason: "rows could no longer be told apart",
          hint: "Leave it out, or hash it: strategy: hash with allow_key_protection: true",
        };
      }
      return keepsKeysApart(spec) ? undefined : {
        reason: `different keys could become equal by ${spec.strategy}`,
        hint: "Use strategy: hash with at least 32 digits and without type_preserving",
      };
    },
    changeColumn: (column, { spec }) => maskedColumn(column, spec),
    change: (value, { mask }, { stream, path }) =>
      mask(value, path.length === 1 ? typeOf(stream, path[0]) : undefined),
  });
}
