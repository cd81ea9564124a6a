/** What can be told about a user's code without running it: definition.ts asks, on the main thread. */
import module from "node:module";
import vm from "node:vm";
import { type Import, parse } from "npm:es-module-lexer@3.0.5/js";

/** What keeps the code from being loaded, as far as it shows before. */
export function codeProblem(
  written: string,
  language: "javascript" | "typescript",
): { readonly message: string; readonly hint: string } | undefined {
  try {
    const code = language === "typescript" ? withoutTypes(written) : plainJavaScript(written);
    const [imports, exports] = parse(code);
    const foreign = foreignImport(imports, code);
    if (foreign !== undefined) {
      return {
        message: `The code imports "${foreign}", which it has no right to`,
        hint: "Put everything into one file; only node: modules can be imported",
      };
    }
    if (exports.some((one) => one.type !== "reexport-all" && one.name === "default")) return undefined;
    return {
      message: "The code has no default export",
      hint: "Write the function that is called with each record as: export default function (record) { … }",
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      message: `The code can't be read as ${language}: ${
        message.replace(/^\[\w+\] /, "").replace(/ at file:\/\/\S*:(\d+):(\d+)$/, " (line $1, column $2)")
      }`,
      hint: language === "typescript"
        ? "Of TypeScript nothing but types is allowed: no enum, no namespace, no properties made by a constructor"
        : "Correct the code; where it has types, write language: typescript",
    };
  }
}

function withoutTypes(code: string): string {
  // Missing in Deno before 2.9.
  if (typeof module.stripTypeScriptTypes !== "function") {
    throw new Error("this build can't; write JavaScript");
  }
  return module.stripTypeScriptTypes(code);
}

/**
 * JavaScript is TypeScript without types, so that what takes types off finds where it is neither, or has some. Only V8
 * knows for certain, and says what is wrong, but it compiles no module without running it: a function with the same
 * statements has to do.
 *
 * @throws {SyntaxError}
 */
function plainJavaScript(code: string): string {
  if (typeof module.stripTypeScriptTypes !== "function") return code;
  try {
    // `f<a>(b)` is two comparisons in JavaScript.
    if (module.stripTypeScriptTypes(code) !== code) compileAsFunction(code);
  } catch (error) {
    compileAsFunction(code);
    throw error;
  }
  return code;
}

function compileAsFunction(code: string): void {
  const statements = code
    .replaceAll(/^\s*import\s[^"'()]*["'][^"']*["'];?/gm, "")
    .replaceAll(/^\s*export\s*\{[^}]*\};?/gm, "")
    .replaceAll(/^\s*export\s+default\b/gm, ";_ =")
    .replaceAll(/^\s*export\s/gm, "");
  new vm.Script(`"use strict"; async () => {${statements}\n}`);
}

/**
 * The first import of anything but Deno's node: modules. Deno loads what a literal import names without asking for a
 * right, also a .json or .js file of this machine (seen with 2.9.6), so such code must never get into the worker. Imports
 * whose name is computed do ask there, and would be denied.
 */
function foreignImport(imports: readonly Import[], code: string): string | undefined {
  for (const one of imports) {
    if (one.type === "import-meta") continue;
    if (!one.specifier?.startsWith("node:")) return one.specifier ?? code.slice(one.start, one.end);
  }
}
