import assert from "node:assert/strict";
import { patternTest, streamMatcher } from "./stream_pattern.ts";

const orders = { name: "orders", namespace: "public", database: "shop" };

Deno.test("a stream is selected by its name with as much in front as people write", () => {
  for (
    const pattern of [
      "orders",
      "public.orders",
      "shop.public.orders",
      "public.*",
      "*",
      "*.ord?rs",
      "/.*\\.orders/",
    ]
  ) {
    assert.equal(streamMatcher([pattern])(orders), true, pattern);
  }
  for (const pattern of ["order", "Orders", "shop.orders", "public", "?rders.", "/orders2/", "/order/", ""]) {
    assert.equal(streamMatcher([pattern])(orders), false, pattern);
  }
  assert.equal(streamMatcher(["customers", "orders"])(orders), true);
  assert.equal(streamMatcher([])(orders), false);
  assert.equal(streamMatcher(["topic"])({ name: "topic" }), true);
});

Deno.test("characters that mean something in regular expressions mean themselves in patterns", () => {
  for (const name of ["a.b", "a+b", "(a)", "a|b", "a$", "[a]", "a\\b", "a{1}", "a^b"]) {
    assert.equal(patternTest(name)(name), true);
    assert.equal(patternTest(`${name}*`)(`${name}xyz`), true);
    assert.equal(patternTest(`${name}*`)(`x${name}`), false);
  }
  assert.equal(patternTest("a.b*")("axb"), false);
  assert.equal(patternTest("a?c")("a𝄞c"), true);
});

Deno.test("a regular expression matches whole names, and one that is none is an error", () => {
  assert.equal(patternTest("/a|ab/")("ab"), true);
  assert.equal(patternTest("/a|b/")("ab"), false);
  assert.throws(() => patternTest("/(/"), SyntaxError);
  assert.throws(() => patternTest("/(a+)+/"), { name: "SyntaxError", message: /take forever/ });
  assert.equal(patternTest("/(?i)orders_[0-9]{4}/")("Orders_2026"), true);
});
