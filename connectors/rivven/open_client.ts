/** A client as a configuration asks for it. Both sides of the connector open one. */
import type { ConnectorContext } from "../contract.ts";
import { parseAddress } from "./client/address.ts";
import { RETRY, RivvenClient } from "./client/client.ts";
import type { RivvenConfig } from "./connector.ts";

/**
 * @param connections how many it may open at once
 * @param maxRetries instead of the configuration's: 0 for a check, which tells what is wrong now
 */
export function openClient(
  config: RivvenConfig,
  context: ConnectorContext,
  connections: number,
  maxRetries: number = config.retry.max_retries ?? RETRY.maxRetries,
): RivvenClient {
  const { tls, retry } = config;
  return new RivvenClient({
    servers: serversOf(config).map((text) => parseAddress(text)!),
    clientId: `rivven-connect ${context.name}`.slice(0, 200),
    connections,
    connectTimeoutMs: config.connection_timeout_ms,
    requestTimeoutMs: config.request_timeout_ms,
    retry: {
      maxRetries,
      initialBackoffMs: retry.initial_backoff_ms ?? RETRY.initialBackoffMs,
      maxBackoffMs: retry.max_backoff_ms ?? RETRY.maxBackoffMs,
      backoffMultiplier: retry.backoff_multiplier,
    },
    tls: tls?.enabled
      ? {
        caPath: tls.ca_path,
        certPath: tls.cert_path,
        keyPath: tls.key_path,
        serverName: tls.server_name,
        insecure: tls.insecure,
      }
      : undefined,
    auth: config.auth,
    sleep: (ms, signal) => context.clock.sleep(ms, signal),
    random: context.random,
    onRetry: ({ message, code }, waitMs) =>
      context.log.warn(message, { code, retry_in_ms: Math.round(waitMs) }),
  });
}

/** The servers of a configuration, as it writes them. */
export function serversOf(config: RivvenConfig): readonly string[] {
  return config.bootstrap_servers ?? [config.address!];
}
