/**
 * Marts of one's own whose queries bind, but cannot be built from a night's rows, or do not give what their grain says:
 * nothing is published, the message names the mart, and it is never taken for a bug of the pipeline.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readTable, withDuckdb } from "../support/duckdb.ts";
import { parseSummary, runTask, type Summary } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace, type Workspace } from "../support/workspace.ts";

const ROWS = "1,oats,2.50\n2,milk,1.25\n3,rye,-1.00\n";
const TOTALS = "SELECT customer_id, CAST(sum(amount) AS DECIMAL(28, 2)) AS amount FROM accepted_sales";

/** A mart with its query. */
interface OwnMart {
  readonly sql: string;
  readonly partitionBy?: readonly string[];
  /** Of grain `totals`: the key of its table. */
  readonly key?: readonly string[];
  readonly add?: Readonly<Record<string, string>>;
}

function modelOf({ partitionBy, key, add = { amount: "decimal(28,2)" } }: OwnMart) {
  const mart = key
    ? { grain: "totals", table: { key, add } }
    : { grain: "row", ...partitionBy ? { partitionBy } : {} };
  return {
    dimensions: { customer: { key: "customer_id", text: ["first_name"] } },
    datasets: {
      sales: {
        source: "sales_data/",
        columns: { customer_id: "integer", product: "text", amount: "decimal(18,2)" },
        keys: { customer_id: "customer" },
        money: "amount",
      },
    },
    marts: { own: { stage: "transform-sales", from: "sales", ...mart } },
  };
}

async function createOwn(mart: OwnMart): Promise<Workspace> {
  const workspace = await createWorkspace({ model: "model.jsonc", resources: { threads: 1 } });
  await changeMart(workspace, mart);
  await withDuckdb(workspace.database, async (connection) => {
    await connection.run(
      "CREATE TABLE customer AS SELECT range AS customer_id, 'Ada' AS first_name FROM range(9)",
    );
  });
  return workspace;
}

async function changeMart({ folder }: Workspace, mart: OwnMart): Promise<void> {
  await Deno.writeTextFile(join(folder, "model.jsonc"), JSON.stringify(modelOf(mart)));
  await Deno.writeTextFile(join(folder, "own.sql"), mart.sql);
}

/** Delivers a file of these rows and runs a night. */
async function night(
  workspace: Workspace,
  rows = ROWS,
): Promise<Summary & { exitCode: number; text: string }> {
  await Deno.mkdir(join(workspace.store, "sales_data"), { recursive: true });
  const name = `${(await listFiles(workspace.store)).length}.csv`;
  await Deno.writeTextFile(join(workspace.store, "sales_data", name), `customer_id,product,amount\n${rows}`);
  const result = await runTask("pipeline", ["--config", workspace.config, "--json"]);
  return { ...parseSummary(result), exitCode: result.code, text: result.text };
}

/** Why a mart cannot be built, with what its error says. */
const CASES: readonly (OwnMart & { readonly what: string; readonly says: RegExp; readonly rows?: string })[] =
  [
    {
      what: "a value does not cast",
      sql: "SELECT amount, CAST(product AS BIGINT) AS number FROM accepted_sales",
      says: /Cannot build own: its query failed: Conversion Error/,
    },
    {
      what: "a product overflows",
      sql: "SELECT amount, customer_id * 9223372036854775807 AS number FROM accepted_sales",
      says: /Cannot build own: its query failed: Out of Range Error/,
    },
    {
      what: "a subquery has two rows",
      sql: "SELECT amount, (SELECT product FROM accepted_sales) AS product FROM accepted_sales",
      says: /Cannot build own: its query failed: Invalid Input Error/,
    },
    {
      what: "money overflows in the audit",
      sql:
        "SELECT CAST('999999999999999999999999999999999999.99' AS DECIMAL(38, 2)) AS amount FROM accepted_sales",
      says: /Cannot build own: its query failed: .*Overflow/i,
    },
    {
      what: "a partition's value is too long for a folder",
      sql: "SELECT amount, product FROM accepted_sales",
      partitionBy: ["product"],
      rows: `1,${"ü".repeat(45)},2.50\n`,
      says: /Cannot build own: a value of product, by which it is partitioned, is too long/,
    },
    {
      what: "it has no rows",
      sql: "SELECT amount, product FROM accepted_sales WHERE 1 = 0",
      says: /Cannot publish own: an audit found accepted_rows 3, mart_rows 0/,
    },
    {
      what: "its totals have no rows, and the rows have money",
      sql: `${TOTALS} GROUP BY customer_id HAVING 1 = 0`,
      key: ["customer_id"],
      says: /Cannot publish own: an audit found accepted_total 2.75, built_total 0.00/,
    },
  ];

