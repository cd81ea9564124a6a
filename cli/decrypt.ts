/** `decrypt`: messages with encrypted values, a JSON text a line, from files or standard input to standard output. */
import { ConnectorError, RecordError } from "../formats/data/errors.ts";
import { createDecrypter, type Decrypter, keysFromEnvironment } from "../transforms/_protection/decrypt.ts";
import { KEY_VARIABLE } from "../transforms/_protection/keys.ts";
import { type Arguments, EXIT } from "./command.ts";
import type { Output } from "./output.ts";

/** So much is gathered before it is printed, in characters. */
const PIECE = 1 << 16;

export async function run(args: Arguments, output: Output): Promise<number> {
  const decrypter = decrypterFor(args);
  const files = args.positionals.length > 0 ? args.positionals : ["-"];
  for (const file of files) {
    const lines: string[] = [];
    let size = 0;
    const print = () => {
      if (lines.length > 0) output.print(lines.join("\n"));
      lines.length = size = 0;
    };
    let number = 0;
    try {
      for await (const line of linesOf(file)) {
        number++;
        const text = opened(line, decrypter, file, number);
        lines.push(text);
        if ((size += text.length) > PIECE) print();
      }
    } finally {
      print();
    }
  }
  return EXIT.ok;
}

function decrypterFor(args: Arguments): Decrypter {
  const keyId = args.text("key-id") ?? "default";
  const keys = keysFromEnvironment((name) => Deno.env.get(name), keyId);
  if (Object.keys(keys[keyId]).length === 0) {
    throw new ConnectorError(`There is no key: ${KEY_VARIABLE} is not set`, {
      code: "not_found_key",
      hint: `Export the key that the values were encrypted with; further versions as ${KEY_VARIABLE}_V2, …`,
    });
  }
  const onMissingKey = args.text("on-missing-key") === "keep" ? "keep" : "fail";
  try {
    return createDecrypter({ keys, onMissingKey, checkPlace: !args.flag("any-place") });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConnectorError(error.message, {
      code: "config_key",
      hint: "Keys are made with: openssl rand -base64 32",
    });
  }
}

function opened(line: string, decrypter: Decrypter, file: string, number: number): string {
  try {
    return decrypter.text(line);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const hint = error.code === "not_found_key"
      ? "Export that version too, name the key with --key-id, or leave such values encrypted: --on-missing-key keep"
      : error.code === "serialization_wrong_place"
      ? "Where columns were renamed or moved on purpose: --any-place"
      : "Check that it is the key, and the file, that you mean";
    const place = file === "-" ? "standard input" : file;
    throw new ConnectorError(`${place}, line ${number}: ${error.message}`, {
      code: error.code.startsWith("not_found") ? error.code : "serialization_decrypt",
      hint,
    });
  }
}

/** The lines of a file, or of standard input, without their ends. */
async function* linesOf(file: string): AsyncIterable<string> {
  using opened = file === "-" ? undefined : await openFile(file);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const chunk = new Uint8Array(PIECE);
  const source = opened ?? Deno.stdin;
  let rest = "";
  for (;;) {
    const size = await source.read(chunk);
    let text: string;
    try {
      text = decoder.decode(chunk.subarray(0, size ?? 0), { stream: size !== null });
    } catch {
      throw new ConnectorError(`${file === "-" ? "Standard input" : file} is no UTF-8`, {
        code: "serialization_text",
      });
    }
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
    if (size === null) break;
  }
  if (rest !== "") yield rest;
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConnectorError(`Can't read "${path}": ${reason}`, { code: "not_found_file", cause: error });
  }
}
