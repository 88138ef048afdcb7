/**
 * The queries of the marts page in the programs that analysts use: DuckDB and pandas in Python, and Spark, each as
 * it stands, on what the demo and the golden nights have made.
 *
 * Nothing is left out where a program is missing: then the tests fail, and say what to install.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { INCENTIVES, runDemo, runGoldenNights } from "../support/demo.ts";
import { parsePage } from "../support/pages.ts";
import { queriesOf, type Query } from "../support/queries.ts";
import { REPOSITORY } from "../support/task.ts";
import { type Reader, requireJava, runQueries } from "./python.ts";

const PATH = "docs/marts.md";
const LANGUAGES: Readonly<Record<Reader, string>> = {
  duckdb: "sql duckdb",
  spark: "sql spark",
  pandas: "python",
};

const queries = queriesOf(parsePage(PATH, await Deno.readTextFile(join(REPOSITORY, PATH))));

function textsIn(reader: Reader): { query: Query; text: string }[] {
  return queries.flatMap((query) => {
    const text = query.texts.get(LANGUAGES[reader]);
    return text === undefined ? [] : [{ query, text }];
  });
}

const READERS = Object.keys(LANGUAGES) as Reader[];

Deno.test("the marts page gives the results that it shows, when its queries run after the demo", async (test) => {
  await using demo = await runDemo();
  for (const reader of READERS) {
    await test.step(reader, async () => {
      if (reader === "spark") await requireJava();
      const asked = textsIn(reader);
      assert.ok(asked.length >= 7);
      const results = await runQueries(reader, asked.map(({ text }) => text), demo.folder);
      for (const [index, { query }] of asked.entries()) {
        assert.deepEqual(results[index], query.result, `line ${query.line}`);
      }
    });
  }
});

Deno.test("the marts page works out the incentives of the table, when there are ties, refunds and later nights", async (test) => {
  await using nights = await runGoldenNights();
  const [expected] = await runQueries("duckdb", [INCENTIVES], nights.folder);
  assert.ok((expected?.rows.length ?? 0) > 40);
  for (const reader of READERS) {
    await test.step(reader, async () => {
      if (reader === "spark") await requireJava();
      const { text = "" } = textsIn(reader).at(-1) ?? {};
      assert.deepEqual(await runQueries(reader, [text], nights.folder), [expected]);
    });
  }
});
