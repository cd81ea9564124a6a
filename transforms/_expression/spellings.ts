/** Conditions that other tools and older versions write otherwise → texts of this language. For definitions. */

/** What a field is when it stands in an expression: quoted where it is no plain name or path. */
export function fieldText(field: string): string {
  return /^[\p{ID_Start}_][\p{ID_Continue}$]*(?:\.[\p{ID_Start}_][\p{ID_Continue}$]*|\[\d+\])*$/u.test(
      field,
    ) &&
      !/^(?:and|or|not|in|is|like|ilike|between|matches|is_null|is_not_null|true|false|null)$/i.test(field)
    ? field
    : `\`${field.replaceAll("`", "``")}\``;
}

/** A field with a value, equal as earlier versions have it: never unknown. Undefined: the value is no JSON. */
export function fieldCondition(field: string, value: unknown): string | undefined {
  const json = JSON.stringify(value);
  if (json === undefined) return undefined;
  const text = fieldText(field);
  // In the form of three parts a JSON value is a value, whatever columns there are.
  if (!text.startsWith("`")) return `${text} = ${json}`;
  if (typeof value === "string") return `${text} = '${value.replaceAll("'", "''")}'`;
  if (value === null) return `${text} IS NULL`;
  return typeof value === "object" ? undefined : `${text} = ${json}`;
}

/** Debezium's scripts, as far as they are comparisons: `||` outside of quotes is OR. */
export function fromScript(script: string): string {
  return script.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\|\|/g, (part) => part === "||" ? "OR" : part);
}
