/** Do the names in a pipeline file lead somewhere, and is everything in it used? config.ts asks. */
import { implicitEnds } from "./flows.ts";
import { isDisabled } from "./not_built.ts";
import type { Report } from "./problem.ts";
import type { Role } from "./registry.ts";
import { didYouMean } from "./suggest.ts";
import { isMap, type YamlDocument } from "./yaml_document.ts";

/** Pipelines name what exists. What they name that is disabled is plan.ts's to say. */
export function checkReferences(document: YamlDocument, report: Report): void {
  const named = new Set<string>();
  const mistaken = new Set<Role>();
  for (const [name, pipeline] of document.entries("pipelines")) {
    if (!isMap(pipeline)) continue;
    for (const role of ["source", "sink"] as const) {
      const wanted = pipeline[role];
      if (typeof wanted !== "string" || document.isUnset(["pipelines", name, role])) continue;
      named.add(`${role} ${wanted}`);
      const names = document.entries(`${role}s`).map(([name]) => name);
      if (names.includes(wanted)) continue;
      mistaken.add(role);
      const path = ["pipelines", name, role];
      const severity = isDisabled(document, path) ? "warning" : "error";
      const message = `There is no ${role} ${document.show(path)}`;
      const hint = didYouMean(wanted, names, `The ${role}s of this file are`) ?? `Describe it under ${role}s`;
      report({ severity, path, message, hint });
    }
  }
  const implicit = { source: implicitEnds(document, "source"), sink: implicitEnds(document, "sink") };
  for (const role of ["source", "sink"] as const) {
    for (const [name, entry] of document.entries(`${role}s`)) {
      if (named.has(`${role} ${name}`) || !isMap(entry) || entry.enabled === false) continue;
      if (mistaken.has(role) || implicit[role].includes(name)) continue;
      const [part, key] = role === "source" ? ["Source", "topic"] : ["Sink", "topics"];
      report({
        severity: "warning",
        path: [`${role}s`, name],
        onKey: true,
        message: `${part} "${name}" stands in no pipeline: it is not run`,
        hint: `Add a pipeline that names it, or ${key} of the file's broker`,
      });
    }
  }
}
