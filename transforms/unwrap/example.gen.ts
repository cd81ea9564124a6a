// Written by `deno task generate` from example.yaml: change that, not this file.
export default "transforms:\n  - type: unwrap\n    config: { field: payload, parse_json: true }\ngiven:\n  - { stream: events, after: { id: 1, payload: '{\"kind\": \"login\", \"user\": {\"name\": \"Ada\"}}' } }\nexpect:\n  - { stream: events, after: { id: 1, kind: login, user: { name: Ada } } }\n";
