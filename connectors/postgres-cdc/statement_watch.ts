/**
 * Statements that take long. One that waits for a lock may wait for as long as it has to: the log says for whom. A
 * connection that is dead at both ends looks the same from here, so a second connection asks the server which of the two
 * it is; TCP's keepalive would find that out late, or never behind a firewall that has forgotten the connection.
 */
import { ConnectorError } from "../../formats/data/errors.ts";
import type { Clock, Logger } from "../contract.ts";
import { Connection, type TextRow } from "./connection.ts";
import { describeEndpoint } from "./endpoint.ts";
import { withoutValues } from "./slot.ts";

/** So long a statement runs before anybody asks; then each time twice as long, up to the second. */
const PATIENCE_MS = 20_000;
const LONGEST_PAUSE_MS = 300_000;
/** What speaks for a dead connection must be found twice: the answer may be on its way. */
const LOOK_AGAIN_MS = 2000;

export interface StatementWatch {
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Waits for a statement, whatever time it takes, and says in the log what it waits for.
 *
 * @param tried for messages, as in `Cannot list tables`
 * @throws {ConnectorError} `connection_timeout` when the connection is dead or the server does not answer, and the
 * connection is closed by then; what the statement fails with
 */
export async function watched<T>(
  connection: Connection,
  tried: string,
  statement: Promise<T>,
  { clock, log }: StatementWatch,
): Promise<T> {
  const done = new AbortController();
  let dead: ConnectorError | undefined;
  const watching = watch(connection, tried, { clock, log }, done.signal).then((error) => {
    if (done.signal.aborted || error === undefined) return;
    dead = error;
    connection.destroy();
  });
  try {
    return await statement;
  } catch (error) {
    throw dead ?? error;
  } finally {
    done.abort();
    await watching;
  }
}

/** What a look at the server has shown. */
type Finding =
  | { readonly kind: "busy"; readonly what: string; readonly hint: string | undefined }
  | { readonly kind: "dead"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/** Returns an error when the connection is dead, and undefined when `signal` is aborted. */
async function watch(
  connection: Connection,
  tried: string,
  { clock, log }: StatementWatch,
  signal: AbortSignal,
): Promise<ConnectorError | undefined> {
  const where = describeEndpoint(connection.endpoint);
  const startedMs = clock.monotonicMs();
  let pauseMs = PATIENCE_MS;
  let wasDead = false;
  await clock.sleep(pauseMs, signal);
  while (!signal.aborted) {
    const found = await look(connection, clock, signal);
    if (signal.aborted) break;
    const seconds = Math.round((clock.monotonicMs() - startedMs) / 1000);
    if (found.kind === "dead") {
      if (wasDead) return dead(tried, where, found.why);
      wasDead = true;
      await clock.sleep(LOOK_AGAIN_MS, signal);
      continue;
    }
    wasDead = false;
    const subject = tried.replace(/^Cannot /, "Trying to ");
    if (found.kind === "busy") {
      log.warn(
        `${subject} on ${where} for ${seconds} s: ${found.what}`,
        found.hint === undefined ? {} : { hint: found.hint },
      );
    } else {
      log.warn(`${subject} on ${where} for ${seconds} s; what the server does can't be seen: ${found.why}`);
    }
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    await clock.sleep(pauseMs, signal);
  }
  return undefined;
}

const LOOK = `
SELECT a.state, a.wait_event_type, a.wait_event, b.pid, b.usename, b.application_name AS application, b.state AS holds,
  b.query, round(extract(epoch FROM clock_timestamp() - b.xact_start))::text AS seconds
FROM pg_stat_activity a
  LEFT JOIN LATERAL (SELECT h.* FROM unnest(pg_blocking_pids(a.pid)) p(pid) JOIN pg_stat_activity h ON h.pid = p.pid
    ORDER BY h.xact_start LIMIT 1) b ON true
WHERE a.pid = $1`;

/** Asks the server, over a connection of its own, what the process of a connection does. */
async function look({ endpoint, pid }: Connection, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  // One that comes about and is then silent says as much as none.
  clock.sleep(2 * endpoint.connectTimeoutMs, ended).then(() => over.abort());
  try {
    const second = await Connection.open(endpoint, clock, "sql", ended);
    try {
      const [row] = await second.query("Cannot see what the statement waits for", LOOK, [pid]);
      return read(row);
    } finally {
      second.destroy();
    }
  } catch (error) {
    const { kind, message } = error as ConnectorError;
    if (kind === "connection") {
      return { kind: "dead", why: `a second connection does not come about either: ${message}` };
    }
    return { kind: "unknown", why: message };
  } finally {
    over.abort();
  }
}

function read(row: TextRow | undefined): Finding {
  if (row === undefined) return { kind: "dead", why: "the server has no such session any more" };
  if (row.state?.startsWith("idle")) {
    return { kind: "dead", why: "the server has answered, or was never asked, and nothing has arrived here" };
  }
  if (row.pid !== null) {
    const hint = `End that transaction, or the session: SELECT pg_terminate_backend(${row.pid})`;
    return { kind: "busy", what: `it waits for ${blockerText(row)}`, hint };
  }
  const what = row.wait_event === null
    ? "the server is at work"
    : `the server waits (${row.wait_event_type}: ${row.wait_event})`;
  const hint = row.wait_event_type === "Lock"
    ? "See pg_locks; a prepared transaction (pg_prepared_xacts) may hold the lock"
    : undefined;
  return { kind: "busy", what, hint };
}

/** Who holds something up, with what another role may see of it: no values of the statement. */
function blockerText({ pid, usename, application, holds, seconds, query }: TextRow): string {
  const open = seconds === null ? "" : `, open for ${seconds} s`;
  return `the transaction of process ${pid} ("${usename}", application "${application}"${
    holds === null ? "" : `, ${holds}`
  })${open}, whose last statement is: ${withoutValues(query ?? "")}`;
}

function dead(tried: string, where: string, why: string): ConnectorError {
  return new ConnectorError(`${tried} on ${where}: the connection is dead: ${why}`, {
    code: "connection_timeout",
    hint: "Nothing is wrong with the statement; the connection is opened again",
  });
}
