import assert from "node:assert/strict";
import { Scram, ScramError } from "./scram.ts";

const FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

Deno.test("SCRAM-SHA-256 gives the proof of RFC 7677's example and checks the server's", () => {
  const login = new Scram("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  assert.equal(login.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  assert.match(login.final(FIRST), /,p=dHzbZapWIk4jUhN\+Ute9ytag9zjfMHgsqmmiz7AndVQ=$/);
  login.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  assert.throws(() => login.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), ScramError);
  assert.throws(() => login.verify("e=Invalid credentials"), /Invalid credentials/);
});

Deno.test("a challenge that is not ours, or asks for too little or too much, is not answered", () => {
  const login = new Scram("user", "pencil", "abc");
  for (
    const first of [
      "r=xyz,s=AAAA,i=4096",
      "r=abc,s=AAAA,i=4096",
      "r=abcd,s=AAAA,i=1",
      "r=abcd,s=AAAA,i=99999999",
    ]
  ) {
    assert.throws(() => login.final(first), ScramError, first);
  }
});
