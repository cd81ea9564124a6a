/** `rivven-connect validate`: every problem of a pipeline file at once, for people or for an editor. No network. */
import { type Arguments, EXIT } from "./command.ts";
import { describeGuarantee } from "./describe.ts";
import { countProblems, examine, type Examined, problemText } from "./load.ts";
import type { Output } from "./output.ts";

/** `validate`. */
export async function run(args: Arguments, output: Output): Promise<number> {
  const result = await examine(args, output, "warning");
  const errors = result.problems.filter(({ severity }) => severity === "error").length;
  if (output.json) {
    output.printJson({
      file: result.file,
      valid: errors === 0,
      errors,
      warnings: result.problems.length - errors,
      problems: result.problems,
    });
  } else {
    for (const problem of result.problems) output.print(problemText(problem, output.style));
    if (result.problems.length > 0) output.print();
    output.print(errors === 0 ? successText(result, output) : failureText(result, output));
  }
  return errors === 0 ? EXIT.ok : EXIT.usage;
}

function failureText({ file, problems }: Examined, { style }: Output): string {
  return `${style.red("✗")} ${file} has ${countProblems(problems)}`;
}

function successText({ file, plan, problems }: Examined, { style }: Output): string {
  const warnings = problems.length > 0 ? `, with ${countProblems(problems)}` : "";
  const flows = (plan?.sources ?? []).flatMap((source) =>
    source.flows.map((flow) =>
      `  ${flow.name}: ${source.name} (${source.connector}) → ${flow.sink.name} (${flow.sink.connector}), ` +
      describeGuarantee(flow.guarantee)
    )
  );
  return [`${style.green("✓")} ${file} is valid${warnings}`, ...flows].join("\n");
}
