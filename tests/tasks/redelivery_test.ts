/**
 * A file that is delivered again under its name with other content: added, with a warning that nobody overlooks, or
 * rejected; and rejected files that are delivered again, which is how they are mended.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readTable } from "../support/duckdb.ts";
import { runPipeline, runTask, type Summary } from "../support/task.ts";
import { createWorkspace, goldenPath, loadDimensions, type Workspace } from "../support/workspace.ts";

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n";
const KEY = "sales_data/a.csv";

/** A file of sales of these prices to one customer. */
function fileOf(...prices: number[]): string {
  return HEADER + prices.map((price) => `1,121,sugar,2023-03-01,1,${price}.00,1,${price}.00\n`).join("");
}

async function createChain(redelivery?: string): Promise<Workspace> {
  const contract = redelivery === undefined ? {} : { contract: { redelivery } };
  const workspace = await createWorkspace({ resources: { threads: 1 }, ...contract });
  await loadDimensions(workspace, goldenPath("dimensions"));
  return workspace;
}

/** Delivers the file and runs a night. */
async function night(workspace: Workspace, text: string): Promise<Summary & { readonly log: string }> {
  await Deno.mkdir(join(workspace.store, "sales_data"), { recursive: true });
  await Deno.writeTextFile(join(workspace.store, KEY), text);
  const result = await runTask("pipeline", ["--config", workspace.config, "--json"]);
  assert.equal(result.code, 0, result.text);
  return { ...JSON.parse(result.stdout), log: result.stderr };
}

async function totalOf({ database }: Workspace): Promise<unknown> {
  const { rows } = await readTable(database, "(SELECT total_sales FROM customers_data_mart)");
  return rows;
}

Deno.test("pipeline adds a further version of a file and warns, when redelivery is add", async () => {
  await using workspace = await createChain();
  const first = await night(workspace, fileOf(10, 20));
  assert.equal(first.files[0]?.knownKey, undefined);
  const second = await night(workspace, fileOf(10, 20, 30));
  assert.deepEqual([second.files[0]?.status, second.files[0]?.knownKey], ["accepted", true]);
  assert.deepEqual(second.files[0]?.earlier, { runId: first.runId, rowsRead: 2, rowsAccepted: 2 });
  assert.match(
    second.log,
    /WARN.*sales_data\/a\.csv is known, with other content: it is added to the 2 rows/,
  );
  assert.deepEqual(await totalOf(workspace), [["90.00"]]);
  // The newest version with accepted rows counts.
  const third = await night(workspace, fileOf(5));
  assert.equal(third.files[0]?.earlier?.runId, second.runId);
  // The same content is a duplicate, and nothing is known of its key that matters.
  const again = await night(workspace, fileOf(10, 20));
  assert.deepEqual([again.files[0]?.status, again.files[0]?.knownKey], ["duplicate", undefined]);
  assert.deepEqual(await totalOf(workspace), [["95.00"]]);
});

Deno.test("pipeline says for people what was added to", async () => {
  await using workspace = await createChain();
  const { runId } = await night(workspace, fileOf(10));
  await Deno.writeTextFile(join(workspace.store, KEY), fileOf(11));
  const result = await runTask("pipeline", ["--config", workspace.config]);
  assert.match(result.stdout, new RegExp(`known key: added to 1 row of run ${runId}`), result.text);
});

Deno.test("pipeline rejects a further version of a file, when redelivery is reject", async () => {
  await using workspace = await createChain("reject");
  const first = await night(workspace, fileOf(10, 20));
  const second = await night(workspace, fileOf(10, 20, 30));
  const [file] = second.files;
  assert.deepEqual(
    [file?.status, file?.reason, file?.rowsRead, file?.knownKey],
    ["rejected", "known_key", 0, true],
  );
  assert.match(second.log, /WARN.*it is rejected; run .* accepted 2 rows of it/);
  assert.equal(file?.destination, `sales_data_error/${second.runId}/files/a.csv`);
  assert.equal(await Deno.readTextFile(join(workspace.store, file?.destination ?? "")), fileOf(10, 20, 30));
  const reasons = await Deno.readTextFile(
    join(workspace.store, `sales_data_error/${second.runId}/reasons/a.csv.json`),
  );
  assert.match(reasons, new RegExp(`"known_key".*${first.runId} accepted 2 rows`, "s"));
  assert.deepEqual(await totalOf(workspace), [["30.00"]]);
  // Whoever has looked at it takes it nevertheless.
  const replayed = await runTask("replay", ["--config", workspace.config, "--run", second.runId]);
  assert.equal(replayed.code, 0, replayed.text);
  const last = await runPipeline(workspace.config);
  assert.deepEqual([last.files[0]?.status, last.rows.accepted], ["accepted", 3]);
  assert.deepEqual(await totalOf(workspace), [["90.00"]]);
});

Deno.test("pipeline takes a file that was rejected whole, when it is delivered again, whatever redelivery is", async (test) => {
  for (const redelivery of ["add", "reject"]) {
    await test.step(redelivery, async () => {
      await using workspace = await createChain(redelivery);
      const bad = await night(workspace, "customer_id,store_id\n1,121\n");
      assert.equal(bad.files[0]?.reason, "missing_columns");
      const mended = await night(workspace, fileOf(10));
      assert.deepEqual([mended.files[0]?.status, mended.files[0]?.knownKey], ["accepted", undefined]);
      assert.deepEqual(await totalOf(workspace), [["10.00"]]);
    });
  }
});
