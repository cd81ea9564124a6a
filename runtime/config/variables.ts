/**
 * `${NAME}` in the values of a pipeline file. yaml_document.ts hands each text here after the YAML was parsed, so
 * what a variable holds can't add a key, end a quote or start a comment.
 */

/** Where the values come from; both are handed in, so that nothing here touches the world. */
export interface VariableSources {
  /** A variable of the environment; undefined when it is not set. */
  readonly env: (name: string) => string | undefined;
  /** The text of a file; throws when it can't be read. */
  readonly readFile: (path: string) => string;
}

/** One `${…}` that was filled in from outside. Defaults that the file itself gives are not among them. */
export interface FilledIn {
  /** As a message may show it: `${NAME}`. */
  readonly label: string;
  readonly value: string;
  readonly fromFile: boolean;
}

export interface VariableFault {
  /** `unset` and `unreadable` depend on the machine; `required` is the file's own `:?`; `malformed` is a mistake. */
  readonly kind: "unset" | "unreadable" | "required" | "malformed";
  readonly message: string;
  readonly hint?: string;
}

export interface Expanded {
  readonly text: string;
  /** The whole text is one reference, so its value may be a number or true as well as text. */
  readonly single: boolean;
  readonly filledIn: readonly FilledIn[];
  readonly faults: readonly VariableFault[];
}

const FORMS = "Write ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${file:/path}; " +
  "$${ stands for the two characters ${ themselves";
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/**
 * Fills in every reference of `text`. `${X}`; `${X:-d}`: d when X is unset or empty; `${X-d}`: d when it is unset;
 * `${X:?message}`: a fault with that message when it is unset or empty; `${file:/path}`: the text of a file, without
 * the line end it ends with; `$${`: the characters `${`. A default may hold references. What was filled in is not
 * looked at again.
 */
export function expandVariables(text: string, sources: VariableSources): Expanded {
  const filledIn: FilledIn[] = [];
  const faults: VariableFault[] = [];
  const expanded = expand(text);
  return {
    text: expanded,
    single: text.startsWith("${") && endOf(text, 0) === text.length,
    filledIn,
    faults,
  };

  function expand(text: string): string {
    let out = "";
    for (let i = 0; i < text.length;) {
      if (text.startsWith("$${", i)) {
        out += "${";
        i += 3;
      } else if (text.startsWith("${", i)) {
        const end = endOf(text, i);
        if (end === undefined) {
          faults.push({ kind: "malformed", message: "A ${ has no closing }", hint: FORMS });
          return out;
        }
        out += valueOf(text.slice(i + 2, end - 1));
        i = end;
      } else {
        out += text[i++];
      }
    }
    return out;
  }

  function valueOf(reference: string): string {
    if (reference.startsWith("file:")) return fileText(reference.slice(5));
    const name = NAME.exec(reference)?.[0] ?? "";
    const [, operator, word] = /^(:-|-|:\?|)([^]*)$/.exec(reference.slice(name.length))!;
    if (name === "" || (operator === "" && word !== "")) {
      faults.push({ kind: "malformed", message: "This ${…} is no form of a variable", hint: FORMS });
      return "";
    }
    const value = sources.env(name);
    if (value !== undefined && (value !== "" || operator === "" || operator === "-")) {
      filledIn.push({ label: `\${${name}}`, value, fromFile: false });
      return value;
    }
    if (operator === ":-" || operator === "-") return expand(word);
    const state = value === undefined ? "is not set" : "is empty";
    if (operator === ":?") {
      const message = `Variable ${name} ${state}${word === "" ? "" : `: ${word}`}`;
      faults.push({ kind: "required", message, hint: `Set ${name} in the environment` });
    } else {
      const hint = `Set ${name} in the environment, or give a default: \${${name}:-default}; ` +
        `$\${${name}} stands for the text itself`;
      faults.push({ kind: "unset", message: `Variable ${name} ${state}`, hint });
    }
    return "";
  }

  function fileText(path: string): string {
    const label = `\${file:${path}}`;
    if (path === "") {
      faults.push({ kind: "malformed", message: `"${label}" names no file`, hint: FORMS });
      return "";
    }
    try {
      const value = sources.readFile(path).replace(/\r?\n$/, "");
      filledIn.push({ label, value, fromFile: true });
      return value;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const hint = "Mount the file, or correct the path; a relative one starts at the working directory";
      faults.push({ kind: "unreadable", message: `Cannot read "${path}": ${reason}`, hint });
      return "";
    }
  }
}

/** The index after the `}` that ends the reference at `start`; references inside it are skipped. */
function endOf(text: string, start: number): number | undefined {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text.startsWith("${", i)) {
      depth++;
      i++;
    } else if (text[i] === "}" && --depth === 0) {
      return i + 1;
    }
  }
}

/**
 * What a plain YAML scalar of this text would be: YAML 1.2.2, section 10.3.2 (core schema). Integers that a number
 * can't hold exactly are bigint.
 */
export function coreTyped(text: string): null | boolean | number | bigint | string {
  const plain = text.trim();
  if (/^(?:null|Null|NULL|~|)$/.test(plain)) return null;
  if (/^(?:true|True|TRUE|false|False|FALSE)$/.test(plain)) return plain.toLowerCase() === "true";
  if (/^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(plain)) {
    const number = Number(plain);
    if (Number.isSafeInteger(number)) return number;
    return plain[0] === "-" ? -BigInt(plain.slice(1)) : BigInt(plain.replace("+", ""));
  }
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(plain)) return Number(plain);
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(plain)) return plain[0] === "-" ? -Infinity : Infinity;
  if (/^\.(?:nan|NaN|NAN)$/.test(plain)) return NaN;
  return text;
}
