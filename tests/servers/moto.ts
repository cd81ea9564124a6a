/**
 * A real moto for tests: S3, IAM and STS of AWS in one process, with policies of users and roles. Its objects are in
 * memory. It checks signatures, but neither clocks nor hashes, which versitygw does; it knows storage classes,
 * encryption with keys of KMS, and roles, which versitygw does not.
 */
import { answers, startOnce } from "./background.ts";
import { freePort } from "./process.ts";
import { type Python, startPython } from "./python.ts";

/** What it consists of, with boto3, AWS's own client, by which tests look at what is there. */
const PACKAGES: readonly string[] = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/** The keys of one, as `s3` has them. */
export type MotoUser = Readonly<Record<"access_key_id" | "secret_access_key", string>>;

/** A running moto with one bucket, `lake`. Disposing of it ends it; its data go with it. */
export interface Moto extends AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly bucket: "lake";
  /** May do everything with S3. */
  readonly writer: MotoUser;
  /** May take the role, and nothing else. */
  readonly guest: MotoUser;
  /** May do everything with S3. */
  readonly roleArn: string;
  /** What boto3 finds: objects by name, and how many uploads in parts are under way. */
  look(): Promise<{ readonly objects: Readonly<Record<string, SeenObject>>; readonly uploads: number }>;
}

export interface SeenObject {
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string;
  /** Its first 64 KiB, as UTF-8. */
  readonly text: string;
  /** What HeadObject says, by boto3's names of it: `StorageClass`, `ServerSideEncryption`. */
  readonly head: Readonly<Record<string, unknown>>;
}

const CLIENT = `
import boto3, hashlib, json, sys
def client(service, key="x", secret="x"):
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)
def policy(action): return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
`;

/**
 * Requests of this many actions are taken from anybody: all that SET_UP does, and the test's first, which may be
 * AssumeRoleWithWebIdentity, that nobody signs.
 */
const FREE_ACTIONS = 10;
const SET_UP = `${CLIENT}
iam, made = client("iam"), {}
for name, action in ("writer", "s3:*"), ("guest", "sts:AssumeRole"):
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(action))
    made[name] = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
made["roleArn"] = iam.create_role(RoleName="role", AssumeRolePolicyDocument=policy("sts:AssumeRole"))["Role"]["Arn"]
iam.put_role_policy(RoleName="role", PolicyName="p", PolicyDocument=policy("s3:*"))
client("s3").create_bucket(Bucket="lake")
print(json.dumps(made))
`;

const LOOK = `${CLIENT}
s3 = client("s3", *sys.argv[2:])
objects = {}
for name in (each["Key"] for each in s3.list_objects_v2(Bucket="lake").get("Contents", [])):
    body = s3.get_object(Bucket="lake", Key=name)["Body"].read()
    head = s3.head_object(Bucket="lake", Key=name)
    objects[name] = {"sha256": hashlib.sha256(body).hexdigest(), "text": body[:65536].decode(errors="replace"), "head": head}
uploads = len(s3.list_multipart_uploads(Bucket="lake").get("Uploads", []))
print(json.dumps({"objects": objects, "uploads": uploads}, default=str))
`;

/** Starts one and waits until it answers. @throws {ServerMissing} where it can't be installed */
export async function startMoto(): Promise<Moto> {
  const python = await startPython(PACKAGES);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const background = await startOnce({
    name: "moto",
    program: python.path,
    args: ["-c", "import moto.server; moto.server.main()", "-H", "127.0.0.1", "-p", String(port)],
    dir: await Deno.makeTempDir({ prefix: "rivven-moto-" }),
    user: {}, // another one may not have this Python
    env: { INITIAL_NO_AUTH_ACTION_COUNT: String(FREE_ACTIONS) },
    isReady: () => answers(`${endpoint}/moto-api/data.json`),
  });
  try {
    const { writer, guest, roleArn } = await runJson(python, SET_UP, endpoint);
    return {
      ...background,
      ...{ port, endpoint, bucket: "lake", writer, guest, roleArn },
      look: () => runJson(python, LOOK, endpoint, writer.access_key_id, writer.secret_access_key),
    };
  } catch (error) {
    await background[Symbol.asyncDispose]();
    throw error;
  }
}

async function runJson(python: Python, program: string, ...args: readonly string[]) {
  return JSON.parse(new TextDecoder().decode(await python.run(program, new Uint8Array(), ...args)));
}
