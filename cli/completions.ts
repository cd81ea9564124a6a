/** `rivven-connect completions`: scripts for bash, zsh and fish, made from the command table and the registry. */
import { CATEGORIES } from "../connectors/contract.ts";
import { connectorNames, loadDefinitions } from "../runtime/config/registry.ts";
import { didYouMean } from "../runtime/config/suggest.ts";
import { loadTransforms, transformNames } from "../runtime/config/transform_registry.ts";
import {
  type Arguments,
  type Command,
  type Completion,
  EXIT,
  GLOBAL_OPTIONS,
  type Option,
  UsageError,
} from "./command.ts";
import { COMMANDS } from "./commands.ts";
import type { Output } from "./output.ts";

const definitions = await loadDefinitions();
const transforms = await loadTransforms();

const SHELLS: Readonly<Record<string, () => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** `completions <shell>`. */
export function run(args: Arguments, output: Output): Promise<number> {
  const [shell] = args.positionals;
  const script = SHELLS[shell];
  if (!script) {
    throw new UsageError(
      `There are no completions for the shell "${shell}"`,
      didYouMean(shell, Object.keys(SHELLS)) ?? `For: ${Object.keys(SHELLS).join(", ")}`,
    );
  }
  output.print(script().trimEnd());
  return Promise.resolve(EXIT.ok);
}

/** Names that a shell offers; a file is completed by the shell itself. */
const WORDS: Readonly<Record<Exclude<Completion, "file">, () => string[]>> = {
  connector: () => connectorNames(definitions),
  part: () => [...connectorNames(definitions), ...transformNames(transforms)],
  category: () => Object.keys(CATEGORIES),
  command: () => listed().map(({ name }) => name),
  shell: () => Object.keys(SHELLS),
};

function listed(): Command[] {
  return COMMANDS.filter(({ hidden, load }) => !hidden && load);
}

function optionsOf(command: Command): Option[] {
  return [
    ...(command.options ?? []),
    ...GLOBAL_OPTIONS.filter(({ name }) => command.json || name !== "json"),
  ];
}

function spellings({ name, short }: Option): string[] {
  return [...(short ? [`-${short}`] : []), `--${name}`];
}

/** What a value can be; undefined: the shell knows nothing about it. */
function wordsFor(
  wanted: { readonly complete?: Completion; readonly choices?: readonly string[] },
): string[] | undefined {
  if (wanted.choices) return [...wanted.choices];
  return wanted.complete && wanted.complete !== "file" ? WORDS[wanted.complete]() : undefined;
}

function bashScript(): string {
  const valued = uniqueOptions().filter(({ type }) => type !== "boolean");
  const values = valued.map((option) => {
    const words = wordsFor(option);
    const reply = option.complete === "file"
      ? "local IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return"
      : words
      ? `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur")); return`
      : "return";
    return `    ${spellings(option).join("|")}) ${reply} ;;`;
  });
  const verbs = listed().map((command) => {
    const options = optionsOf(command).flatMap(spellings).join(" ");
    const words = (command.positionals ?? []).flatMap((positional) => wordsFor(positional) ?? []).join(" ");
    return `    ${
      [command.name, ...(command.aliases ?? [])].join("|")
    }) options="${options}"; words="${words}" ;;`;
  });
  return `\
# Completions of rivven-connect for bash: source <(rivven-connect completions bash)
_rivven_connect() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb= options words i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${valued.flatMap(spellings).join("|")}) ((i++)) ;;
    -*) ;;
    *) verb=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $prev in
${values.join("\n")}
  esac
  case $verb in
${verbs.join("\n")}
    *) options="${GLOBAL_OPTIONS.flatMap(spellings).join(" ")}"; words="${WORDS.command().join(" ")}" ;;
  esac
  if [[ $cur == -* ]]; then words=$options; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _rivven_connect rivven-connect
`;
}

