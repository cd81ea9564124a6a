/** Single workers for commands that look at one connector without running a pipeline: check, discover, preview. */
import { systemClock } from "../runtime/clock.ts";
import type { PlannedConnector, PlannedFlow, PlannedSource } from "../runtime/plan.ts";
import { PROTOCOL_VERSION } from "../runtime/protocol.ts";
import { HEARTBEAT, Remote, workerUrl } from "../runtime/remote.ts";
import { selfTest } from "../runtime/supervisor.ts";
import { ConnectorError } from "../formats/data/errors.ts";
import type { Log } from "./log_lines.ts";
import { VERSION } from "./version.ts";

/** Proves that workers are confined, once for a command. */
export function requireConfinedWorkers(): Promise<void> {
  return selfTest(HEARTBEAT);
}

/** A source in its worker, opened, nothing read; reading it leaves no trace. */
export async function openSourceWorker(source: PlannedSource, log: Log, ended: Ended = {}): Promise<Remote> {
  const { name, connector, layout, streams, routing } = source;
  const remote = makeRemote(source, log, ended);
  const origin = { connector, name, version: VERSION };
  await opened(
    remote,
    () =>
      remote.call("open", {
        ...opening(source),
        role: "source",
        origin,
        layout,
        streams,
        routing,
        preview: true,
      }),
  );
  return remote;
}

/** The sink of a flow in its worker, opened, nothing written. */
export async function openSinkWorker(flow: PlannedFlow, log: Log): Promise<Remote> {
  const remote = makeRemote(flow.sink, log, {});
  await opened(remote, () =>
    remote.call("open", {
      ...opening(flow.sink),
      role: "sink",
      flow: flow.name,
      layout: flow.layout,
      saved: undefined,
      limits: flow.batch,
      onError: flow.onError,
      deadLetterMaxRatio: flow.deadLetterMaxRatio,
    }));
  return remote;
}

/** Who is told that a worker has ended its work, or failed. */
export interface Ended {
  readonly ended?: () => void;
  readonly failed?: (error: ConnectorError) => void;
}

function makeRemote(
  { name, role, connector, permissions }: PlannedConnector,
  log: Log,
  { ended, failed }: Ended,
): Remote {
  const ignore = () => {};
  return new Remote({
    title: `${role} "${name}"`,
    permissions,
    url: workerUrl(connector, role),
    ...HEARTBEAT,
    events: {
      log: (level, message, fields) => log(level, name, message, fields),
      beat: ignore,
      due: ignore,
      ended: ended ?? ignore,
      failed: failed ?? ignore,
      put: ignore,
    },
  });
}

function opening({ name, connector, config }: PlannedConnector) {
  return {
    protocol: PROTOCOL_VERSION,
    connector,
    name,
    config,
    documents: {},
    debug: false,
    failpoint: undefined,
    heartbeatMs: HEARTBEAT.heartbeatMs,
  } as const;
}

async function opened(remote: Remote, open: () => Promise<void>): Promise<void> {
  try {
    await open();
  } catch (error) {
    remote.terminate();
    throw error;
  }
}

/** The work's result, or an error of kind `timeout` that says what took too long. */
export async function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = systemClock.sleep(timeoutMs, done.signal).then((): never => {
    throw new ConnectorError(`${what} took longer than ${timeoutMs / 1000} s`, {
      code: "timeout",
      hint: "Give it more time with --timeout, or look at the network between here and there",
    });
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
