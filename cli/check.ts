/** `check`: everything that `run` will need, looked at without moving data or changing anything. */
import type { CheckFinding } from "../connectors/contract.ts";
import { reportError } from "../formats/data/errors.ts";
import type { Plan } from "../runtime/plan.ts";
import type { Remote } from "../runtime/remote.ts";
import { checkTransforms } from "./check_transforms.ts";
import { type Arguments, EXIT, UsageError } from "./command.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { loadPlan } from "./load.ts";
import { type Log, logTo } from "./log_lines.ts";
import { exitCodeOf } from "./exit_code.ts";
import type { Output } from "./output.ts";
import { openSinkWorker, openSourceWorker, requireConfinedWorkers, within } from "./workers.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

interface Checked {
  readonly role: "source" | "sink";
  readonly name: string;
  readonly connector: string;
  readonly findings: readonly CheckFinding[];
}

export async function run(args: Arguments, output: Output): Promise<number> {
  const { plan } = await loadPlan(args, output);
  if (args.flag("offline")) {
    output.print("The file is valid; nothing was connected to");
    return EXIT.ok;
  }
  await requireConfinedWorkers();
  const log = logTo(output, "warn", "text");
  const timeoutMs = args.number("timeout") ?? DEFAULT_TIMEOUT_MS;
  const checked = await Promise.all(
    connectorsOf(plan, args).map((target) => checkOne(target, log, timeoutMs)),
  );
  const code = checked.reduce((code, { findings }) => Math.max(code, codeOf(findings)), EXIT.ok as number);
  if (output.json) output.printJson({ ok: code === EXIT.ok, checks: checked });
  else print(checked, code === EXIT.ok, output);
  return code;
}

interface Target {
  readonly role: "source" | "sink";
  readonly name: string;
  readonly connector: string;
  readonly open: (log: Log) => Promise<Remote>;
  /** What is left to look at once the connector's own check has found nothing wrong. */
  readonly then?: (remote: Remote) => Promise<readonly CheckFinding[]>;
}

/** Every source and sink once, or those that were asked for. */
function connectorsOf(plan: Plan, args: Arguments): Target[] {
  const targets = new Map<string, Target>();
  for (const source of plan.sources) {
    const { name, connector } = source;
    targets.set(`source ${name}`, {
      role: "source",
      name,
      connector,
      open: (log) => openSourceWorker(source, log),
      then: async (remote) => {
        const chains = [source.transforms, ...source.flows.map((flow) => flow.transforms)];
        if (chains.every((chain) => chain.length === 0)) return [];
        return await checkTransforms(source, await remote.call("discover", undefined));
      },
    });
    for (const flow of source.flows) {
      const { name, connector } = flow.sink;
      targets.set(`sink ${name}`, {
        role: "sink",
        name,
        connector,
        open: (log) => openSinkWorker(flow, log),
      });
      if (flow.deadLetters === undefined) continue;
      const { sink } = flow.deadLetters;
      targets.set(`sink ${sink.name}`, {
        role: "sink",
        name: sink.name,
        connector: sink.connector,
        open: (log) => openSinkWorker({ ...flow, sink, layout: "plain" }, log),
      });
    }
  }
  const wanted = { source: args.list("source"), sink: args.list("sink") };
  if (wanted.source.length + wanted.sink.length === 0) return [...targets.values()];
  return (["source", "sink"] as const).flatMap((role) =>
    wanted[role].map((name) => {
      const target = targets.get(`${role} ${name}`);
      if (target) return target;
      const names = [...targets.values()].filter((other) => other.role === role).map(({ name }) => name);
      throw new UsageError(
        `There is no enabled ${role} "${name}"`,
        didYouMean(name, names) ?? `There is: ${names.join(", ")}`,
      );
    })
  );
}

async function checkOne(target: Target, log: Log, timeoutMs: number): Promise<Checked> {
  const { role, name, connector, open, then } = target;
  const findings: CheckFinding[] = [];
  let remote: Remote | undefined;
  try {
    const work = open(log).then((opened) => (remote = opened).call("check", undefined));
    findings.push(...await within(timeoutMs, `Checking ${role} "${name}"`, work));
    if (then !== undefined && remote !== undefined && codeOf(findings) === EXIT.ok) {
      findings.push(...await within(timeoutMs, `Checking the transforms of "${name}"`, then(remote)));
    }
  } catch (error) {
    const { message, hint, causes } = reportError(error);
    const blame = exitCodeOf(error) === EXIT.usage ? "config" : "environment";
    findings.push({ name: "check", status: "failed", message: [message, ...causes].join(": "), hint, blame });
  } finally {
    await remote?.close(1000);
  }
  return { role, name, connector, findings };
}

function codeOf(findings: readonly CheckFinding[]): number {
  const failed = findings.filter(({ status }) => status === "failed");
  if (failed.length === 0) return EXIT.ok;
  return failed.every(({ blame }) => blame === "config") ? EXIT.usage : EXIT.environment;
}

function print(checked: readonly Checked[], passed: boolean, output: Output): void {
  const { bold, green, yellow, red, dim, cyan } = output.style;
  const marks = { ok: green("✓"), warning: yellow("!"), failed: red("✗") };
  for (const { role, name, connector, findings } of checked) {
    output.print(`${bold(`${role} ${name}`)} ${dim(`(${connector})`)}`);
    const width = Math.max(0, ...findings.map(({ name }) => name.length));
    for (const { name, status, message, hint } of findings) {
      output.print(`  ${marks[status]} ${name.padEnd(width)}  ${message}`);
      for (const line of hint?.split("\n") ?? []) {
        output.print(`    ${" ".repeat(width)}${cyan("→")} ${line}`);
      }
    }
    if (findings.length === 0) output.print(`  ${marks.ok} nothing to check`);
    output.print();
  }
  output.print(passed ? green("All checks passed! ✓") : red("Some checks failed"));
}
