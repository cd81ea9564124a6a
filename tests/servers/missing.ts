/**
 * What a test does where a server that it needs is not installed: it is skipped and says why. With REQUIRE_SERVERS=1
 * (set where everything was installed before) it fails instead, so that a skipped test can't pass for a passed one.
 */

/** A server that this machine does not have. */
export class ServerMissing extends Error {
  override readonly name = "ServerMissing";
  /** True: no package has it, so its tests are skipped even where servers are required. */
  readonly isOptional: boolean;

  constructor(
    message: string,
    { isOptional = false, cause }: { isOptional?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.isOptional = isOptional;
  }
}

/**
 * Starts what the test needs. Where it is missing, the test gets an ignored step with the reason for its name:
 *
 * ```ts
 * await using pg = await requireServer(t, () => startPostgres({ version: 15 }));
 * if (pg === undefined) return;
 * ```
 *
 * @returns undefined when the server is missing: the test should return
 * @throws {ServerMissing} when it is missing and REQUIRE_SERVERS=1
 */
export async function requireServer<Server>(
  t: Deno.TestContext,
  start: () => Promise<Server>,
): Promise<Server | undefined> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof ServerMissing)) throw error;
    if (!error.isOptional && Deno.env.get("REQUIRE_SERVERS") === "1") throw error;
    await t.step({ name: `skipped: ${error.message}`, ignore: true, fn() {} });
    return undefined;
  }
}