/** Every option there is, once. Of one name the type is the same everywhere, the choices may differ. */
function uniqueOptions(): Option[] {
  const unique = new Map<string, Option>();
  for (const option of [...GLOBAL_OPTIONS, ...listed().flatMap(({ options }) => options ?? [])]) {
    const choices = [...unique.get(option.name)?.choices ?? [], ...option.choices ?? []];
    unique.set(option.name, choices.length > 0 ? { ...option, choices: [...new Set(choices)] } : option);
  }
  return [...unique.values()];
}

function zshScript(): string {
  const commands = listed().map(({ name, summary }) => `    ${zshQuote(`${name}:${summary}`)}`);
  const cases = listed().map((command) => {
    const positionals = (command.positionals ?? []).map((positional, i) =>
      zshQuote(
        `${positional.many ? "*" : i + 1}:${positional.name}:${zshAction(positional)}`,
      )
    );
    const specs = [...(command.options ?? []).flatMap(zshOption), ...positionals].map((spec) => ` ${spec}`)
      .join("");
    return `    ${[command.name, ...(command.aliases ?? [])].join("|")}) _arguments $everywhere${specs} ;;`;
  });
  return `\
#compdef rivven-connect
# Completions of rivven-connect for zsh: rivven-connect completions zsh > a folder of fpath/_rivven-connect
_rivven_connect() {
  local curcontext=$curcontext state line
  local -a everywhere commands
  everywhere=(
${GLOBAL_OPTIONS.flatMap(zshOption).map((spec) => `    ${spec}`).join("\n")}
  )
  commands=(
${commands.join("\n")}
  )
  _arguments -C $everywhere '1:command:->command' '*::argument:->arguments'
  case $state in
  command) _describe command commands ;;
  arguments)
    case $words[1] in
${cases.join("\n")}
    esac ;;
  esac
}
_rivven_connect "$@"
`;
}

function zshOption(option: Option): string[] {
  const value = option.type === "boolean" ? "" : `:${option.value ?? "value"}:${zshAction(option)}`;
  const repeat = option.many ? "*" : "";
  const text = option.description.replaceAll("[", "\\[").replaceAll("]", "\\]");
  return spellings(option).map((spelling) => zshQuote(`${repeat}${spelling}[${text}]${value}`));
}

function zshAction(wanted: { readonly complete?: Completion; readonly choices?: readonly string[] }): string {
  if (wanted.complete === "file") return "_files";
  const words = wordsFor(wanted);
  return words ? `(${words.join(" ")})` : "";
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishScript(): string {
  const lines = [
    "# Completions of rivven-connect for fish, to be put into ~/.config/fish/completions/rivven-connect.fish",
    "complete -c rivven-connect -f",
    ...GLOBAL_OPTIONS.map((option) => fishOption(option, "")),
  ];
  for (const command of listed()) {
    lines.push(
      `complete -c rivven-connect -n __fish_use_subcommand -a ${command.name} -d ${
        fishQuote(command.summary)
      }`,
    );
    const names = [command.name, ...(command.aliases ?? [])].join(" ");
    const when = ` -n ${fishQuote(`__fish_seen_subcommand_from ${names}`)}`;
    for (const option of command.options ?? []) lines.push(fishOption(option, when));
    for (const positional of command.positionals ?? []) {
      const words = wordsFor(positional);
      if (words) lines.push(`complete -c rivven-connect${when} -a ${fishQuote(words.join(" "))}`);
    }
  }
  return lines.join("\n") + "\n";
}

function fishOption(option: Option, when: string): string {
  const words = wordsFor(option);
  const value = option.type === "boolean"
    ? ""
    : option.complete === "file"
    ? " -r -F"
    : words
    ? ` -x -a ${fishQuote(words.join(" "))}`
    : " -x";
  const short = option.short ? ` -s ${option.short}` : "";
  return `complete -c rivven-connect${when}${short} -l ${option.name}${value} -d ${
    fishQuote(option.description)
  }`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
