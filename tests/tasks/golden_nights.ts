/**
 * The golden nights: everything that four nights of deliveries must have become, whoever reads it and wherever it runs.
 *
 * The pipeline runs as a process of its own, as `deno task` would start it, and is judged only by what it leaves in
 * store, database and work dir, and by what it prints.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import {
  DIMENSION_TABLES,
  PARQUET_DATASETS,
  PARTITION_COLUMNS,
  REPORTING_TABLES,
} from "../support/datasets.ts";
import { dumpDatabase, readParquet, readTable } from "../support/duckdb.ts";
import { assertSameRows, readCsv, type Row } from "../support/rows.ts";
import { runPipeline, runTask, type Summary } from "../support/task.ts";
import { assertSameTree, listFiles, readTree, type Tree } from "../support/tree.ts";
import type { Deployment } from "../support/deployment.ts";
import { goldenPath, type Workspace } from "../support/workspace.ts";

/** The stages in their order. */
const STAGES = ["download", "validate", "transform-customer", "transform-sales", "upload", "move", "cleanup"];

/** Which rule the golden rows with the reason `rule` break, by line of `row_faults.csv`. */
const BROKEN_RULES: Readonly<Record<string, string>> = {
  "54": "quantity_positive",
  "63": "price_not_negative",
};

/** One night that has run: what was there before, what it said, what is there now. */
export interface Night {
  readonly number: number;
  readonly workspace: Workspace;
  readonly summary: Summary;
  /** The store when everything was delivered and nothing had run. */
  readonly before: Tree;
  readonly after: Tree;
}

/** Registers the golden nights, run on one kind of deployment. */
export function testGoldenNights(kind: string, open: () => Promise<Deployment>): void {
  Deno.test(`${kind}: pipeline makes of the golden nights what they expect, when they run in order`, async (test) => {
    await using deployment = await open();
    await deployment.loadDimensions(goldenPath("dimensions"));
    for (const number of [1, 2, 3, 4]) {
      await deliverNight(deployment, number);
      await deployment.refresh();
      const before = await readTree(deployment.store);
      const summary = await runPipeline(deployment.config);
      await deployment.refresh();
      const night = {
        number,
        workspace: deployment,
        summary,
        before,
        after: await readTree(deployment.store),
      };
      for (const [what, check] of CHECKS) await test.step(`night ${number}: ${what}`, () => check(night));
    }
    await test.step("after night 4: there is nothing to do again", () => assertNothingToDo(deployment));
  });

  Deno.test(`${kind}: pipeline --dry-run says what the night would be and changes nothing, when a night is new or done`, async () => {
    await using deployment = await open();
    const temporary = join(deployment.folder, "tmp");
    await Deno.mkdir(temporary);
    await deployment.loadDimensions(goldenPath("dimensions"));
    for (const number of [1, 2]) {
      await deliverNight(deployment, number);
      const before = await readState(deployment);
      const dry = await runPipeline(deployment.config, ["--dry-run"], { env: { TMPDIR: temporary } });
      assert.equal(dry.dryRun, true);
      await assertSummary(dry, number);
      assertSameState(await readState(deployment), before, "after a dry run");
      assert.deepEqual(await listFiles(temporary), [], "a dry run leaves temporary files");

      // For people, so that this is seen too.
      const real = await runTask("pipeline", ["--config", deployment.config]);
      assert.equal(real.code, 0, real.text);
      assertReadable(real.stdout, dry);
      await deployment.refresh();
      await assertTables(deployment, number);
    }
    await assertNothingToDo(deployment);
  });
}

/** The summary for people names every file that was not accepted, with its reason, and counts rows. */
function assertReadable(text: string, { files, rows }: Summary): void {
  assert.throws(() => JSON.parse(text), SyntaxError);
  const lines = text.split("\n");
  for (const { key, reason } of files.filter(({ status }) => status !== "accepted")) {
    assert.ok(
      lines.some((line) => line.includes(key) && line.includes(String(reason))),
      `${key}, ${reason}:\n${text}`,
    );
  }
  const counts = text.replaceAll(",", "");
  for (const count of [rows.read, rows.accepted, rows.rejected]) {
    assert.match(counts, new RegExp(`\\b${count}\\b`));
  }
}

