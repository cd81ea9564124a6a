/**
 * The program: takes the command line apart, starts the process anew where the command needs it, runs the command and
 * turns what it throws into a message and an exit code. Called by main.ts.
 */
import { ConnectorError } from "../formats/data/errors.ts";
import { EXIT, parseCommandLine, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { exitCodeOf } from "./exit_code.ts";
import { launchError, relaunch } from "./launch.ts";
import { createOutput, type Output } from "./output.ts";
import { VERSION } from "./version.ts";

/**
 * Runs one command line.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code; everything there is to say has been printed
 */
export async function main(argv: readonly string[]): Promise<number> {
  // Good enough until the arguments are understood, which can fail.
  let output = createOutput({
    json: argv.includes("--json"),
    colour: argv.includes("--no-color") ? false : undefined,
  });
  try {
    const { command, named, args } = parseCommandLine(argv, COMMANDS);
    output = createOutput({
      json: args.format("") === "json",
      colour: args.flag("no-color") ? false : undefined,
    });
    if (args.flag("version")) return printVersion(output);
    if (args.flag("help")) {
      const { printHelp } = await import("./help.ts");
      printHelp(named ? command : undefined, output);
      return EXIT.ok;
    }
    if (command.startsWorkers) {
      const code = await relaunch(argv);
      if (code !== undefined) return code;
    }
    const module = await command.load!();
    return await module.run(args, output);
  } catch (thrown) {
    const error = thrown instanceof Deno.errors.NotCapable ? launchError(thrown) : thrown;
    output.error(error);
    const isFault = !(error instanceof UsageError || error instanceof ConnectorError);
    if (isFault) {
      output.say("  This is a fault of rivven-connect itself; please report it with the lines below");
    }
    if (isFault || argv.includes("-v") || argv.includes("--verbose")) output.say(framesOf(error, output));
    return exitCodeOf(error);
  }
}

/** Where it was thrown; the message has been printed already. */
function framesOf(error: unknown, output: Output): string {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  return output.errorStyle.dim(stack.split("\n").filter((line) => /^\s+at /.test(line)).join("\n"));
}

function printVersion(output: Output): number {
  const { target, standalone } = Deno.build;
  const facts = { version: VERSION, deno: Deno.version.deno, target, standalone };
  if (output.json) output.printJson(facts);
  else {output.print(
      `rivven-connect ${VERSION} (Deno ${facts.deno}, ${target}${standalone ? ", compiled" : ""})`,
    );}
  return EXIT.ok;
}
