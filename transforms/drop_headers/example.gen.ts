// Written by `deno task generate` from example.yaml: change that, not this file.
export default "transforms:\n  - type: drop_headers\n    config: { headers: [\"x-*\"], keep: [x-trace] }\ngiven:\n  - { stream: events, after: { id: 1 }, headers: [[x-trace, a], [x-debug, b], [kind, c]] }\nexpect:\n  - { stream: events, after: { id: 1 }, headers: [[x-trace, a], [kind, c]] }\n";
