/**
 * Requests for keys: to EC2's metadata service, the agent of a container and STS. Each is sent once: whoever asks for
 * keys does it again for the next request.
 */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";
import type { HttpRequest, StoreHttp } from "../http.ts";
import type { S3Keys } from "./signature.ts";
import { elementText } from "./xml.ts";

/** Keys that somebody gave us for a while. */
export interface GivenKeys {
  readonly keys: S3Keys;
  /** When they end, in milliseconds since 1970; undefined: nobody said. */
  readonly endMs: number | undefined;
}

/** What can be done when there are none. */
export type Refusal = Required<Pick<ErrorDetails, "code" | "hint">>;

const OF_MACHINE: Refusal = {
  code: "auth_s3_identity",
  hint: "Check that this machine has a role, and the role's trust policy",
};

/** The text of the answer. @throws {ConnectorError} when there is none, or it is a refusal */
export async function askForKeys(
  http: StoreHttp,
  request: HttpRequest,
  refusal: Refusal = OF_MACHINE,
): Promise<string> {
  const { origin } = new URL(request.url);
  const result = await http.attempt(request);
  if (result.kind === "unknown") {
    throw new ConnectorError(`Cannot get keys for S3 from ${origin}: ${result.reason}`, {
      code: "connection_s3_identity",
      hint: refusal === OF_MACHINE
        ? "Is this a machine of AWS, with a role? Otherwise give s3 keys"
        : "Look whether that address can be reached from here; nothing is lost, the pipeline goes on when it can",
    });
  }
  const { status, text } = result.answer;
  if (status === 200) return text;
  // Of the answers of STS: a word such as AccessDenied. The message may be anything.
  const code = elementText(text, "Code");
  throw refused(origin, /^\w{1,60}$/.test(code ?? "") ? `${status} ${code}` : String(status), refusal);
}

/** The keys in an answer; names as AWS has them in all of its services. */
export function givenKeys(
  url: string,
  { AccessKeyId, SecretAccessKey, Token, Expiration }: Readonly<Record<string, unknown>>,
  refusal: Refusal = OF_MACHINE,
): GivenKeys {
  if (typeof AccessKeyId !== "string" || typeof SecretAccessKey !== "string") {
    throw refused(new URL(url).origin, "no keys", refusal);
  }
  const endMs = Date.parse(String(Expiration));
  return {
    keys: {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      ...typeof Token === "string" && { sessionToken: Token },
    },
    endMs: Number.isNaN(endMs) ? undefined : endMs,
  };
}

function refused(origin: string, answer: string, { code, hint }: Refusal): ConnectorError {
  return new ConnectorError(`Cannot get keys for S3 from ${origin}: it answered ${answer}`, {
    ...{ code, hint },
    retryable: true,
  });
}
