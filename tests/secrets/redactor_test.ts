import assert from "node:assert/strict";
import fc from "fast-check";
import { LEAST_SECRET_CHARACTERS, Redactor } from "../../lib/secrets/redactor.ts";

function redactorOf(...secrets: string[]): Redactor {
  const redactor = new Redactor();
  for (const secret of secrets) redactor.add(secret);
  return redactor;
}

/** Its base64 has `+` and `/`, and both have another character in base64 for URLs. */
const SECRET = `p@ss 'w"örd\\/+&\t(1)!*>>>???`;
const BASE64 = new TextEncoder().encode(SECRET).toBase64();

/** The same secret as it stands in text of all kinds. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "as it is": SECRET,
  JSON: JSON.stringify(SECRET),
  "a URL's account": `mysql://u:${encodeURIComponent(SECRET)}@h/d`,
  "a URL as a browser writes it": encodeURI(SECRET),
  "a form": new URLSearchParams({ q: SECRET }).toString(),
  SQL: `IDENTIFIED BY '${SECRET.replaceAll("'", "''")}'`,
  "MySQL's escapes": SECRET.replaceAll(/['"\\]/g, "\\$&"),
  base64: BASE64,
  "base64 for URLs": BASE64.replaceAll("+", "-").replaceAll("/", "_"),
  "a log line": SECRET.replaceAll("\t", "\\u0009"),
  "JSON in a log line": JSON.stringify(SECRET + "\x7f").replace("\x7f", "\\u007f"),
  "the account of a parsed URL": Object.assign(new URL("http://u@h"), { password: SECRET }).href,
  "the path of a parsed URL": Object.assign(new URL("http://h"), { pathname: SECRET }).href,
  "strict RFC 3986": encodeURIComponent(SECRET).replaceAll(
    /[!'()*]/g,
    (mark) => "%" + mark.charCodeAt(0).toString(16).toUpperCase(),
  ),
  "a URL with small letters": encodeURIComponent(SECRET).toLowerCase(),
};

for (const [kind, text] of Object.entries(SPELLINGS)) {
  Deno.test(`redact() takes a secret out, when it is written as ${kind}`, () => {
    const redacted = redactorOf(SECRET, SECRET + "\x7f").redact(`before ${text} after`);
    assert.match(redacted, /^before .*\[redacted\].* after$/);
    // Nothing is left but what stood around it.
    assert.ok(redacted.length < "before  after".length + 40, redacted);
    assert.doesNotMatch(redacted, /rd|%27|>>/, redacted);
  });
}

Deno.test("redact() takes a secret out of an HTTP header, whatever account stands before it", () => {
  assert.match(BASE64, /\+.*\/|\/.*\+/);
  for (const account of ["", "u", "us", "use", "user"]) {
    for (const alphabet of ["base64", "base64url"] as const) {
      const header = new TextEncoder().encode(`${account}:${SECRET}x`).toBase64({ alphabet });
      const redacted = redactorOf(SECRET).redact(`Basic ${header}`);
      assert.match(redacted, /^Basic [A-Za-z0-9+/]{0,8}\[redacted\][A-Za-z0-9+/_-]{0,2}=*$/);
      // A text may begin within the header, right where only the secret is.
      if (account === "") assert.match(redactorOf(SECRET).redact(header.slice(2)), /^\[redacted\].{0,4}$/);
    }
  }
});

Deno.test("redact() takes out all that secrets cover together, when they overlap in the text", () => {
  const redactor = redactorOf("abcdefgh", "efghijkl", "aaaaaa");
  assert.equal(redactor.redact("<abcdefghijkl>"), "<[redacted]>");
  assert.equal(redactor.redact("<aaaaaaaaaa>"), "<[redacted]>");
});

Deno.test("redactValue() leaves words of the program's own, when a secret is one of them", () => {
  const redactor = redactorOf("committed", "database", "download");
  const value = {
    state: "committed",
    stages: [{ name: "download" }],
    fields: [{ field: "database.host", value: "database" }],
    error: { code: "database_missing", message: "no database" },
  };
  assert.deepEqual(redactor.redactValue(value), {
    ...value,
    fields: [{ field: "database.host", value: "[redacted]" }],
    error: { code: "database_missing", message: "no [redacted]" },
  });
});

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
