/** The program's version, from the one place where it is kept. */
import manifest from "../deno.json" with { type: "json" };

/** As in `0.1.0`. */
export const VERSION: string = manifest.version;
