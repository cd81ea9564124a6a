// Written by `deno task generate` from example.yaml: change that, not this file.
export default "transforms:\n  - type: hoist_field\n    config: { field: line }\ngiven:\n  - { stream: log, after: { level: info, text: hello } }\nexpect:\n  - { stream: log, after: { line: { level: info, text: hello } } }\n";
