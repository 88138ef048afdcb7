/**
 * The model page leads to a mart of one's own: its query, its entry and its commands, as they stand there.
 *
 * @module
 */
import { applyEdits, modify, parse } from "jsonc-parser";
import assert from "node:assert/strict";
import { join } from "node:path";
import { sourceSchema } from "../../lib/contract/form.ts";
import { runDemo, runDemoAgain } from "../support/demo.ts";
import { type Page, readPages } from "../support/pages.ts";
import { runTask } from "../support/task.ts";

const MODEL = join("data", "demo", "model.jsonc");

/** The text of the page's first block in a language that has this text in it. */
function blockOf(page: Page | undefined, language: string, text = ""): string {
  const found = page?.blocks.find((block) => block.language === language && block.text.includes(text));
  assert.ok(found, `the page has no block of ${language}`);
  return found.text;
}

Deno.test("the model page leads to a mart of one's own, when its steps are followed on the demo's data", async () => {
  const page = (await readPages()).find(({ path }) => path === "docs/model.md");
  await using demo = await runDemo();
  const path = (name: string) => join(demo.folder, name);
  await Deno.writeTextFile(path("data/demo/product_totals.sql"), blockOf(page, "sql"));
  const marts = parse(`{ ${blockOf(page, "jsonc mart")} }`) as Record<string, unknown>;
  let model = await Deno.readTextFile(path(MODEL));
  for (const [name, mart] of Object.entries(marts)) {
    model = applyEdits(model, modify(model, ["marts", name], mart, {}));
  }
  await Deno.writeTextFile(path(MODEL), model);

  const config = path("data/demo/config.jsonc");
  const check = await runTask("config", ["check", "--config", config], { program: demo.folder });
  assert.equal(check.code, 0, check.text);
  assert.match(check.stdout, /marts: .*\bproduct_totals\b/);
  // The files are delivered as the page says; deno is run as the other tests do.
  for (
    const line of blockOf(page, "sh", "again.csv").split("\n").filter((line) => /^(cp|echo) /.test(line))
  ) {
    const { success } = await new Deno.Command("sh", { args: ["-c", line], cwd: demo.folder }).output();
    assert.ok(success, line);
  }
  const printed = await runDemoAgain(demo.folder);
  const [, shown = ""] =
    /^(product_totals: what each customer spends per product\n[^]*?)\n\n/m.exec(printed) ?? [];
  assert.deepEqual(shown.split("\n").slice(2).map((line) => line.trim().split(/\s+/)), [
    ["1", "oats", "Sample", "2.50", "1"],
    ["3", "coffee", "7.95", "1"],
    ["4", "sugar", "Sample", "12.00", "10"],
  ]);
});

Deno.test("the model page's sources are such as a model may have", async () => {
  const page = (await readPages()).find(({ path }) => path === "docs/model.md");
  const { sources } = parse(`{ ${blockOf(page, "jsonc sources")} }`) as { sources: unknown[] };
  for (const source of sources) sourceSchema.parse(source);
});
