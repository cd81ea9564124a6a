/** Texts with facts about a record in braces: `{database}.{table}`. For values and headers that transforms add. */
import type { Origin } from "../../formats/data/batch.ts";
import type { DataRecord } from "../../formats/data/record.ts";
import { eventField, headerText } from "./event_fields.ts";

/**
 * Reads a template; `{{` and `}}` stand for the braces themselves. A fact that a record has not is the empty text.
 *
 * @throws {SyntaxError} when a brace is not closed, or what it holds is not known
 */
export function template(text: string, origin?: Origin): (record: DataRecord) => string {
  const pieces: (string | ((record: DataRecord) => string))[] = [];
  for (const [, braces, name, other] of text.matchAll(/(\{\{|\}\})|\{([^{}]+)\}|([^{}]+|[{}])/gs)) {
    if (name !== undefined) {
      const field = eventField(name.trim(), origin);
      pieces.push((record) => {
        const value = headerText(field.read(record));
        return value === undefined ? "" : typeof value === "string" ? value : value.toBase64();
      });
    } else if (other === "{" || other === "}") {
      throw new SyntaxError(`"${text}" has a brace that is not closed; write {{ or }} for the brace itself`);
    } else pieces.push(braces?.[0] ?? other);
  }
  return (record) => {
    let out = "";
    for (const piece of pieces) out += typeof piece === "string" ? piece : piece(record);
    return out;
  };
}
