/**
 * What lies in the landing prefix and is no source file, through a whole night.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { runPipeline } from "../support/task.ts";
import { createWorkspace, goldenPath, loadDimensions } from "../support/workspace.ts";

const SALE = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n" +
  "1,121,sugar,2023-03-01,1,7.00,1,7.00\n";

Deno.test("pipeline leaves alone what landing.ignore names, in every folder, and where it is", async () => {
  await using workspace = await createWorkspace({ landing: { ignore: ["*.ok", "old/**", "~$$*"] } });
  await loadDimensions(workspace, goldenPath("dimensions"));
  const names = ["a.csv", "a.csv.ok", "x/a.csv.OK", "old/x/b.csv", "x/~$c.csv", "_SUCCESS"];
  for (const name of names) {
    const path = join(workspace.store, "sales_data", name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, SALE);
  }
  const { files } = await runPipeline(workspace.config);
  const found = files.map(({ key, reason }) => [key.slice("sales_data/".length), reason]);
  assert.deepEqual(found, [["_SUCCESS", "unsupported_type"], ["a.csv", null]]);
  for (const name of names.slice(1, -1)) await Deno.stat(join(workspace.store, "sales_data", name));
});