/** What has to hold after each night. */
export const CHECKS: readonly (readonly [string, (night: Night) => Promise<void> | void])[] = [
  ["the summary", async ({ summary, number }) => {
    await assertSummary(summary, number);
    assert.equal(summary.pendingMoves ?? 0, 0);
    assert.ok(summary.stages.every(({ durationMs }) => durationMs >= 0));
    const names = summary.stages.map(({ name }) => name);
    assert.deepEqual(names, isCommitted(summary) ? STAGES : STAGES.filter((name) => names.includes(name)));
  }],
  ["rows read are rows accepted and rows rejected", ({ summary }) => {
    for (const { key, rowsRead, rowsAccepted, rowsRejected } of summary.files) {
      assert.equal(rowsRead, rowsAccepted + rowsRejected, key);
    }
    assert.equal(summary.rows.read, summary.rows.accepted + summary.rows.rejected);
  }],
  ["the two tables", ({ workspace, number }) => assertTables(workspace, number)],
  ["the dimension tables, which are only read", async ({ workspace, number }) => {
    const tables = await dumpDatabase(workspace.database);
    for (const [table, columns] of Object.entries(DIMENSION_TABLES)) {
      const folder = goldenPath(number < 3 ? "dimensions" : "night-3/dimensions");
      assert.deepEqual(tables[table]?.columns, columns, table);
      assertSameRows(tables[table]?.rows ?? [], (await readCsv(join(folder, `${table}.csv`))).rows, table);
    }
  }],
  ["accepted_sales", (night) => assertDataset(night, "accepted_sales")],
  ["customer_data_mart", (night) => assertDataset(night, "customer_data_mart")],
  ["sales_data_mart", (night) => assertDataset(night, "sales_data_mart")],
  ["sales_partitioned_data_mart", assertPartitionedMart],
  ["rejected rows", assertRejects],
  ["reasons of rejected files", assertReasons],
  ["every object is where it belongs, with its bytes", assertObjects],
  ["the completion record", assertCompletionRecord],
  ["the work dir", async ({ workspace, summary }) => {
    const left = await listFiles(workspace.workDir);
    assert.deepEqual(
      left.filter((name) => name.includes(summary.runId) || /\.(csv|gz|parquet)$/.test(name)),
      [],
    );
  }],
];

/** Puts what a night finds into the landing prefix, and the dimensions where they are others now. */
export async function deliverNight(deployment: Deployment, number: number): Promise<void> {
  if (number === 3) await deployment.loadDimensions(goldenPath("night-3/dimensions"));
  await deployment.deliver(goldenPath(`night-${number}/landing`));
}

function expectedPath(number: number, file: string): string {
  return goldenPath(`night-${number}/expected/${file}`);
}

async function readExpectedJson(number: number, file: string) {
  return JSON.parse(await Deno.readTextFile(expectedPath(number, file)));
}

function isCommitted(summary: Summary): boolean {
  return summary.state === "committed";
}

async function assertSummary(summary: Summary, number: number): Promise<void> {
  assert.match(summary.runId, /^\d{8}T\d{6}Z-[0-9a-z]+$/);
  const { state, recovered, rows, marts } = summary;
  // Only what is promised: more fields are welcome.
  const files = summary.files.map((file) => ({
    key: file.key,
    status: file.status,
    reason: file.reason,
    rowsRead: file.rowsRead,
    rowsAccepted: file.rowsAccepted,
    rowsRejected: file.rowsRejected,
    warnings: file.warnings,
    destination: file.destination?.replace(`/${summary.runId}/`, "/RUN/") ?? null,
  }));
  assert.deepEqual({ state, recovered, files, rows, marts }, await readExpectedJson(number, "summary.json"));
}

/** The reporting tables as they stand after a night. */
export async function assertTables(workspace: Workspace, number: number): Promise<void> {
  for (const [table, columns] of Object.entries(REPORTING_TABLES)) {
    const actual = await readTable(workspace.database, table);
    assert.deepEqual(actual.columns, columns, table);
    assertSameRows(actual.rows, (await readCsv(expectedPath(number, `${table}.csv`))).rows, table);
  }
}

