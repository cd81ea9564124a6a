/** JSON text taken apart into its members without parsing the values: how envelope.ts looks into own members. */

/** One member of an object: its name, its value's text, and both together as they were written. */
export interface Member {
  readonly name: string;
  readonly value: string;
  readonly text: string;
}

const decoder = new TextDecoder();

/** The members of an object from their text without braces; a comma in front is allowed. They must be valid JSON. */
export function splitMembers(json: Uint8Array): Member[] {
  const text = decoder.decode(json);
  const members: Member[] = [];
  let start = 0;
  let colon = -1;
  let depth = 0;
  for (let at = 0; at <= text.length; at++) {
    switch (text[at]) {
      case '"':
        at = endOfString(text, at);
        break;
      case "{":
      case "[":
        depth++;
        break;
      case "}":
      case "]":
        depth--;
        break;
      case ":":
        if (depth === 0) colon = at;
        break;
      case ",":
      case undefined:
        if (depth > 0) break;
        if (colon > start) members.push(member(text, start, colon, at));
        start = at + 1;
    }
  }
  return members;
}

function member(text: string, start: number, colon: number, end: number): Member {
  return {
    name: JSON.parse(text.slice(start, colon)),
    value: text.slice(colon + 1, end).trim(),
    text: text.slice(start, end).trim(),
  };
}

/** Where the string that starts at `at` has its closing quote. */
function endOfString(text: string, at: number): number {
  for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
  return at;
}
