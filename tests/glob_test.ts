import assert from "node:assert/strict";
import { compileGlob, faultOfGlob, MAX_GLOB_CHARACTERS } from "../lib/glob.ts";

/** Patterns with names that match and names that do not. */
const PATTERNS:
  readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
    ["*.bak", ["a.bak", "x/y/a.BAK", ".bak"], ["a.bak.csv", "a.bak/b", "abak"]],
    ["_SUCCESS", ["_SUCCESS", "x/_success"], ["_SUCCESS.csv", "x_SUCCESS"]],
    ["*_$folder$", ["a_$folder$", "x/_$folder$"], ["a_$folder", "a_$folder$/b"]],
    ["a?c.csv", ["abc.csv", "x/a😀c.csv"], ["ac.csv", "abbc.csv"]],
    ["north/*.csv", ["north/a.csv", "north/.csv"], ["north/x/a.csv", "x/north/a.csv", "north/a.csv.gz"]],
    ["north/**", ["north/a.csv", "north/x/y.csv", "north/"], ["north", "northern/a.csv", "x/north/a"]],
    ["**/old/*", ["old/a", "x/old/a", "x/y/old/a"], ["cold/a", "old/a/b", "old"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab", "a/x/b/c"]],
    ["**", ["a", "x/a"], []],
    ["x**/a", ["x/a", "xy/z/a"], ["y/a", "xa"]],
    ["*", ["a", "x/a", ""], []],
    ["*/*", ["x/a"], ["a", "x/y/a"]],
    ["a.b+(c)^$", ["a.b+(c)^$"], ["aXb+(c)^$", "a.bb(c)^$"]],
    ["É*.csv", ["éa.csv"], ["ea.csv"]],
  ];

Deno.test("compileGlob() tells whether a name matches, by segments and without case", () => {
  for (const [pattern, matching, others] of PATTERNS) {
    const matches = compileGlob(pattern);
    for (const name of matching) assert.equal(matches(name), true, `${pattern} and ${name}`);
    for (const name of others) assert.equal(matches(name), false, `${pattern} and ${name}`);
  }
});

Deno.test("compileGlob() takes no exponential time, whatever the pattern is", () => {
  const name = "a".repeat(1000);
  // If it did, it would not end.
  for (const pattern of ["*a".repeat(300) + "b", "**a".repeat(200) + "/b", "**/".repeat(300) + "b"]) {
    assert.equal(compileGlob(pattern)(name), false);
    assert.equal(compileGlob(pattern)("a/".repeat(500)), false);
  }
});

Deno.test("faultOfGlob() says what is wrong with a pattern", () => {
  for (const [pattern] of PATTERNS) assert.equal(faultOfGlob(pattern), null, pattern);
  const faults: readonly (readonly [string, RegExp])[] = [
    ["", /empty/],
    ["a".repeat(MAX_GLOB_CHARACTERS + 1), /at most 1024/],
    ["[ab].csv", /"\["/],
    ["{a,b}.csv", /"\{"/],
    ["a\\*", /"\\"/],
    ["!a", /"!"/],
    ["/a", /begin with "\/"/],
    ["a/", /"a\/\*\*" is what/],
  ];
  for (const [pattern, fault] of faults) assert.match(faultOfGlob(pattern) ?? "", fault, pattern);
});
