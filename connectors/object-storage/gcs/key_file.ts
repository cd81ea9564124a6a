/**
 * What a JSON file of Google's holds that proves who asks: the key of a service account, or what `gcloud auth
 * application-default login` has written for a person. Read on the main thread, and again in the worker.
 */

export type KeyFile =
  | {
    readonly type: "service_account";
    readonly clientEmail: string;
    /** PEM. */
    readonly privateKey: string;
    readonly privateKeyId: string | undefined;
    readonly tokenUri: string;
  }
  | {
    readonly type: "authorized_user";
    readonly clientId: string;
    readonly clientSecret: string;
    readonly refreshToken: string;
    readonly tokenUri: string;
  };

/** Where tokens come from where the file does not say. */
const TOKEN_URI = "https://oauth2.googleapis.com/token";

/** Other kinds, with what to do in their place. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  external_account:
    "federated identities are not in this build: use a service account's key or the metadata server",
  impersonated_service_account: "impersonation is not in this build: use the service account's own key",
  external_account_authorized_user: "workforce identities are not in this build: use a service account's key",
};

/** Takes its text apart; a problem holds nothing of it but the names of its fields. */
export function readKeyFile(text: string): KeyFile | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: "it is no JSON" };
  }
  if (typeof json !== "object" || json === null) return { problem: "it is no JSON object" };
  const fields = json as Readonly<Record<string, unknown>>;
  const type = String(fields.type);
  const missing = (...names: string[]) => {
    const name = names.find((name) => typeof fields[name] !== "string" || fields[name] === "");
    return name === undefined ? undefined : { problem: `it has no "${name}"` };
  };
  const tokenUri = typeof fields.token_uri === "string" ? fields.token_uri : TOKEN_URI;
  if (!isAddress(tokenUri)) return { problem: 'its "token_uri" is no http:// or https:// address' };
  if (type === "service_account") {
    return missing("client_email", "private_key") ?? {
      type,
      clientEmail: fields.client_email as string,
      privateKey: fields.private_key as string,
      privateKeyId: typeof fields.private_key_id === "string" ? fields.private_key_id : undefined,
      tokenUri,
    };
  }
  if (type === "authorized_user") {
    return missing("client_id", "client_secret", "refresh_token") ?? {
      type,
      clientId: fields.client_id as string,
      clientSecret: fields.client_secret as string,
      refreshToken: fields.refresh_token as string,
      tokenUri,
    };
  }
  return { problem: OTHER_TYPES[type] ?? 'its "type" is neither service_account nor authorized_user' };
}

function isAddress(text: string): boolean {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? "");
}