async function assertDataset(night: Night, dataset: keyof typeof PARQUET_DATASETS): Promise<void> {
  const { summary: { runId, rows }, workspace } = night;
  const keys = newKeys(night).filter((key) => key.startsWith(`${dataset}/`));
  for (const key of keys) assert.match(key, new RegExp(`^${dataset}/run_id=${runId}/part-\\d+\\.parquet$`));
  const expected = await readCsv(expectedPath(night.number, `${dataset}.csv`));
  assert.equal(keys.length > 0, rows.accepted > 0, "there are objects where there are rows");
  if (keys.length === 0) return assert.deepEqual(expected.rows, []);
  const actual = await readParquet(keys.map((key) => join(workspace.store, key)));
  assert.deepEqual(actual.columns, PARQUET_DATASETS[dataset]);
  assert.deepEqual(actual.columns.map((column) => column.split(" ")[0]), expected.header);
  assertSameRows(actual.rows, expected.rows, dataset);
}

async function assertPartitionedMart(night: Night): Promise<void> {
  const { summary: { runId, rows }, workspace } = night;
  const keys = newKeys(night).filter((key) => key.startsWith("sales_partitioned_data_mart/"));
  const form = new RegExp(
    `^sales_partitioned_data_mart/sales_month=\\d{4}-\\d{2}/store_id=\\d+/${runId}-\\d+\\.parquet$`,
  );
  for (const key of keys) assert.match(key, form);
  assert.equal(keys.length > 0, rows.accepted > 0, "there are objects where there are rows");
  if (keys.length === 0) return;

  const flat = PARQUET_DATASETS.sales_data_mart;
  const inPath = new Set<string>(PARTITION_COLUMNS);
  const inFiles = flat.filter((column) => !inPath.has(column));
  const files = keys.map((key) => join(workspace.store, key));
  assert.deepEqual((await readParquet(files)).columns, inFiles);
  const actual = await readParquet(files, PARTITION_COLUMNS);
  const order = flat.map((column) => actual.columns.indexOf(column));
  const expected = await readCsv(expectedPath(night.number, "sales_data_mart.csv"));
  assertSameRows(
    actual.rows.map((row) => order.map((i) => row[i] ?? null)),
    expected.rows,
    "partitioned mart",
  );
}

async function assertRejects(night: Night): Promise<void> {
  const folder = `sales_data_error/${night.summary.runId}/rejects/`;
  const actual: Row[] = [];
  for (const key of [...night.after.keys()].filter((key) => key.startsWith(folder))) {
    const bytes = Buffer.from(night.after.get(key) ?? []);
    assert.match(bytes.toString(), /^line,reason,column,detail,raw\r?\n/, key);
    const [, ...rows] = parse(bytes) as string[][];
    const source = `sales_data/${key.slice(folder.length).replace(/\.csv$/, "")}`;
    for (const [line = "", reason = "", column = "", detail = "", raw = ""] of rows) {
      assert.notEqual(detail, "", `detail of line ${line} of ${key}`);
      if (reason === "rule") {
        assert.ok(detail.startsWith(BROKEN_RULES[line] ?? "no such line"), `${line}: ${detail}`);
      }
      actual.push([source, line, reason, column || null, raw]);
    }
  }
  const expected = await readCsv(expectedPath(night.number, "rejects.csv"));
  assert.deepEqual(expected.header, ["key", "line", "reason", "column", "raw"]);
  assertSameRows(actual, expected.rows, "rejects");
}

async function assertReasons(night: Night): Promise<void> {
  const folder = `sales_data_error/${night.summary.runId}/reasons/`;
  const actual = [...night.after].filter(([key]) => key.startsWith(folder)).map(([name, bytes]) => {
    const said = JSON.parse(new TextDecoder().decode(bytes));
    assert.equal(name, `${folder}${said.key.replace(/^sales_data\//, "")}.json`);
    assert.ok(typeof said.detail === "string" && said.detail !== "", `detail in ${name}`);
    return {
      key: said.key,
      reason: said.reason,
      ...("columns" in said ? { columns: said.columns } : {}),
      ...("line" in said ? { line: said.line } : {}),
    };
  });
  assert.deepEqual(actual, await readExpectedJson(night.number, "reasons.json"));
}

