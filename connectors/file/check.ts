/** What `check` finds out about the folder that the `file` sink writes to. Leaves nothing behind. */
import type { CheckReport } from "../contract.ts";
import { reportError } from "../../formats/data/errors.ts";
import { fileError } from "./file_error.ts";

/** @param base the folder that the sink has rights to */
export function check(base: string, report: CheckReport): void {
  let isFolder: boolean;
  try {
    isFolder = Deno.statSync(base).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const message = `"${base}" does not exist yet: it is made at the start`;
      return report({ name: "folder", status: "ok", message });
    }
    return reportFailure("look at", base, error, report);
  }
  if (!isFolder) {
    return report({
      name: "folder",
      status: "failed",
      message: `"${base}" is not a folder`,
      hint: "Choose another `path`: its part before the first placeholder must lie in a folder",
      blame: "config",
    });
  }
  const probe = `${base}/.rivven-check-${crypto.randomUUID()}`;
  try {
    Deno.writeTextFileSync(probe, "", { createNew: true });
    Deno.removeSync(probe);
  } catch (error) {
    return reportFailure("write to", base, error, report);
  }
  report({ name: "folder", status: "ok", message: `"${base}" can be written to` });
  if (base !== ".") return;
  report({
    name: "rights",
    status: "warning",
    message: "The sink may read and write everything below the working directory",
    hint: "Give the files a folder of their own, as in ./out/{stream}.jsonl",
  });
}

function reportFailure(tried: string, base: string, error: unknown, report: CheckReport): void {
  const { message, hint } = reportError(fileError(tried, base, error));
  report({ name: "folder", status: "failed", message, hint, blame: "environment" });
}
