/**
 * execv(3): puts another program in the place of this process. launch.ts prefers it to a child, because then signals,
 * the exit code, `kill -9` and a container's pid 1 need no passing on, and there is one runtime in memory, not two.
 */

const LIBRARIES: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libc.so.6",
  darwin: "libSystem.B.dylib",
};

/**
 * Runs `command` (a path and its arguments) as this process, with its environment and open standard streams.
 *
 * @returns only when that is impossible: on Windows, with another C library, or when the kernel refuses
 */
export function replaceProcess(command: readonly string[]): void {
  const path = LIBRARIES[Deno.build.os];
  if (!path) return;
  let library;
  try {
    library = Deno.dlopen(path, { execv: { parameters: ["buffer", "buffer"], result: "i32" } });
  } catch {
    return;
  }
  const encoder = new TextEncoder();
  const texts = command.map((text) => encoder.encode(text + "\0"));
  // char *argv[]: a pointer for each text, then NULL.
  const pointers = new BigUint64Array(texts.length + 1);
  texts.forEach((text, i) => pointers[i] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(text)));
  library.symbols.execv(texts[0], pointers);
  library.close();
}
