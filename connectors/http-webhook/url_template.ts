/** URLs with placeholders: the host is always the one that the configuration names, so that `plan` can show it. */
import type { Operation } from "../../formats/data/record.ts";
import { qualifiedName, type Stream } from "../../formats/data/stream.ts";

export const PLACEHOLDERS = ["database", "namespace", "stream", "topic", "event_type"] as const;

/** What is wrong with a URL; undefined: nothing. */
export function urlProblem(template: string): string | undefined {
  for (const [, name] of template.matchAll(/\{([^}]*)\}/g)) {
    if (!PLACEHOLDERS.some((known) => known === name)) {
      return `There is no placeholder {${name}}: write ${
        PLACEHOLDERS.map((known) => `{${known}}`).join(", ")
      }`;
    }
  }
  let url: URL;
  try {
    url = new URL(filled(template, () => "x"));
  } catch {
    return `"${template}" is no URL: write http://host/path or https://host/path`;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "Write an http:// or https:// address";
  if (url.username || url.password) return "A user and password belong under `auth`, not into the URL";
  const origin = template.match(/^[^/]*\/\/[^/?#]*/)?.[0] ?? "";
  if (origin.includes("{")) {
    return "A placeholder can't be part of the host, which a record would then choose";
  }
}

/** A URL as messages show it: the query goes, because it may hold a token. */
export function shown(url: string): string {
  const at = url.search(/[?#]/);
  return at < 0 ? url : `${url.slice(0, at)}?…`;
}

/** Makes the URL of a record; answers from memory where stream and operation are those of an earlier record. */
export class UrlTemplate {
  readonly #template: string;
  readonly #known = new WeakMap<Stream, Map<string, string>>();
  readonly isConstant: boolean;

  constructor(template: string) {
    this.#template = template;
    this.isConstant = !template.includes("{");
  }

  /** Names are percent-encoded, so that none adds a path or a query. */
  urlOf(stream: Stream, operation: Operation): string {
    if (this.isConstant) return this.#template;
    let byOperation = this.#known.get(stream);
    if (!byOperation) this.#known.set(stream, byOperation = new Map());
    let url = byOperation.get(operation);
    if (url === undefined) {
      const values: Record<string, string | undefined> = {
        database: stream.database,
        namespace: stream.namespace,
        stream: stream.name,
        topic: stream.topic ?? qualifiedName(stream),
        event_type: operation,
      };
      url = filled(this.#template, (name) => segment(values[name] || "_"));
      byOperation.set(operation, url);
    }
    return url;
  }
}

function filled(template: string, valueOf: (name: string) => string): string {
  return template.replaceAll(/\{([^}]*)\}/g, (_, name) => valueOf(name));
}

/** A name as one segment: `.` and `..` would climb even when they are percent-encoded, so they are written out. */
function segment(name: string): string {
  return /^\.{1,2}$/.test(name) ? "_".repeat(name.length) : encodeURIComponent(name);
}
