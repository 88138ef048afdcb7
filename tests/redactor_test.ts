import assert from "node:assert/strict";
import fc from "fast-check";
import { LEAST_SECRET_CHARACTERS, Redactor } from "../lib/redactor.ts";

function redactorOf(...secrets: string[]): Redactor {
  const redactor = new Redactor();
  for (const secret of secrets) redactor.add(secret);
  return redactor;
}

const SECRET = `p@ss 'w"örd\\/+&\t1`;

/** The same secret as it stands in text of all kinds. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "as it is": SECRET,
  JSON: JSON.stringify(SECRET),
  "a URL's account": `mysql://u:${encodeURIComponent(SECRET)}@h/d`,
  "a URL as a browser writes it": encodeURI(SECRET),
  "a form": new URLSearchParams({ q: SECRET }).toString(),
  SQL: `IDENTIFIED BY '${SECRET.replaceAll("'", "''")}'`,
  "MySQL's escapes": SECRET.replaceAll(/['"\\]/g, "\\$&"),
  "an HTTP header": `Basic ${new TextEncoder().encode(SECRET).toBase64()}`,
  "base64 for URLs": new TextEncoder().encode(SECRET).toBase64({ alphabet: "base64url" }),
  "a log line": SECRET.replaceAll("\t", "\\u0009"),
};

for (const [kind, text] of Object.entries(SPELLINGS)) {
  Deno.test(`redact() takes a secret out, when it is written as ${kind}`, () => {
    const redacted = redactorOf(SECRET).redact(`before ${text} after`);
    assert.match(redacted, /^before .*\[redacted\].* after$/);
    assert.ok(!redacted.includes("rd"), redacted);
  });
}

Deno.test("redact() takes out every line of a secret of several, which logs cut at line ends", () => {
  const redacted = redactorOf("first-line\r\nsecond-line\n").redact("cause: second-line, and first-line");
  assert.equal(redacted, "cause: [redacted], and [redacted]");
});

Deno.test("redact() takes out the longer secret, when another is a part of it", () => {
  assert.equal(redactorOf("canary", "canary-2").redact("canary-2 canary"), "[redacted] [redacted]");
});

Deno.test("redact() leaves text alone, when a secret is empty or too short to be told from words", () => {
  const redactor = redactorOf("", "root", "a".repeat(LEAST_SECRET_CHARACTERS - 1));
  assert.equal(redactor.redact("the root of aaaaa"), "the root of aaaaa");
});

Deno.test("redactValue() takes secrets out of strings and leaves keys and syntax, however deep", () => {
  const redactor = redactorOf("rowsRead", `": "`.padEnd(LEAST_SECRET_CHARACTERS, " "));
  const value = { rowsRead: 1, files: [{ key: "sales/rowsRead.csv", reason: null, ok: true }] };
  assert.deepEqual(redactor.redactValue(value), {
    rowsRead: 1,
    files: [{ key: "sales/[redacted].csv", reason: null, ok: true }],
  });
});

Deno.test("redact() leaves none of any secrets, wherever they stand in any text", () => {
  const secrets = fc.array(fc.string({ minLength: LEAST_SECRET_CHARACTERS, unit: "grapheme" }), {
    minLength: 1,
  });
  fc.assert(fc.property(secrets, fc.array(fc.string()), (secrets, texts) => {
    const redactor = redactorOf(...secrets);
    const text = texts.flatMap((word, i) => [word, secrets[i % secrets.length]]).join(" ") + secrets.join("");
    const redacted = redactor.redact(text);
    // What is left over of one beside [redacted] could be another by chance only where it contains that word.
    for (const secret of secrets) {
      assert.ok(
        !redacted.replaceAll("[redacted]", "\0").includes(secret),
        JSON.stringify({ secret, redacted }),
      );
    }
  }));
});