/** Nothing is lost, left over, doubled or overwritten: the store's whole listing is accounted for. */
async function assertObjects(night: Night): Promise<void> {
  const { summary, before, after, number } = night;
  const taken = summary.files.map(({ key }) => key);
  assert.deepEqual(
    [...before.keys()].filter((key) => !after.has(key)),
    taken,
    "what left the landing prefix",
  );
  const kept = new Map([...before].filter(([key]) => !taken.includes(key)));
  assertSameTree(
    new Map([...after].filter(([key]) => kept.has(key))),
    kept,
    "what was there before and stays",
  );

  for (const { key, destination } of summary.files) {
    const found = after.get(destination ?? ""), delivered = before.get(key);
    assert.ok(found && delivered, `${key} is not at ${destination}`);
    assert.ok(Buffer.from(delivered).equals(found), `${destination} has other bytes than were delivered`);
  }

  const rejects = (await readCsv(expectedPath(number, "rejects.csv"))).rows;
  const error = `sales_data_error/${summary.runId}`;
  const withRejects = [...new Set(rejects.map(([key]) => String(key)))];
  const rejected = summary.files.filter(({ status }) => status === "rejected").map(({ key }) => key);
  const expected = [
    ...summary.files.map(({ destination }) => destination),
    ...withRejects.map((key) => `${error}/rejects/${nameOf(key)}.csv`),
    ...rejected.map((key) => `${error}/reasons/${nameOf(key)}.json`),
    ...(isCommitted(summary) ? [`_runs/${summary.runId}.json`] : []),
    ...(number === 1 ? ["_runs/binding.json"] : []),
  ];
  const marts = /^(accepted_sales|customer_data_mart|sales_data_mart|sales_partitioned_data_mart)\//;
  assert.deepEqual(newKeys(night).filter((key) => !marts.test(key)), expected.sort());
}

/** The record of a committed run lists all that it made, and nothing else; source files are only moved, not made. */
function assertCompletionRecord(night: Night): void {
  const { summary, after } = night;
  const bytes = after.get(`_runs/${summary.runId}.json`);
  assert.equal(bytes !== undefined, isCommitted(summary));
  if (!bytes) return;
  const record = JSON.parse(new TextDecoder().decode(bytes));
  assert.equal(record.runId, summary.runId);
  const destinations = new Set(summary.files.map(({ destination }) => destination));
  const published = newKeys(night)
    .filter((key) => !destinations.has(key) && !key.startsWith("_runs/"));
  assert.deepEqual(
    record.objects,
    published.map((key) => ({ key, sizeBytes: after.get(key)?.length })),
  );
}

function newKeys({ before, after }: Night): string[] {
  return [...after.keys()].filter((key) => !before.has(key)).sort();
}

/** A key below the source prefix. */
function nameOf(key: string): string {
  return key.slice("sales_data/".length);
}

/** Runs the pipeline once more, which must change neither the store nor the two tables. */
async function assertNothingToDo(deployment: Deployment): Promise<void> {
  const before = await readState(deployment);
  const summary = await runPipeline(deployment.config);
  await deployment.refresh();
  assert.equal(summary.state, "nothing-to-do");
  assert.deepEqual(summary.files, []);
  assertSameTree(await readTree(deployment.store), before.store, "the store");
  for (const table of Object.keys(REPORTING_TABLES)) {
    assertSameRows(
      (await readTable(deployment.database, table)).rows,
      before.tables[table]?.rows ?? [],
      table,
    );
  }
}

/** All that a run may change. */
async function readState(deployment: Deployment) {
  await deployment.refresh();
  return {
    store: await readTree(deployment.store),
    work: await readTree(deployment.workDir),
    tables: await dumpDatabase(deployment.database),
  };
}

function assertSameState(
  actual: Awaited<ReturnType<typeof readState>>,
  expected: Awaited<ReturnType<typeof readState>>,
  what: string,
): void {
  assertSameTree(actual.store, expected.store, `the store ${what}`);
  assertSameTree(actual.work, expected.work, `the work dir ${what}`);
  assert.deepEqual(Object.keys(actual.tables), Object.keys(expected.tables), `the tables ${what}`);
  for (const [table, { rows }] of Object.entries(expected.tables)) {
    assertSameRows(actual.tables[table]?.rows ?? [], rows, `${table} ${what}`);
  }
}
