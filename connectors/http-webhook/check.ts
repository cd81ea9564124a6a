/** What `check` finds out about the endpoint, without sending a record. */
import type { CheckReport } from "../contract.ts";
import { reportError } from "../../formats/data/errors.ts";
import type { WebhookConfig } from "./connector.ts";
import type { Requests } from "./requests.ts";
import { shown } from "./url_template.ts";

/** Any answer below 500 shows that somebody is there; 401, 403 and 407 that it wants someone else. */
export async function check(config: WebhookConfig, requests: Requests, report: CheckReport): Promise<void> {
  const { url, health_check_url } = config;
  const isTemplate = url.includes("{");
  const target = health_check_url ?? (isTemplate ? new URL("/", url.split("{", 1)[0]).href : url);
  const method = health_check_url ? "GET" : "HEAD";
  let status: number;
  try {
    status = await requests.probe(target, method);
  } catch (error) {
    const { message, hint } = reportError(error);
    return report({
      name: "endpoint",
      status: "failed",
      message: `${method} ${shown(target)}: ${message}`,
      hint: hint ?? "Check `url`, and whether that host can be reached from here",
      blame: "environment",
    });
  }
  if ([401, 403, 407].includes(status)) {
    const message = `${method} ${shown(target)} was answered with ${status}`;
    return report({
      name: "login",
      status: "failed",
      message,
      hint: "Check `auth` of the sink",
      blame: "environment",
    });
  }
  if (status >= 500) {
    const message = `${method} ${shown(target)} was answered with ${status}: the server is in trouble`;
    return report({
      name: "endpoint",
      status: "failed",
      message,
      hint: "Look at the server's log",
      blame: "environment",
    });
  }
  if (status === 404 && !isTemplate) {
    const message = `${method} ${shown(target)} was answered with 404`;
    const hint = "Nothing may be there for this method only; name a health_check_url to be sure";
    return report({ name: "endpoint", status: "warning", message, hint });
  }
  report({
    name: "endpoint",
    status: "ok",
    message: `${method} ${shown(target)} was answered with ${status}`,
  });
  if (url.startsWith("http:") && config.auth !== undefined) {
    const message = "The credentials of `auth` are sent in clear";
    report({ name: "encryption", status: "warning", message, hint: "Use an https:// address" });
  }
}
