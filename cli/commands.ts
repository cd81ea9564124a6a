/**
 * The command table: everything that help, completions and the parser know, in the order in which help lists it. The
 * first is what runs without a verb. Each loads its file only when it is called.
 */
import type { Command, Option } from "./command.ts";

const SHUTDOWN_TIMEOUT: Option = {
  name: "shutdown-timeout",
  type: "duration",
  value: "TIME",
  default: "settings.shutdown_timeout_ms, 30s",
  description: "How long a drain may take before the process gives up",
};

/** For files of other versions, whose keys were read and then ignored. */
const UNKNOWN_KEYS: Option = {
  name: "allow-unknown-keys",
  type: "boolean",
  description: "Warn about keys that nobody knows, instead of refusing them",
};

function format(choices: readonly string[]): Option {
  return {
    name: "format",
    type: "string",
    value: "FORMAT",
    choices,
    default: choices[0],
    description: `How to answer: ${choices.join(", ")}`,
  };
}

export const COMMANDS: readonly Command[] = [
  {
    name: "run",
    summary: "Run all enabled pipelines",
    description:
      "Reads the pipeline file, gives every connector a worker with exactly the rights that the file names, " +
      "and moves data until it is stopped or every source has ended. A position is saved only after the sink has made " +
      "the data durable, so a crash loses nothing: the next run goes on from there.\n\n" +
      "Ctrl-C or SIGTERM drains: sources stop, what was read is written and saved. A second signal aborts.",
    options: [
      {
        name: "reset-position",
        type: "string",
        value: "PIPELINE[=START]",
        many: true,
        description:
          "Forget how far this pipeline has come, and begin anew: its sink gets again what it has. A source of a " +
          "broker begins where START says: earliest (as without it), latest, or a time, as in 2026-01-31T12:00:00Z. " +
          "Needs --yes; refused while another process runs on the state, and where the target holds the position",
      },
      { name: "yes", type: "boolean", description: "With --reset-position: do it" },
      SHUTDOWN_TIMEOUT,
      UNKNOWN_KEYS,
    ],
    json: true,
    startsWorkers: true,
    examples: [
      ["rivven-connect run", "run ./connect.yaml"],
      ["rivven-connect run --reset-position shop_to_lake --yes", "send everything once more, then go on"],
      [
        "rivven-connect run --reset-position out=2026-01-31T12:00:00Z --yes",
        "read the topics of sink out once more from there",
      ],
      ["rivven-connect run -c orders.yaml --log-format json", "another file, with logs for a collector"],
      ["rivven-connect -v", "the same as run, with detailed logs"],
    ],
    exitCodes: { 130: "a second Ctrl-C, or one before anything ran (143: SIGTERM)" },
    load: () => import("./run.ts"),
  },
  {
    name: "validate",
    summary: "Find every mistake in a pipeline file, without network",
    description:
      "Reads the file and reports every problem at once, each with file, line, column, and what to do about " +
      "it. Nothing is connected to, nothing is written; variables that are not set are warnings.",
    options: [UNKNOWN_KEYS],
    json: true,
    examples: [
      ["rivven-connect validate", "check ./connect.yaml"],
      ["rivven-connect validate -c orders.yaml --json", "for an editor or a build"],
      ["rivven-connect init | rivven-connect validate -c -", "check what comes from a pipe"],
    ],
    exitCodes: { 0: "the file is valid", 2: "it is not, or can't be read" },
    load: () => import("./validate.ts"),
  },
  {
    name: "plan",
    summary: "Show what would run, and what each part may touch",
    description:
      "Prints the flows that a pipeline file stands for, the delivery guarantee of each and why it is no " +
      "better, and for every worker the exact hosts, files and variables that it may reach. Secrets are masked. " +
      "Nothing is connected to.",
    options: [UNKNOWN_KEYS],
    json: true,
    examples: [
      ["rivven-connect plan", "explain ./connect.yaml"],
      ["rivven-connect plan -c orders.yaml --json | jq .sources[].permissions", "for a security review"],
    ],
    load: () => import("./plan.ts"),
  },
  {
    name: "check",
    summary: "Validate the file and test every endpoint, without moving data",
    description:
      "Validates the file, then lets every connector look at what it will need: servers, credentials, " +
      "rights, settings. Prints one line per finding and what to do where something is missing. Changes nothing.",
    options: [
      { name: "source", type: "string", value: "NAME", many: true, description: "Only this source" },
      { name: "sink", type: "string", value: "NAME", many: true, description: "Only this sink" },
      {
        name: "timeout",
        type: "duration",
        value: "TIME",
        default: "30s",
        description: "How long one connector's checks may take",
      },
      { name: "offline", type: "boolean", description: "Only validate the file" },
      UNKNOWN_KEYS,
    ],
    json: true,
    startsWorkers: true,
    examples: [
      ["rivven-connect check", "everything in ./connect.yaml"],
      ["rivven-connect check --source shop --timeout 5s", "one database, impatiently"],
    ],
    exitCodes: {
      0: "all checks passed",
      2: "the configuration is wrong",
      3: "what it names is missing or refuses",
    },
    load: () => import("./check.ts"),
  },
  {
    name: "discover",
    summary: "List the tables or topics that a source can see",
    description:
      "Connects to a source of the pipeline file and lists the streams it could read, with their columns, " +
      "keys and about how many rows they have.",
    positionals: [{ name: "source", required: true, description: "Its name in the pipeline file" }],
    options: [
      format(["table", "json", "yaml"]),
      {
        name: "timeout",
        type: "duration",
        value: "TIME",
        default: "60s",
        description: "How long it may take",
      },
      UNKNOWN_KEYS,
    ],
    json: true,
    startsWorkers: true,
    examples: [
      ["rivven-connect discover shop", "what the source shop of ./connect.yaml sees"],
      ["rivven-connect discover shop --format yaml", "the same as YAML"],
    ],
    load: () => import("./discover.ts"),
  },
  {
    name: "preview",
    summary: "Show the first records of a source, after its transforms",
    description:
      "Reads a few records of a source, applies the transforms of the source, the pipeline and the sink, and prints " +
      "them. No sink is touched, no position is saved: a later run starts where it would have started.",
    positionals: [{
      name: "source",
      description: "Its name in the pipeline file; needed where there are several",
    }],
    options: [
      {
        name: "pipeline",
        short: "p",
        type: "string",
        value: "NAME",
        description: "Whose transforms and layout; without it the first of the source",
      },
      {
        name: "transform-only",
        type: "string",
        value: "FILE",
        complete: "file",
        description:
          "Take the records from a file instead: JSON lines of a sink, or what `record` has written",
      },
      {
        name: "limit",
        short: "n",
        type: "integer",
        value: "N",
        default: "10",
        description: "How many records",
      },
      {
        name: "timeout",
        type: "duration",
        value: "TIME",
        default: "30s",
        description: "How long to wait for them",
      },
      UNKNOWN_KEYS,
    ],
    json: true,
    startsWorkers: true,
    examples: [
      ["rivven-connect preview", "ten records of the only source"],
      ["rivven-connect preview shop -n 3 --json", "three, one JSON text per line"],
      ["rivven-connect preview --transform-only orders.jsonl", "records of a file, through the transforms"],
    ],
    load: () => import("./preview.ts"),
  },
  {
    name: "decrypt",
    summary: "Decrypt encrypted fields in files of JSON lines",
    description:
      "Reads messages, one JSON text per line, opens the values that encrypt_field has encrypted, and prints them; all " +
      "else stays as it is. The key is in RIVVEN_ENCRYPTION_KEY, its further versions in RIVVEN_ENCRYPTION_KEY_V2, …. A " +
      "value opens only in the table, column and row that it was encrypted in.",
    positionals: [{
      name: "files",
      description: "Files of messages; - or none: standard input",
      many: true,
      complete: "file",
    }],
    options: [
      {
        name: "key-id",
        type: "string",
        value: "ID",
        default: "default",
        description: "The key's name, as key_id in the pipeline file says it",
      },
      {
        name: "on-missing-key",
        type: "string",
        value: "WHAT",
        choices: ["fail", "keep"],
        default: "fail",
        description: "What happens to values of another key or version",
      },
      {
        name: "any-place",
        type: "boolean",
        description: "Open values also where they were not encrypted, as in renamed columns",
      },
    ],
    examples: [
      ["rivven-connect decrypt users.jsonl", "the messages of a file, readable"],
      ["rivven-connect decrypt --on-missing-key keep < users.jsonl | jq .after", "what opens with this key"],
    ],
    load: () => import("./decrypt.ts"),
  },
  {
    name: "test",
    summary: "Run tests of transforms and pipelines",
    description:
      "Runs every test in the files named, or in the files called *.test.yaml below the folders named or the working " +
      "directory. A test gives records, says which transforms or which pipeline they go through, and what is expected to " +
      "come out; what differs is shown, field by field. No source and no sink is touched.",
    positionals: [{ name: "files", description: "Files of tests, or folders", many: true, complete: "file" }],
    options: [
      { name: "filter", type: "string", value: "TEXT", description: "Only tests with this in their name" },
      {
        name: "update",
        type: "boolean",
        description: "Write what came out into the files as what is expected",
      },
    ],
    json: true,
    startsWorkers: true,
    exitCodes: {
      0: "every test passed",
      1: "a test failed",
      2: "a file of tests, or what it is about, is wrong",
    },
    examples: [
      ["rivven-connect test", "every test below the working directory"],
      ["rivven-connect test shop.test.yaml --filter drafts", "some tests of one file"],
      ["rivven-connect test --update", "take what came out as expected, to be looked through in the diff"],
    ],
    load: () => import("./test.ts"),
  },
  {
    name: "record",
    summary: "Write records of a source into a file, for tests",
    description:
      "Reads a few records of a source, before any transform, and writes them in the notation of tests, with the types of " +
      "their columns: a test takes them by the key `recorded`. No position is saved, and the source leaves no trace. The " +
      "file holds real rows: look through it before it goes anywhere.",
    positionals: [{
      name: "source",
      description: "Its name in the pipeline file; needed where there are several",
    }],
    options: [
      {
        name: "limit",
        short: "n",
        type: "integer",
        value: "N",
        default: "100",
        description: "How many records",
      },
      {
        name: "timeout",
        type: "duration",
        value: "TIME",
        default: "30s",
        description: "How long to wait for them",
      },
      {
        name: "out",
        short: "o",
        type: "string",
        value: "FILE",
        description: "Where to write them; the screen without it",
      },
      { name: "force", type: "boolean", description: "Write over a file that exists" },
    ],
    startsWorkers: true,
    examples: [
      ["rivven-connect record shop -n 20 -o orders.records.yaml", "twenty records into a file"],
    ],
    load: () => import("./record.ts"),
  },
  {
    name: "postgres",
    summary: "Follow a PostgreSQL database with flags only, without a file",
    description:
      "Takes the rows of the tables and then every change, to standard output, into files or to a broker. The flags become " +
      "a pipeline file in memory, which runs as any other does; --print-config shows it. What the connection leaves out " +
      "comes from the variables that psql uses (PGHOST, PGPASSWORD, …) and from ~/.pgpass.",
    options: [
      {
        name: "connection",
        type: "string",
        value: "URI",
        default: "from PGHOST, PGDATABASE, PGUSER, …",
        description: "The database: postgres://user@host:5432/database?sslmode=verify-full",
      },
      {
        name: "slot",
        type: "string",
        value: "NAME",
        default: "rivven_slot",
        description: "Replication slot, created when missing",
      },
      {
        name: "publication",
        type: "string",
        value: "NAME",
        default: "rivven_pub",
        description: "Publication, created when missing",
      },
      {
        name: "tables",
        type: "string",
        value: "NAMES",
        many: true,
        default: "all",
        description: "Tables to follow, as patterns of table or schema.table",
      },
      {
        name: "snapshot",
        type: "string",
        value: "MODE",
        default: "initial",
        description: "What is read before the changes, such as initial or never",
      },
      {
        name: "sink",
        type: "string",
        value: "SINK",
        choices: ["stdout", "file", "rivven"],
        default: "rivven with --broker, else stdout",
        description: "Where the records go",
      },
      {
        name: "path",
        type: "string",
        value: "PATH",
        description: "The files of --sink file, such as out/{namespace}.{stream}.jsonl",
        complete: "file",
      },
      {
        name: "state-dir",
        type: "string",
        value: "PATH",
        default: "./data/connect-state",
        description: "Where the position is kept, from which the next run goes on",
        complete: "file",
      },
      {
        name: "broker",
        type: "string",
        value: "ADDRESS",
        description: "Rivven broker to publish to, host:port; several with commas",
      },
      {
        name: "topic",
        type: "string",
        value: "NAME",
        default: "{source}.{namespace}.{stream}",
        description: "Topic on that broker",
      },
      { name: "print-config", type: "boolean", description: "Print the pipeline file and run nothing" },
      SHUTDOWN_TIMEOUT,
    ],
    startsWorkers: true,
    examples: [
      [
        "rivven-connect postgres --connection postgres://me@localhost/shop",
        "every table, as lines on the terminal",
      ],
      [
        "rivven-connect postgres --tables public.orders --sink file --path orders.jsonl",
        "one table of the database that PGHOST and PGDATABASE name, into a file",
      ],
      ["rivven-connect postgres --connection $URI --print-config > connect.yaml", "a file to go on from"],
    ],
    exitCodes: { 130: "a second Ctrl-C, or one before anything ran (143: SIGTERM)" },
    load: () => import("./postgres.ts"),
  },
  {
    name: "init",
    summary: "Write an example pipeline file to standard output",
    description:
      "Prints a commented pipeline file that is complete and valid. With connectors it is about those: what " +
      "they require is filled in with an example, everything else is there as a comment with its default.",
    positionals: [
      { name: "connector", many: true, description: "Connectors to write about", complete: "connector" },
    ],
    options: [
      {
        name: "connector",
        type: "string",
        value: "NAME",
        many: true,
        description: "The same as an option",
        complete: "connector",
      },
    ],
    examples: [
      ["rivven-connect init > connect.yaml", "a file to start from"],
      ["rivven-connect init postgres-cdc file > connect.yaml", "from PostgreSQL into files"],
    ],
    load: () => import("./init.ts"),
  },
  {
    name: "dlq",
    summary: "List, show, replay or drop dead letters",
    description:
      "Dead letters are the records that could not be decoded, transformed or written, of pipelines with " +
      "on_error: dead_letter. They are kept in the state directory, or in the topic that dead_letter_topic names; both " +
      "are looked at. No pipeline may run on the state directory meanwhile.\n\n" +
      "replay puts a record into its pipeline's sink, behind the transforms that it has not come through yet, as it was " +
      "or edited. It is removed when the sink has made it durable; killed in between, it may come twice. What a topic " +
      "holds stays there, and is not shown again.",
    positionals: [
      {
        name: "action",
        required: true,
        description: "list, show, replay or drop",
        choices: ["list", "show", "replay", "drop"],
      },
      { name: "ids", description: "Ids of dead letters, as list prints them", many: true },
    ],
    options: [
      { name: "pipeline", type: "string", value: "NAME", description: "Only those of this pipeline" },
      { name: "stream", type: "string", value: "NAME", description: "Only those of this table or topic" },
      {
        name: "since",
        type: "string",
        value: "TIME",
        description: "Only those since then: 30m, 2h, 7d, 2026-01-31, 2026-01-31T12:00:00Z",
      },
      { name: "all", type: "boolean", description: "replay, drop: all, or all that the options above leave" },
      { name: "raw", type: "boolean", description: "show: the record alone, as it is kept" },
      {
        name: "set",
        type: "string",
        value: "PATH=VALUE",
        many: true,
        keepsCommas: true,
        description:
          "replay: one value of the record first, as in after.total=12.5; may be given several times",
      },
      {
        name: "edit",
        type: "string",
        value: "FILE",
        description: "replay: merge this JSON into the record first (RFC 7396; - is standard input)",
        complete: "file",
      },
      {
        name: "from",
        type: "string",
        value: "FILE",
        description:
          "replay: this record in its place, in the form that show --raw prints (- is standard input)",
        complete: "file",
      },
      { name: "yes", type: "boolean", description: "drop: do not ask" },
      {
        name: "local",
        type: "boolean",
        description: "Only those of the state directory: no broker is asked",
      },
      {
        name: "timeout",
        type: "duration",
        value: "TIME",
        default: "30s",
        description: "How long reading a topic may take",
      },
      UNKNOWN_KEYS,
    ],
    json: true,
    startsWorkers: true,
    exitCodes: {
      0: "done",
      1: "a replayed record was rejected again, or nothing was dropped",
      2: "the file or the command line is wrong",
      3: "another process uses the state directory, or the broker or the sink can't be reached",
    },
    examples: [
      ["rivven-connect dlq list --since 2h", "what has failed lately"],
      ["rivven-connect dlq show 12", "one of them, with its record"],
      ["rivven-connect dlq replay 12 --set after.total=12.50", "mended, into its sink"],
      ["rivven-connect dlq replay --all --pipeline shop_to_lake", "once the sink takes them"],
      ["rivven-connect dlq drop 12 13 --yes", "for good"],
    ],
    load: () => import("./dlq.ts"),
  },
  {
    name: "spec",
    aliases: ["connectors", "schema"],
    summary: "List the connectors and transforms, or explain one completely",
    description:
      "Without a name: the catalogue by category. With one: everything there is to know about it, " +
      "from the definition that the program itself uses.",
    positionals: [{
      name: "name",
      description: "A connector, a transform, or an alias of one",
      complete: "part",
    }],
    options: [
      {
        name: "category",
        type: "string",
        value: "NAME",
        description: "Only this category",
        complete: "category",
      },
      {
        name: "tag",
        type: "string",
        value: "TAG",
        many: true,
        description: "Only connectors with all these tags",
      },
      { name: "search", type: "string", value: "TEXT", description: "Only what matches, best match first" },
      format(["table", "json"]),
      { name: "json-schema", type: "boolean", description: "The JSON Schema of the connector's config" },
    ],
    json: true,
    examples: [
      ["rivven-connect spec", "all connectors"],
      ["rivven-connect spec --search postgres", "find one"],
      ["rivven-connect spec postgres-cdc", "every option of it"],
      ["rivven-connect spec filter", "a transform, with a worked example"],
      ["rivven-connect spec postgres-cdc --json-schema", "for an editor or a form"],
    ],
    load: () => import("./spec.ts"),
  },
  {
    name: "docs",
    summary: "Print the reference page of a connector or a transform in Markdown",
    description:
      "Prints the page of one of them. In the repository, --write refreshes the parts of the READMEs and " +
      "the JSON Schema that are generated from the definitions, and --check tells whether they are fresh.",
    positionals: [{
      name: "name",
      description: "A connector, a transform, or an alias of one",
      complete: "part",
    }],
    options: [
      { name: "write", type: "boolean", description: "Refresh the generated parts of the repository" },
      {
        name: "check",
        type: "boolean",
        description: "Name the generated parts that are stale; exit 1 if any",
      },
    ],
    examples: [
      ["rivven-connect docs postgres-cdc | less", "read it"],
      ["rivven-connect docs mask_field", "a transform, with a worked example"],
      ["rivven-connect docs --write", "after a definition has changed"],
    ],
    exitCodes: { 0: "printed, written, or all fresh", 1: "a generated part is stale (--check)" },
    load: () => import("./docs.ts"),
  },
  {
    name: "completions",
    summary: "Print a completion script for bash, zsh or fish",
    description: "Prints a script that teaches your shell the commands, their options and the connectors.",
    positionals: [{ name: "shell", required: true, description: "bash, zsh or fish", complete: "shell" }],
    examples: [
      ["source <(rivven-connect completions bash)", "in ~/.bashrc"],
      ["rivven-connect completions zsh > ~/.zfunc/_rivven-connect", "a folder of your fpath"],
      ["rivven-connect completions fish > ~/.config/fish/completions/rivven-connect.fish", "fish"],
    ],
    load: () => import("./completions.ts"),
  },
  {
    name: "help",
    summary: "Explain a command",
    description: "Prints what a command does, its options, examples and exit codes.",
    positionals: [{ name: "command", description: "The command", complete: "command" }],
    examples: [["rivven-connect help run", "all about run"]],
    load: () => import("./help.ts"),
  },
  notYet("status", "Show what a running process is doing", "Its health and progress are on its log"),
  notYet("sources", "Run only the sources", "Run whole pipelines with: run", true),
  notYet("sinks", "Run only the sinks", "Run whole pipelines with: run", true),
];

/** A command that a later version has: it says so, whatever its arguments, with exit code 2. */
function notYet(name: string, summary: string, instead: string, hidden = false): Command {
  return {
    name,
    summary: `${summary} (not in this build yet)`,
    description: `This build does not have it yet. ${instead}.`,
    examples: [],
    hidden,
    instead,
  };
}
