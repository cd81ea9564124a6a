/** Help texts, made from the command table: the overview, and one command. `rivven-connect help` and `--help`. */
import {
  type Arguments,
  type Command,
  EXIT,
  EXIT_CODES,
  findCommand,
  GLOBAL_OPTIONS,
  type Option,
  usageOf,
} from "./command.ts";
import { COMMANDS } from "./commands.ts";
import type { Output } from "./output.ts";
import { paragraph, renderTable } from "./table.ts";

/** `help [command]`. */
export function run(args: Arguments, output: Output): Promise<number> {
  const [name] = args.positionals;
  printHelp(name === undefined ? undefined : findCommand(name, COMMANDS), output);
  return Promise.resolve(EXIT.ok);
}

/** Prints what a command does; without one, the list of commands. */
export function printHelp(command: Command | undefined, output: Output): void {
  output.print(command ? commandHelp(command, output) : overview(output));
}

function overview(output: Output): string {
  const { bold, dim, cyan } = output.style;
  const listed = COMMANDS.filter(({ hidden }) => !hidden);
  const rows = (commands: readonly Command[]) =>
    renderTable(commands.map(({ name, summary }) => [cyan(name), summary]), {
      width: output.width,
      indent: "  ",
    });
  return [
    paragraph(
      `${
        bold("rivven-connect")
      } moves data from sources (databases, generators) to sinks (files, the screen), as a ` +
        "YAML file describes it. Nothing that was read is forgotten before it is safe at its destination, and every " +
        "connector can reach only what the file names.",
      output.width,
    ),
    "",
    bold("Usage"),
    "  rivven-connect [command] [options]",
    "",
    bold("Commands"),
    rows(listed),
    "",
    bold("Options everywhere"),
    optionTable(GLOBAL_OPTIONS, output),
    "",
    bold("A first pipeline"),
    "  rivven-connect init > connect.yaml   " + dim("# a commented example"),
    "  rivven-connect plan                  " + dim("# what it would do, and may touch"),
    "  rivven-connect                       " + dim("# run it; Ctrl-C drains and stops"),
    "",
    `More about a command: rivven-connect help ${dim("<command>")}`,
  ].join("\n");
}

function commandHelp(command: Command, output: Output): string {
  const { bold, dim, cyan } = output.style;
  const parts = [`${bold(command.name)}: ${command.summary}`, ""];
  parts.push(paragraph(command.description, output.width), "");
  parts.push(bold("Usage"), `  ${usageOf(command)}`);
  if (command.aliases) parts.push(`  ${dim(`also called: ${command.aliases.join(", ")}`)}`);
  parts.push("");
  if (command.positionals) {
    const rows = command.positionals.map(({ name, description, many }) => [
      cyan(`<${name}>${many ? "…" : ""}`),
      description,
    ]);
    parts.push(bold("Arguments"), renderTable(rows, { width: output.width, indent: "  " }), "");
  }
  if (command.options) parts.push(bold("Options"), optionTable(command.options, output), "");
  const everywhere = GLOBAL_OPTIONS.filter(({ name }) => command.json || name !== "json");
  parts.push(bold("Options everywhere"), optionTable(everywhere, output), "");
  if (command.examples.length > 0) {
    const rows = command.examples.map(([line, purpose]) => [line, dim(`# ${purpose}`)]);
    parts.push(bold("Examples"), renderTable(rows, { width: output.width, indent: "  " }), "");
  }
  parts.push(bold("Exit codes"), renderTable(exitCodes(command), { width: output.width, indent: "  " }));
  return parts.join("\n");
}

function optionTable(options: readonly Option[], output: Output): string {
  const { cyan, dim } = output.style;
  const rows = options.map((option) => [
    cyan(spelling(option)),
    option.description + (option.default ? dim(` [default: ${option.default}]`) : ""),
  ]);
  return renderTable(rows, { width: output.width, indent: "  " });
}

/** `-c, --config PATH`; a choice lists what it can be. */
function spelling({ name, short, type, value, choices }: Option): string {
  const shown = choices && choices.join("|").length < 24 ? choices.join("|") : value ?? "VALUE";
  return `${short ? `-${short}, ` : "    "}--${name}${type === "boolean" ? "" : ` ${shown}`}`;
}

function exitCodes(command: Command): string[][] {
  const own = command.exitCodes ?? {};
  const usual = command.startsWorkers ? EXIT_CODES : { 0: "done", 2: EXIT_CODES[2] };
  return Object.entries({ ...usual, ...own }).map(([code, meaning]) => [code.padStart(3), meaning]);
}
