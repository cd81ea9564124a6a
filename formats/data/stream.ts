/** What the records of one table, topic or queue have in common. Immutable; crosses a port once. */
import type { Column } from "./value.ts";

/** The shape and the names of records. Another schema or another topic is another Stream. */
export interface Stream {
  /** `orders`; for queues the topic or queue. */
  readonly name: string;
  /** `public`; MySQL: the database. */
  readonly namespace?: string;
  /** `shop`. */
  readonly database?: string;
  /** In table order; undefined when the source knows no schema, so typed sinks infer one. */
  readonly columns?: readonly Column[];
  /** Names of the key columns in key order; empty when there is no key. */
  readonly key: readonly string[];
  /** `row`: columns; `json`: any JSON value; `bytes`: not JSON, such as binary messages. */
  readonly payload: "row" | "json" | "bytes";
  /** Grows with every change of `columns`. */
  readonly version: number;
  /** Where broker sinks publish these records, once routing has decided it. */
  readonly topic?: string;
}

/** `public.orders`, or `orders` where there is no namespace: how people and patterns name a stream. */
export function qualifiedName(stream: Pick<Stream, "name" | "namespace">): string {
  return stream.namespace ? `${stream.namespace}.${stream.name}` : stream.name;
}
