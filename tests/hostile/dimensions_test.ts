/**
 * Whoever can write into a dimension table must not reach further than the marts, and nobody who reads a log may read a
 * customer's name in it.
 *
 * MySQL's side of this, the exact way of such texts into a snapshot and into the tables, is in
 * `tests/integration/mysql_database_test.ts`.
 *
 * @module
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import assert from "node:assert/strict";
import { join } from "node:path";
import { DIMENSION_TABLES, REPORTING_TABLES } from "../support/datasets.ts";
import { dumpDatabase, readParquet, readTable, withDuckdb } from "../support/duckdb.ts";
import { assertSameRows, type Row } from "../support/rows.ts";
import { parseSummary, runTask } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace, type Workspace } from "../support/workspace.ts";

/** In every personal text, so that it can be looked for. */
const CANARY = "CANARY";

/** Texts that a careless program would run, fill in, follow, decrypt, cut off or hide. */
const TEXTS: readonly string[] = [
  `${CANARY}'); DROP TABLE customers_data_mart; --`,
  `${CANARY}" UNION SELECT * FROM pipeline_lease; /*`,
  `$1 $2 ? :name ${CANARY}`,
  `{placeholder} {key} %s ${CANARY}`,
  `\${HOME} $$ \${file:/etc/passwd} ${CANARY}`,
  `enc:v1:${CANARY}`,
  `=cmd|' /C ${CANARY}'!A0`,
  `@${CANARY}`,
  `../../${CANARY}`,
  `/${CANARY}/*`,
  `${CANARY}\nERROR a forged line\r\nof the log`,
  `${CANARY}\x01\x07\x1b[31m\x7f\x85\u2028\u202e`,
  ` \t${CANARY}\\N "quoted", 'too' `,
  `é ${CANARY} \ufeff😀\u0301`,
  "NULL",
  "[redacted]",
  CANARY + "x".repeat(1_000_000),
];

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";

/** Makes the dimension tables with these texts in every text column of the rows 1, 2, … */
async function fillDimensions({ database }: Workspace, texts: readonly string[]): Promise<void> {
  await withDuckdb(database, async (connection) => {
    for (const [table, columns] of Object.entries(DIMENSION_TABLES)) {
      await connection.run(`CREATE TABLE ${table} (${columns.join(", ")})`);
      for (const [i, text] of texts.entries()) await insert(connection, table, columns, i + 1, text);
    }
  });
}

async function insert(
  connection: DuckDBConnection,
  table: string,
  columns: readonly string[],
  id: number,
  text: string,
): Promise<void> {
  const values = columns.map((column) =>
    column.endsWith(" VARCHAR") ? "$1" : column.endsWith(" BIGINT") ? id : "NULL"
  );
  await connection.run(`INSERT INTO ${table} VALUES (${values.join(", ")})`, [text]);
}

/** Delivers a sale of 1.00 for each of the dimensions' rows, with the texts as names of products. */
async function deliverSales(
  { store }: Workspace,
  texts: readonly string[],
  ids: readonly number[],
): Promise<void> {
  const rows = ids.map((id) =>
    `${id},${id},"${texts[id - 1]?.replaceAll('"', '""')}",2023-03-01,${id},1.00,1,1.00`
  );
  await Deno.mkdir(join(store, "sales_data"), { recursive: true });
  // Rows of each reason for which a row is rejected, with the canary in them.
  const faulty = [
    `1,1,${CANARY}`,
    `,1,${CANARY},2023-03-01,1,1.00,1,1.00`,
    `1,1,${CANARY},${CANARY},1,1.00,1,1.00`,
    `1,1,${CANARY},2023-03-01,1,1.00,-1,1.00`,
    `9999,1,${CANARY},2023-03-01,1,1.00,1,1.00`,
  ];
  await Deno.writeTextFile(join(store, "sales_data/sales.csv"), [HEADER, ...rows, ...faulty, ""].join("\n"));
}

/** Rows of all Parquet objects below a prefix. */
async function readMart({ store }: Workspace, prefix: string): Promise<readonly Row[]> {
  const names = await listFiles(join(store, prefix));
  return (await readParquet(names.map((name) => join(store, prefix, name)))).rows;
}

