import assert from "node:assert/strict";
import { join } from "node:path";
import { removeAtEnd } from "../support/ending.ts";
import { sqlText, withDuckdb } from "../support/duckdb.ts";
import { REPOSITORY } from "../support/task.ts";
import { compareOutputs, type Comparison, type Output } from "./compare.ts";
import { generateDelivery, generateDimensions } from "./generate.ts";

/** Makes the bare script's output of a small, partly faulty delivery. */
async function makeOutput(folder: string): Promise<Output> {
  const output = { database: join(folder, "warehouse.duckdb"), store: join(folder, "store") };
  const chain = { customers: 50, stores: 2, rowCount: 200, rejectShare: 0.1 };
  await Deno.mkdir(output.store, { recursive: true });
  await generateDimensions(output.database, chain);
  await generateDelivery(join(output.store, "sales_data"), chain);
  const permissions = [
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-ffi=./node_modules",
  ];
  const args = ["--store", output.store, "--database", output.database, "--memory-limit", "1GiB", "--faulty"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, "tests/bench/bare.ts", ...args],
    cwd: REPOSITORY,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return output;
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    await (entry.isDirectory ? copyFolder(source, target) : Deno.copyFile(source, target));
  }
}

/** A change that the pipeline's output might have, by the name of what then differs, with what is said of it. */
const CHANGES: readonly { name: string; change: (output: Output) => Promise<void>; says: RegExp }[] = [
  {
    name: "customers_data_mart",
    change: ({ database }) =>
      withDuckdb(database, async (connection) => {
        await connection.run(
          "UPDATE customers_data_mart SET total_sales = total_sales + 0.01 WHERE customer_id = 7",
        );
      }),
    says: /^(\d) rows that the bare script does not have, \1 rows missing$/,
  },
  {
    name: "sales_team_data_mart",
    change: ({ database }) =>
      withDuckdb(database, async (connection) => {
        await connection.run("INSERT INTO sales_team_data_mart FROM sales_team_data_mart LIMIT 1");
      }),
    says: /^1 rows that the bare script does not have, 0 rows missing$/,
  },
  {
    name: "customer_data_mart",
    change: ({ store }) =>
      rewrite(join(store, "customer_data_mart/part.parquet"), "* REPLACE ('x' AS pincode)"),
    says: /^sum of hashes \d+ instead of \d+$/,
  },
  {
    name: "accepted_sales",
    change: ({ store }) =>
      rewrite(join(store, "accepted_sales/part.parquet"), "* REPLACE (total_cost + 1 AS total_cost)"),
    says: /^total_cost [\d.]+ instead of [\d.]+, sum of hashes/,
  },
  {
    name: "sales_partitioned_data_mart",
    change: ({ store }) =>
      Deno.remove(join(store, "sales_partitioned_data_mart/sales_month=2023-03"), { recursive: true }),
    says: /^rows \d+ instead of 180, total_cost/,
  },
];

function rewrite(file: string, columns: string): Promise<void> {
  return withDuckdb(":memory:", async (connection) => {
    await connection.run(`CREATE TABLE rewritten AS SELECT ${columns} FROM ${sqlText(file)}`);
    await connection.run(`COPY rewritten TO ${sqlText(file)}`);
  });
}

Deno.test("compareOutputs() names what differs, when something does", async (test) => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "bare"));
    const bare = await makeOutput(join(folder, "bare"));
    const compareWith = (output: Output) => compareOutputs(output, bare, join(folder, "spill"));
    const different = (comparisons: readonly Comparison[]) =>
      comparisons.flatMap(({ name, difference }) => difference === null ? [] : [[name, difference] as const]);

    await test.step("nothing", async () => {
      await copyFolder(join(folder, "bare"), join(folder, "same"));
      const same = { database: join(folder, "same/warehouse.duckdb"), store: join(folder, "same/store") };
      const comparisons = await compareWith(same);
      assert.deepEqual(different(comparisons), []);
      assert.deepEqual(comparisons.slice(2).map(({ rowCount }) => rowCount), [180, 180, 180, 180]);
    });
    for (const { name, change, says } of CHANGES) {
      await test.step(name, async () => {
        await copyFolder(join(folder, "bare"), join(folder, name));
        const changed = {
          database: join(folder, name, "warehouse.duckdb"),
          store: join(folder, name, "store"),
        };
        await change(changed);
        const [found, ...others] = different(await compareWith(changed));
        assert.equal(found?.[0], name);
        assert.match(found[1], says);
        assert.deepEqual(others, []);
      });
    }
  } finally {
    await removeAtEnd(folder);
  }
});
