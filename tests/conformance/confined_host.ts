/**
 * A process around one confined worker, started by confined.ts with the program's flags and the worker's permissions.
 * Hands lines of JSON from its standard input to the worker, and what the worker says to its standard output.
 */
const [permissions] = Deno.args;
const worker = new Worker(new URL("./confined_worker.ts", import.meta.url), {
  type: "module",
  deno: { permissions: JSON.parse(permissions) },
} as WorkerOptions);

// Not console.log: a sink that writes to the standard output would be mixed up with it, and with awaiting it.
worker.onmessage = ({ data }) => Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(data)}\n`));
worker.onerror = (event) => {
  console.error(event.message);
  Deno.exit(1);
};

let text = "";
for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  text += piece;
  const lines = text.split("\n");
  text = lines.pop()!;
  for (const line of lines) worker.postMessage(JSON.parse(line));
}
worker.terminate();
