/** Values that earlier builds have encrypted stay readable, and equal values stay equal. */
import assert from "node:assert/strict";
import { valueText } from "../../formats/data/json_value.ts";
import type { Value } from "../../formats/data/value.ts";
import encryption from "../encrypt_field/definition.ts";
import { openTransform } from "../encrypt_field/implementation.ts";
import { after, configOf, record, stream, testContext } from "../_shared/testing.ts";
import { createDecrypter } from "./decrypt.ts";

const KEYS = { 1: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 2: "ab".repeat(32) };
const ROWS = stream({ id: "int64 key", region: "string key", "a.b#c": "string", profile: "json" });
const ROW = {
  id: 9007199254740993n,
  region: "größe#1",
  "a.b#c": '123-45-6789 ß\n"',
  profile: { list: [{ n: 12345678901234567890n }, { n: null }] },
};

/** The row above as encrypt_field wrote it, with the configuration and the active version of its key. */
const WRITTEN = [
  {
    config: {},
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"shop.public.users.a\\.b\\#c","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"tJdUrX1EwafK3nxEygPTKLZhzUulYOIUOmmqom9Z8m17ldxEKLdliEzJvVZSgrGh"},"profile":{"list":[{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"cpQpR/mWrLQYgRkN7/eKWmJjcGniyBeNitxT5bH6kyhAm5F7lgsiWjx7CzliNkc4"}},{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"pSXB6K2mEW3IpuUNsf7yvq1+raOsar2BIwqcMmpHV8A="}}]}}`,
  },
  {
    config: {},
    version: 2,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":2,"__algorithm":"aes-256-gcm","__place":"shop.public.users.a\\.b\\#c","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"Thbmg4nLnH3tjpSoLzTwN8KVpPqtMR0/KqBIC3QzNQfOdul6Nv/F9JWQlG3nLg+Y"},"profile":{"list":[{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":2,"__algorithm":"aes-256-gcm","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"buTBL0Se3RbfXZwzZWXU1tT/IlCtgTOEpudXrJzW3IcP6EvamktkZ+EJhiKOkLgP"}},{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":2,"__algorithm":"aes-256-gcm","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"E7W89veoLFD7rPJgVCO/d3sLM4jz6ggllwBLRVms5Cw="}}]}}`,
  },
  {
    config: { "algorithm": "deterministic" },
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"deterministic","__place":"shop.public.users.a\\.b\\#c","__value":"+9oxawK1V5PysZ7cNtPypZaDArI8nF0PDV/vyy4ShgkHXLu2+fEg/1TEhRPYdkbZ"},"profile":{"list":[{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"deterministic","__place":"shop.public.users.profile.list.n","__value":"791BMk1FHl9QBslMzxzzZvZCBf/v15gaVgHFyxT25umyM8js2bhyS9wz2wvOq6XX"}},{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"deterministic","__place":"shop.public.users.profile.list.n","__value":"BTSqklvn6cAIlUzMCQAgZTvda9VzGTTNI2sUOtexCPo="}}]}}`,
  },
  {
    config: { "algorithm": "chacha20-poly1305", "key_id": "k.1" },
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__v":2,"__key_id":"k.1","__key_version":1,"__algorithm":"chacha20-poly1305","__place":"shop.public.users.a\\.b\\#c","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"dwy+mWbgV1N3ouI6eY39nsWyyMMPpaOECp+eEMhDLcTSzL7scoKl9a7jZiu9kIm4"},"profile":{"list":[{"n":{"__encrypted":true,"__v":2,"__key_id":"k.1","__key_version":1,"__algorithm":"chacha20-poly1305","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"frt78Aa8WyPtGt49TKbApmF0ukckqbfhdt6Qxt9kXJINr1XuBVqiGlqPCFxK5gmH"}},{"n":{"__encrypted":true,"__v":2,"__key_id":"k.1","__key_version":1,"__algorithm":"chacha20-poly1305","__place":"shop.public.users.profile.list.n","__row":"{\"id\":9007199254740993,\"region\":\"größe#1\"}","__value":"EQ1ytB76+VAKylJHXGANm0nw9NcUVZQaKMDVJjPca+8="}}]}}`,
  },
  {
    config: { "aad": { "bind": ["column"] } },
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"...a\\.b\\#c","__value":"KMbTP6Y+PuNTT/YGABbb75yxcIlE2OubjQBBSEAVvX+SwNuR7v+w0sDePa8lHT6u"},"profile":{"list":[{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"...profile.list.n","__value":"kR/+FSYrUjlbbIT0q5FBjchRH4i7H5r7vkCLR5Wn/XKkeIWTUqWuyI/AA4QgfyLT"}},{"n":{"__encrypted":true,"__v":2,"__key_id":"default","__key_version":1,"__algorithm":"aes-256-gcm","__place":"...profile.list.n","__value":"0qlwOVJ5dUdM1hoikD2oTdAdzTw79ERzoi61HmsmOu8="}}]}}`,
  },
  {
    config: { "format": 1 },
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Aes256Gcm","__value":"Zu+MUunHxciY/ntJE3AasYkgaHu+cFArq4ifj4fXcv6+CZWlGgaotWQXqybfa8GP"},"profile":{"list":[{"n":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Aes256Gcm","__value":"BPBBraBFd+RdIVBB1ulzujT+eFrDtcNKCZjyECC8cfUJBmkHnsAoTfs4FHwG4tou"}},{"n":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Aes256Gcm","__value":"H83TChImT42GP64GcldabCdHKeyc3RsX8bh7TUnd72o="}}]}}`,
  },
  {
    config: { "format": 1, "algorithm": "deterministic" },
    version: 1,
    line: String
      .raw`{"id":9007199254740993,"region":"größe#1","a.b#c":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Deterministic","__value":"UCHKCsLkE2wURZTdyLp5ah4Yif792U9ykz4AzAZ5CS1qwHUStkAiUz5Zhq5fFDsE"},"profile":{"list":[{"n":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Deterministic","__value":"rrt54xmTZaiZSyp0fepdbbYa/5L97KAG+17DA0T/35NsEEUBvl50D234jLgB+j4X"}},{"n":{"__encrypted":true,"__key_id":"default","__key_version":1,"__algorithm":"Deterministic","__value":"iE7XVzQt6heVU6t18tCR2m9O9CaDWbGJrzmKlaAf2As="}}]}}`,
  },
] as const;

for (const { config, version, line } of WRITTEN) {
  const title = `${JSON.stringify(config)}, version ${version} of the key`;

  Deno.test(`what earlier builds encrypted opens: ${title}`, () => {
    const decrypter = createDecrypter({ keys: { default: KEYS, "k.1": KEYS } });
    assert.equal(decrypter.text(line), valueText(ROW));
  });

  Deno.test(`encrypted today it differs from that in random bytes alone: ${title}`, async () => {
    const written = {
      fields: ['"a.b#c"', "profile.list.n"],
      key_versions: { [version]: KEYS[version] },
      active_version: version,
      ...config,
    };
    const made = valueText(
      await after(
        openTransform(configOf(encryption, written), testContext()),
        record(ROWS, "insert", { after: ROW }),
      ) as Value,
    );
    const isDeterministic = "algorithm" in config && config.algorithm === "deterministic";
    const comparable = (text: string) => isDeterministic ? text : text.replaceAll(/"__value":"[^"]*"/g, "");
    assert.equal(comparable(made), comparable(line));
    const decrypter = createDecrypter({ keys: { default: KEYS, "k.1": KEYS } });
    assert.equal(decrypter.text(made), valueText(ROW));
  });
}