Deno.test("pipeline takes texts of dimensions and rows for nothing but texts, and shows none of them, when they are hostile", async (test) => {
  await using workspace = await createWorkspace({ contract: { minRejectsForShare: 1000 } });
  // A NUL would end the text in many a library; a source file with one may be rejected.
  const texts = [...TEXTS, `${CANARY}\0after it`];
  await fillDimensions(workspace, texts);
  const inFiles = TEXTS.map((_, i) => i + 1);
  await deliverSales(workspace, texts, inFiles);
  const before = await dumpDatabase(workspace.database);
  const around = (await listFiles(workspace.folder)).filter((name) => !name.startsWith("store/"));

  const flags = ["--config", workspace.config, "--log-level", "debug"];
  const dry = await runTask("pipeline", [...flags, "--dry-run"]);
  assert.equal(dry.code, 0, dry.text.slice(0, 5000));
  const result = await runTask("pipeline", [...flags, "--json"]);
  assert.equal(result.code, 0, result.text.slice(0, 5000));
  const { files } = parseSummary(result);
  const count = texts.length - 1;

  await test.step("the sales are accepted and their products known", () => {
    const [file] = files;
    assert.deepEqual([file?.rowsAccepted, file?.rowsRejected, file?.warnings], [count, 5, {}]);
  });

  const text = (id: number) => texts[id - 1] ?? null, twice = (id: number) => `${text(id)} ${text(id)}`;
  const rows = (row: (id: number) => Row) => inFiles.map(row);
  const day = "2023-03-01", month = "2023-03";
  const expected: Readonly<Record<string, Row[]>> = {
    accepted_sales: rows((id) => [
      ...[`${id}`, `${id}`, text(id), day, `${id}`, "1.00", "1", "1.00", null],
      "sales_data/sales.csv",
    ]),
    customer_data_mart: rows((id) => [`${id}`, ...Array(5).fill(text(id)), day, "1.00"]),
    sales_data_mart: rows((id) => [
      ...[`${id}`, `${id}`, text(id), text(id), text(id), `${id}`, text(id), text(id), text(id)],
      ...[day, "1.00", month],
    ]),
  };
  for (const [mart, expectedRows] of Object.entries(expected)) {
    await test.step(mart, async () => assertSameRows(await readMart(workspace, mart), expectedRows, mart));
  }
  await test.step("customers_data_mart", async () => {
    const { rows: actual } = await readTable(workspace.database, "customers_data_mart");
    assertSameRows(
      actual,
      rows((id) => [`${id}`, twice(id), text(id), text(id), month, "1.00"]),
      "customers",
    );
  });
  await test.step("sales_team_data_mart", async () => {
    const { rows: actual } = await readTable(workspace.database, "sales_team_data_mart");
    assertSameRows(actual, rows((id) => [`${id}`, `${id}`, twice(id), month, "1.00", "0.01"]), "sales team");
  });

  await test.step("nothing else has changed, in the database, the store and around them", async () => {
    const after = await dumpDatabase(workspace.database);
    const own = ["pending_move", "pipeline_lease", "pipeline_run", "pipeline_schema", "source_file"]
      .concat("replayed_file", "replayed_row");
    assert.deepEqual(
      Object.keys(after),
      [...Object.keys(DIMENSION_TABLES), ...Object.keys(REPORTING_TABLES), ...own].sort(),
    );
    for (const table of Object.keys(DIMENSION_TABLES)) {
      assert.ok(JSON.stringify(after[table]) === JSON.stringify(before[table]), table);
    }
    const { runId } = parseSummary(result);
    const places = [
      ...["accepted_sales", "customer_data_mart", "sales_data_mart"].map((mart) =>
        `${mart}/run_id=${runId}/part-0.parquet`
      ),
      ...inFiles.map((id) =>
        `sales_partitioned_data_mart/sales_month=${month}/store_id=${id}/${runId}-0.parquet`
      ),
      `sales_data_processed/${runId}/sales.csv`,
      `sales_data_error/${runId}/rejects/sales.csv.csv`,
      ...["binding", runId].map((name) => `_runs/${name}.json`),
    ];
    assert.deepEqual((await listFiles(workspace.store)).sort(), places.sort());
    const kept = ["work/lock", "work/owner"];
    const left = (await listFiles(workspace.folder)).filter((name) => !name.startsWith("store/"));
    assert.deepEqual(left.sort(), [...around, ...kept].sort());
  });

  await test.step("neither log nor summary shows a text of a row or of a dimension", async () => {
    const rejects = join(
      workspace.store,
      "sales_data_error",
      parseSummary(result).runId,
      "rejects/sales.csv.csv",
    );
    assert.ok((await Deno.readTextFile(rejects)).includes(CANARY), "there is nothing that could be shown");
    for (const shown of [dry.stdout, dry.stderr, result.stdout, result.stderr]) {
      assert.ok(shown.length > 0);
      const at = shown.indexOf(CANARY);
      assert.equal(at, -1, shown.slice(Math.max(0, at - 200), at + 50));
      assert.doesNotMatch(shown, /\[redacted\]/);
    }
  });
});
