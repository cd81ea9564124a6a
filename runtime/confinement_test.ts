import assert from "node:assert/strict";
import { explainDenial, probe, requireConfinement, workerPermissions } from "./confinement.ts";

Deno.test("a worker's permissions name every kind, and deny what is not asked for", () => {
  const nothing = {
    net: false,
    read: false,
    write: false,
    env: false,
    sys: false,
    run: false,
    ffi: false,
    import: false,
  };
  assert.deepEqual(workerPermissions({}), nothing);
  assert.deepEqual(workerPermissions({ net: [], read: [] }), nothing);
  const asked = { net: ["db:5432"], read: ["/in"], write: ["/out"], env: ["HOME"], sys: ["hostname"] };
  assert.deepEqual(workerPermissions(asked), { ...asked, run: false, ffi: false, import: false });
  const more = { run: ["sh"], ffi: ["/lib.so"], import: ["example.com"] };
  assert.deepEqual(workerPermissions({ ...asked, ...more }), workerPermissions(asked));
});

Deno.test("a host on which a worker without rights can do anything is refused, with what it could do", () => {
  const denied = (what: string) => ({ what, denied: true });
  const possible = (what: string) => ({ what, denied: false });
  requireConfinement([denied("read a file"), denied("connect to a host")]);
  assert.throws(
    () =>
      requireConfinement([possible("read a file"), denied("start a process"), possible("connect to a host")]),
    {
      code: "fatal_not_confined",
      retryable: false,
      message:
        "This host does not confine connectors: a worker without rights could read a file, connect to a host",
    },
  );
  assert.throws(
    () => requireConfinement([]),
    { code: "fatal_not_confined" },
    "a probe that tried nothing proves nothing",
  );
});

Deno.test("the probe tells what is possible where nothing is denied", async () => {
  // This test has all rights, so most attempts succeed; an error that is no denial counts as possible.
  const results = await probe();
  Deno.removeSync("confinement-probe");
  // How loading code fails, where nothing is there, is for each version of Deno to say.
  const others = results.filter(({ what }) => !/load remote code|import a file/.test(what));
  assert.deepEqual(others.filter(({ denied }) => denied).map(({ what }) => what), []);
  assert.ok(others.length >= 8);
  assert.throws(() => requireConfinement(results), { code: "fatal_not_confined" });
});

/** What Deno throws in a worker, with the words of 2.9. */
const denied = (access: string) =>
  new Deno.errors.NotCapable(`Requires ${access}, run again with the --allow-x flag`);

Deno.test("a denial is told in the words of the pipeline file", () => {
  const cases: [Error, string, RegExp][] = [
    [
      denied('net access to "evil.example:443"'),
      'the host "evil.example:443"',
      /add it under sinks\.lake\.allow\.net/,
    ],
    [denied('read access to "/etc/shadow"'), 'the file "/etc/shadow"', /and nothing else/],
    [denied('write access to "/etc/passwd"'), 'the file "/etc/passwd"', /and nothing else/],
    [denied('env access to "AWS_SECRET"'), 'the variable "AWS_SECRET"', /and nothing else/],
    [denied('run access to "sh"'), 'the program "sh"', /and nothing else/],
    [denied('ffi access to "/lib.so"'), 'the library "/lib.so"', /and nothing else/],
    [denied('import access to "evil.example:443"'), 'the code at "evil.example:443"', /and nothing else/],
    [denied('sys access to "hostname"'), 'the system\'s "hostname"', /and nothing else/],
    [
      new Error("getaddrinfo EPERM db.example"),
      'the host "db.example"',
      /add it under sinks\.lake\.allow\.net/,
    ],
  ];
  for (const [cause, what, hint] of cases) {
    for (
      const error of [
        cause,
        new Error("fetch failed", { cause }),
        new Error("a", { cause: new Error("b", { cause }) }),
      ]
    ) {
      const explained = explainDenial(error, "lake", "sink")!;
      assert.equal(
        explained.message,
        `The sink "lake" tried to reach ${what}, which its configuration does not name`,
      );
      assert.deepEqual([explained.code, explained.retryable, explained.cause], [
        "permission_confined",
        false,
        error,
      ]);
      assert.match(explained.hint!, hint);
    }
  }
});

Deno.test("other errors are left to speak for themselves", () => {
  for (
    const error of [new Error("ECONNREFUSED"), "text", undefined, null, new Error("Requires a password")]
  ) {
    assert.equal(explainDenial(error, "shop", "source"), undefined);
  }
});

Deno.test("what a worker without rights is denied can be explained", async () => {
  const code = `
    const attempts = [
      () => Deno.connect({ hostname: "192.0.2.1", port: 5432 }),
      () => Deno.readTextFileSync("/etc/hostname"),
      () => Deno.writeTextFileSync("/tmp/never", ""),
      () => Deno.hostname(),
      () => new Deno.Command("sh").outputSync(),
    ];
    const found = [];
    for (const attempt of attempts) {
      try { await attempt(); found.push("possible"); } catch (error) { found.push(error.message); }
    }
    self.postMessage(found);`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
    type: "module",
    deno: { permissions: workerPermissions({}) },
  } as WorkerOptions);
  const messages = await new Promise<string[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
  worker.terminate();
  const explained = messages.map((message) => explainDenial(new Error(message), "shop", "source")?.message);
  const told = (what: string) =>
    `The source "shop" tried to reach ${what}, which its configuration does not name`;
  assert.deepEqual(explained, [
    told('the host "192.0.2.1:5432"'),
    told('the file "/etc/hostname"'),
    told('the file "/tmp/never"'),
    told('the system\'s "hostname"'),
    told('the program "sh"'),
  ]);
});
