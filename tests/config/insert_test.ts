import assert from "node:assert/strict";
import fc from "fast-check";
import { findValue, parseDocument } from "../../lib/config/document.ts";
import { putString } from "../../lib/config/insert.ts";

/** Where `v` is put, and what becomes of the text; `|` marks what is inserted. */
const CASES: Readonly<Record<string, readonly [path: string, expected: string]>> = {
  "nothing is there": ["a", `{| "a": "v" |}`],
  "only a comment is there": ["a", `{| "a": "v" | // c\n}`],
  "the last property has a line of its own": ["b", `{\n\t"a": 1|,| // c|\n\t"b": "v"|\n}`],
  "there is a comma too many": ["b", `{\n  "a": 1, // c|\n  "b": "v",|\n  // d\n}`],
  "the comma stands behind a comment": ["b", `{\n  "a": 1 /* c */ , /* d */|\n  "b": "v",|\n}`],
  "lines end in CRLF": ["b", `{\r\n  "a": 1|,| // c|\r\n  "b": "v"|\r\n}`],
  "all is on one line": ["b", `{ "a": 1|,| /* c */| "b": "v"| }`],
  "all is on one line, with a comma too many": ["b", `{ "a": 1 , /* c */| "b": "v",| }`],
  "the section is missing": ["s.t.b", `{\n  "a": {}|,\n  "s": { "t": { "b": "v" } }|\n}`],
  "it belongs into a section": ["s.b", `{ "s": {\n    "x": { }|,\n    "b": "v"|\n  }, // c\n  "t": 1 }`],
};

for (const [when, [path, expected]] of Object.entries(CASES)) {
  Deno.test(`putString() adds a property and moves nothing else, when ${when}`, () => {
    const before = expected.split("|").filter((_, i) => i % 2 === 0).join("");
    const document = parseDocument("/c.jsonc", before);
    assert.equal(putString(document, path.split("."), "v"), expected.replaceAll("|", ""));
  });
}

Deno.test("putString() replaces a value and leaves all else, when there is one", () => {
  const document = parseDocument("/c.jsonc", `{ "a": /* c */ "x" /* d */, "b": null }`);
  assert.equal(putString(document, ["a"], 'v"'), `{ "a": /* c */ "v\\"" /* d */, "b": null }`);
  assert.equal(putString(document, ["b"], "v"), `{ "a": /* c */ "x" /* d */, "b": "v" }`);
});

Deno.test("putString() gives null, when something on the way or in its place is no single value", () => {
  const document = parseDocument("/c.jsonc", `{ "a": "x", "b": [1], "c": {} }`);
  for (const path of ["a.x", "a.x.y", "b.0", "b.x", "b", "c"]) {
    assert.equal(putString(document, path.split("."), "v"), null, path);
  }
});

/** JSONC texts of nested objects, with comments and blanks wherever they may be. */
const gap = fc.constantFrom("", " ", "\n", "\r\n  ", " // c, }\n", "/* } , */", " /* c\n */ ", "\t");
const key = fc.constantFrom("a", "b", "c");
const { text } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("1", '"x"', "null", "[ 1, ]", '"// no"'),
    fc.tuple(
      fc.uniqueArray(fc.tuple(key, tie("text"), gap, gap), { selector: ([name]) => name }),
      gap,
      fc.boolean(),
    )
      .map(([entries, inner, trailing]) => {
        const properties = entries.map(([name, value, before, after]) =>
          `${before}"${name}":${before}${value}${after}`
        );
        return `{${properties.join(",")}${trailing && properties.length > 0 ? "," : ""}${inner}}`;
      }),
  ),
}));

Deno.test("putString() gives a file that has the value and everything that was there, whatever the file", () => {
  const path = fc.array(key, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(text.filter((made) => made.startsWith("{")), gap, path, (made, around, path) => {
      const document = parseDocument("/c.jsonc", around + made + around);
      const changed = putString(document, path, "v");
      if (changed === null) return;
      assert.equal(findValue(parseDocument("/c.jsonc", changed), path)?.value, "v", changed);
      const replaced = findValue(document, path);
      if (replaced) return;
      // Without what was inserted, at one or two places, it is the file as it was.
      let [i, j] = [0, 0];
      while (i < document.text.length && j < changed.length) document.text[i] === changed[j++] && i++;
      assert.equal(i, document.text.length, `${document.text}\n${changed}`);
      const comments = (whole: string) => whole.match(/\/\/ c, \}|\/\*[^]*?\*\//g) ?? [];
      assert.deepEqual(comments(changed), comments(document.text));
    }),
    { numRuns: 2000 },
  );
});
