/** What Azure says, in words for whoever runs the pipeline: "Status and error codes", "Blob Storage error codes". */
import { ConnectorError, type ErrorDetails } from "../../../formats/data/errors.ts";
import type { HttpAnswer } from "../http.ts";

/** The `x-ms-error-code` of an answer, or what its body has for it; undefined where it has none. */
export function errorCode(answer: HttpAnswer): string | undefined {
  return answer.headers.get("x-ms-error-code") ?? /<Code>(\w+)<\/Code>/.exec(answer.text)?.[1];
}

/** Which credentials the configuration has: the key to look at. */
export type CredentialsKey = "access_key" | "sas_token" | "use_managed_identity";

/** @param what the end of `Cannot …` */
export function azureError(
  what: string,
  answer: HttpAnswer,
  key: CredentialsKey,
): ConnectorError {
  const code = errorCode(answer);
  const said = code === undefined ? String(answer.status) : `${answer.status} ${code}`;
  // The service's own message may hold the string that was to be signed, and with it the signature.
  return new ConnectorError(`Cannot ${what}: the answer was ${said}`, {
    ...detailsOf(answer, code, key),
  });
}

function detailsOf(
  answer: HttpAnswer,
  code: string | undefined,
  key: CredentialsKey,
): ErrorDetails {
  const { status } = answer;
  if (status === 401 || code === "AuthenticationFailed") {
    return { code: "auth_azure", hint: AUTH_HINTS[key], retryable: true };
  }
  if (code === "ContainerNotFound") {
    return {
      code: "not_found_container",
      hint: "Make the container, or check `bucket` and `azure.account`",
      retryable: true,
    };
  }
  if (code === "ContainerBeingDeleted" || code === "InvalidBlockList" || code === "Md5Mismatch") {
    return { code: "transient_azure", hint: "Nothing is lost: it is tried again" };
  }
  if (status === 403) {
    return {
      code: "permission_azure",
      hint: PERMISSION_HINTS[code ?? ""] ??
        "Allow these credentials to create and write blobs in this container (role Storage Blob Data Contributor)",
      retryable: true,
    };
  }
  if (status === 404) {
    return { code: "not_found_azure", hint: "Check `bucket` and `azure.endpoint`", retryable: true };
  }
  if (status >= 300 && status < 400) {
    return {
      code: "config_http_redirect",
      hint: "Write the address of the blob service into `azure.endpoint`: redirects are not followed",
    };
  }
  const header = /<HeaderName>([\w-]+)<\/HeaderName>/.exec(answer.text)?.[1];
  return {
    code: "config_azure",
    hint: header === undefined
      ? "Look the code up in Azure's documentation, and check the keys of `azure`"
      : `Check the key behind the header "${header}"`,
  };
}

const AUTH_HINTS: Readonly<Record<CredentialsKey, string>> = {
  access_key: "Check azure.account and azure.access_key: the key may have been renewed",
  sas_token: "Check azure.sas_token: it may have ended, or is for another container",
  use_managed_identity: "Check azure.managed_identity_client_id, and that the machine has an identity",
};

const PERMISSION_HINTS: Readonly<Record<string, string>> = {
  AuthorizationFailure:
    "Check the credentials in `azure`, and whether the network rules of the account let this machine in",
  AuthorizationSourceIPMismatch: "The SAS token is for other addresses than this machine's",
  AuthorizationProtocolMismatch: "The SAS token is for https:// only: check `azure.endpoint`",
  AuthorizationPermissionMismatch: "Give the SAS token the rights c and w, or the identity the role " +
    "Storage Blob Data Contributor",
  KeyBasedAuthenticationNotPermitted: "The account takes no keys: use use_managed_identity",
  AccountIsDisabled: "The account is disabled",
};
