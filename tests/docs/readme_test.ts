/**
 * What the README shows of the demo is what the demo prints.
 *
 * @module
 */
import assert from "node:assert/strict";
import { runDemo } from "../support/demo.ts";
import { readPages } from "../support/pages.ts";

const RUN_ID = /\d{8}T\d{6}Z-[0-9a-f]{4}/g;
/** Stands for lines that are left out. */
const LEFT_OUT = "…";

/** The first shown line that is not printed, in this order; `null` if all are. */
function findUnprinted(shown: string, printed: string): string | null {
  const normal = (text: string) => text.replaceAll(RUN_ID, "RUN").trimEnd().split("\n");
  const lines = normal(printed);
  let next = 0, maySkip = false;
  for (const line of normal(shown)) {
    if (line === LEFT_OUT) {
      maySkip = true;
      continue;
    }
    const found = maySkip ? lines.indexOf(line, next) : lines[next] === line ? next : -1;
    if (found < 0) return line;
    next = found + 1;
    maySkip = false;
  }
  return null;
}

Deno.test("README.md shows what the demo prints", async () => {
  const readme = (await readPages()).find(({ path }) => path === "README.md");
  const shown = readme?.blocks.find(({ text }) => text.startsWith("Run ") && text.includes(": committed"));
  assert.ok(shown, "the output was not found");
  await using demo = await runDemo();
  assert.equal(findUnprinted(shown.text, demo.stdout), null);
});

Deno.test("findUnprinted() gives the first line that is other, missing, or not right behind the one before", () => {
  const printed = "Run 20230401T020000Z-7f3a: committed\n\na 1\nb 2\nc 3\n";
  assert.equal(findUnprinted("Run 20990101T000000Z-0000: committed\n…\nb 2\nc 3\n", printed), null);
  assert.equal(findUnprinted("Run 20990101T000000Z-0000: failed\n", printed), "Run RUN: failed");
  assert.equal(findUnprinted("…\na 1\nc 3\n", printed), "c 3");
  assert.equal(findUnprinted("…\nc 3\n…\na 1\n", printed), "a 1");
});
