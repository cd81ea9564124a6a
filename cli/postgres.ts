/**
 * `postgres`: changes of a PostgreSQL database with flags only. The flags become a pipeline file in memory, and that
 * runs as any other does; --print-config shows it.
 */
import { stringify } from "yaml";
import { type Arguments, UsageError } from "./command.ts";
import type { PipelineText } from "./load.ts";
import type { Output } from "./output.ts";

/** Stands for the flags in messages, where a pipeline file has its name. */
const FILE = "<flags>";

export async function run(args: Arguments, output: Output): Promise<number> {
  if (args.flag("print-config")) {
    output.print(`${HEADER}${textOf(args, "printed").trimEnd()}`);
    return 0;
  }
  const { runPipelines } = await import("./run.ts");
  return await runPipelines(args, output, pipelineOf(args));
}

const HEADER = `\
# What these flags stand for: rivven-connect run -c FILE does the same. A password of the connection is not printed:
# it is taken from PGPASSWORD.
`;

/** The flags as the text of a pipeline file, password included. */
function pipelineOf(args: Arguments): PipelineText {
  return { file: FILE, text: textOf(args, "whole") };
}

/** The keys of the sink that the flags ask for: a broker where there is one, standard output otherwise. */
function sinkOf(args: Arguments): { readonly sink: string; readonly config: Record<string, unknown> } {
  const [broker, topic, path] = ["broker", "topic", "path"].map((name) => literal(args.text(name)));
  const sink = args.text("sink") ?? (broker === undefined ? "stdout" : "rivven");
  for (
    const [flag, value, owner] of [["broker", broker, "rivven"], ["topic", topic, "rivven"], [
      "path",
      path,
      "file",
    ]]
  ) {
    if (value !== undefined && sink !== owner) throw new UsageError(`--${flag} is for --sink ${owner}`);
  }
  if (sink === "rivven") {
    if (broker === undefined) {
      throw new UsageError("--sink rivven needs --broker", "Such as --broker localhost:9092");
    }
    const servers = broker.split(",");
    return {
      sink,
      config: given({
        ...(servers.length > 1 ? { bootstrap_servers: servers } : { address: broker }),
        topic,
      }),
    };
  }
  if (sink === "file") {
    if (path === undefined) {
      throw new UsageError("--sink file needs --path", "Such as --path out/{namespace}.{stream}.jsonl");
    }
    return { sink, config: { path } };
  }
  return { sink, config: { format: "json" } };
}

function textOf(args: Arguments, form: "printed" | "whole"): string {
  const { connection, password } = withoutPassword(args.text("connection"));
  const { sink, config: sinkConfig } = sinkOf(args);
  const value = (name: string) => literal(args.text(name));
  const config = {
    connection: literal(connection),
    password: password === undefined ? undefined : form === "printed" ? "${PGPASSWORD}" : literal(password),
    slot_name: value("slot"),
    publication: value("publication"),
    tables: args.list("tables").length === 0 ? undefined : args.list("tables").map((table) => literal(table)),
    snapshot: args.text("snapshot") === undefined ? undefined : { mode: value("snapshot") },
  };
  const stateDir = value("state-dir");
  return stringify({
    version: "1.0",
    ...(stateDir === undefined ? {} : { settings: { state_dir: stateDir } }),
    sources: { postgres: { connector: "postgres-cdc", config: given(config) } },
    sinks: { [sink]: { connector: sink, config: sinkConfig } },
    pipelines: { [`postgres_to_${sink}`]: { source: "postgres", sink } },
  }, { lineWidth: 0 });
}

/** What a flag says is meant as it stands: `${` is no variable in it. */
function literal<Text extends string | undefined>(text: Text): Text {
  return text?.replaceAll("${", () => "$${") as Text;
}

function given(keys: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}

/** A URI, and the password that it has as user information or as a parameter. One that is broken stays as it is. */
function withoutPassword(uri: string | undefined): { connection?: string; password?: string } {
  if (uri === undefined) return {};
  const patterns = [/^([a-z]+:\/\/[^/?#@:]*):([^/?#]*)(?=@)/i, /([?&])password=([^&#]*)(?:&|$)/];
  for (const pattern of patterns) {
    const written = pattern.exec(uri)?.[2];
    if (written === undefined) continue;
    try {
      const connection = uri.replace(pattern, (_, before) => before).replace(/\?$/, "");
      return { connection, password: decodeURIComponent(written) };
    } catch {
      break; // a % that starts no code: the connector says so
    }
  }
  return { connection: uri };
}