Deno.test("pipeline publishes nothing and names the mart, when it cannot be built", async (test) => {
  for (const { what, says, rows, ...mart } of CASES) {
    await test.step(what, async () => {
      await using workspace = await createOwn(mart);
      const failed = await night(workspace, rows);
      assert.deepEqual([failed.exitCode, failed.committed], [65, false], failed.text);
      assert.match(failed.error?.message ?? "", says);
      assert.doesNotMatch(failed.text, /This is a bug|üü|%C3%BC/);
      // Once the query is right the same files are taken.
      await changeMart(workspace, { sql: "SELECT amount FROM accepted_sales" });
      const mended = await night(workspace, "4,tea,0.25\n");
      assert.deepEqual([mended.exitCode, mended.files.length], [0, 2], mended.text);
    });
  }
});

Deno.test("pipeline takes a night whose totals are 0, when their query leaves those out", async () => {
  await using workspace = await createOwn({
    sql: `${TOTALS} GROUP BY customer_id HAVING sum(amount) <> 0`,
    key: ["customer_id"],
  });
  const { exitCode, text, rows } = await night(workspace, "1,oats,5.00\n1,oats,-5.00\n2,rye,0.00\n");
  assert.deepEqual([exitCode, rows.accepted], [0, 3], text);
  const again = await night(workspace, "1,oats,5.00\n");
  assert.equal(again.exitCode, 0, again.text);
  assert.deepEqual((await readTable(workspace.database, "own")).rows, [["1", "5.00"]]);
});

Deno.test("pipeline begins at 0, when a column was added to a table", async () => {
  await using workspace = await createOwn({ sql: `${TOTALS} GROUP BY customer_id`, key: ["customer_id"] });
  assert.equal((await night(workspace)).exitCode, 0);
  await withDuckdb(workspace.database, async (connection) => {
    await connection.run("ALTER TABLE own ADD COLUMN pieces BIGINT");
  });
  await changeMart(workspace, {
    sql: `${TOTALS.replace("FROM", ", count(*) AS pieces FROM")} GROUP BY customer_id`,
    key: ["customer_id"],
    add: { amount: "decimal(28,2)", pieces: "bigint" },
  });
  const second = await night(workspace, "1,oats,7.77\n");
  assert.equal(second.exitCode, 0, second.text);
  const { rows } = await readTable(workspace.database, "(FROM own ORDER BY customer_id)");
  assert.deepEqual(rows, [["1", "10.27", "1"], ["2", "1.25", null], ["3", "-1.00", null]]);
});

Deno.test("pipeline adds nothing twice, when a table has a key twice since it is a shorter one", async () => {
  const byProduct = TOTALS.replace("customer_id", "customer_id, product");
  await using workspace = await createOwn({
    sql: `${byProduct} GROUP BY customer_id, product`,
    key: ["customer_id", "product"],
  });
  assert.equal((await night(workspace, "1,oats,2.50\n1,rye,1.11\n")).exitCode, 0);
  await changeMart(workspace, { sql: `${TOTALS} GROUP BY customer_id`, key: ["customer_id"] });
  const failed = await night(workspace, "1,rye,7.77\n");
  assert.deepEqual([failed.exitCode, failed.committed], [65, false], failed.text);
  assert.match(failed.error?.message ?? "", /own \(customer_id\)/);
  const { rows } = await readTable(workspace.database, "(FROM own ORDER BY product)");
  assert.deepEqual(rows, [["1", "oats", "2.50"], ["1", "rye", "1.11"]]);
});
