/**
 * What a night has come to, in a form that is the same however often the run was killed on the way: run ids are
 * numbered, rows sorted, and Parquet files that lie together read as one.
 *
 * @module
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { REPORTING_TABLES } from "./datasets.ts";
import { select, sqlText, withDuckdb } from "./duckdb.ts";
import { assertSameRows, type Row } from "./rows.ts";
import { readTree, type Tree } from "./tree.ts";
import type { Workspace } from "./workspace.ts";

/** Rows by what they are: a table, an object, or the Parquet objects of a folder. */
export type Outcome = ReadonlyMap<string, readonly Row[]>;

/** What a store, a database and a work dir hold when a night is over. */
export interface NightEnd {
  /** What readers see: the two reporting tables, the ledger, and every object with its rows or bytes. */
  readonly outcome: Outcome;
  /** What is unfinished or left over, one line each. */
  readonly left: readonly string[];
}

const RUN_ID = /\d{8}T\d{6}Z-[0-9a-f]{4}/g;
/** Where objects are on the way to their places: no reader looks there. */
const ON_THE_WAY = /^(_staging|\.nightly-marts)\//;
/** What a work dir keeps between runs. */
const KEPT = ["lock", "owner", "runs"];
const PARQUET_DATASETS = [
  "accepted_sales",
  "customer_data_mart",
  "sales_data_mart",
  "sales_partitioned_data_mart",
];

/** Reads it all. No task may run meanwhile, since one process at a time can have the database open. */
export async function readNightEnd(workspace: Workspace): Promise<NightEnd> {
  const all = [...await readTree(workspace.store)];
  const tree = new Map(all.filter(([key]) => !ON_THE_WAY.test(key)));
  const { outcome, left } = await withDuckdb(workspace.database, async (connection) => ({
    outcome: await readOutcome(connection, workspace, tree),
    left: await findUnfinished(connection, tree),
  }));
  left.push(...all.filter(([key]) => ON_THE_WAY.test(key)).map(([key]) => `in the store: ${key}`));
  for (const folder of ["", "runs"]) {
    for await (const { name } of Deno.readDir(join(workspace.workDir, folder))) {
      if (folder !== "" || !KEPT.includes(name)) left.push(`in the work dir: ${join(folder, name)}`);
    }
  }
  return { outcome, left };
}

/** Fails with what is missing, too many or different. */
export function assertSameOutcome(actual: Outcome, expected: Outcome): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort(), "tables and objects");
  for (const [name, rows] of expected) assertSameRows(actual.get(name) ?? [], rows, name);
}

async function readOutcome(
  connection: DuckDBConnection,
  { store }: Workspace,
  tree: Tree,
): Promise<Outcome> {
  // Not by their ids: two that began within one second are in the order of chance there.
  const inOrder = (await select(connection, "SELECT run_id FROM pipeline_run ORDER BY token")).rows.map(
    String,
  );
  const found = new Set([...tree.keys()].flatMap((key) => key.match(RUN_ID) ?? []));
  const runIds = inOrder.filter((runId) => found.has(runId));
  const normalise = (text: string) => text.replace(RUN_ID, (id) => `RUN-${runIds.indexOf(id) + 1}`);
  const outcome = new Map<string, readonly Row[]>();
  for (const table of Object.keys(REPORTING_TABLES)) {
    outcome.set(`table ${table}`, (await select(connection, `FROM ${table}`)).rows);
  }
  const ledger = await select(connection, "SELECT * EXCLUDE (run_id) FROM source_file");
  outcome.set("table source_file", ledger.rows.map((row) => row.map((value) => value && normalise(value))));
  for (const [key, rows] of await readParquetObjects(connection, store, [...tree.keys()])) {
    const folder = normalise(key).replace(/-?\d+\.parquet$/, "");
    // accepted_sales has the source's key, which for a replayed file names runs.
    const normalised = rows.map((row) => row.map((value) => value && normalise(value)));
    outcome.set(folder, [...outcome.get(folder) ?? [], ...normalised]);
  }
  for (const [key, bytes] of tree) {
    if (key.endsWith(".parquet")) continue;
    const name = normalise(key), content = Buffer.from(bytes);
    // A record is checked against the run's objects: it holds their sizes, and two Parquet files differ in theirs.
    if (key.startsWith("_runs/")) outcome.set(name, []);
    else if (key.includes("/rejects/")) outcome.set(name, parse(content) as string[][]);
    else outcome.set(name, [[normalise(content.toString("latin1"))]]);
  }
  return outcome;
}

/** The rows of every Parquet object by its key. */
async function readParquetObjects(
  connection: DuckDBConnection,
  store: string,
  keys: readonly string[],
): Promise<[string, Row[]][]> {
  const found: [string, Row[]][] = [];
  for (const dataset of PARQUET_DATASETS) {
    const files = keys.filter((key) => key.startsWith(`${dataset}/`)).map((key) => sqlText(join(store, key)));
    if (files.length === 0) continue;
    const { rows } = await select(
      connection,
      `SELECT filename, * EXCLUDE (filename)
       FROM read_parquet([${files.join(", ")}], filename = true, hive_partitioning = false)`,
    );
    for (const [file, group] of Map.groupBy(rows, ([name]) => String(name))) {
      found.push([file.slice(store.length + 1), group.map(([, ...row]) => row)]);
    }
  }
  return found;
}

/** Moves and runs that are not over, a lease that is held, and completion records that do not fit the objects. */
async function findUnfinished(connection: DuckDBConnection, tree: Tree): Promise<string[]> {
  const column = async (sql: string) => (await select(connection, sql)).rows.map(([value]) => String(value));
  const left = [
    ...await column(
      "SELECT concat('move of ', from_key, ': ', outcome) FROM pending_move WHERE outcome IS DISTINCT FROM 'done'",
    ),
    ...await column(
      "SELECT concat('run ', run_id, ': ', state) FROM pipeline_run WHERE state IN ('open', 'committed')",
    ),
    ...await column(
      "SELECT concat('lease of ', holder) FROM pipeline_lease WHERE expires_at > make_timestamp_ms(epoch_ms(now()))",
    ),
  ];
  const published = await column("SELECT run_id FROM pipeline_run WHERE state = 'published' ORDER BY run_id");
  const recorded = [...tree.keys()].flatMap((key) => /^_runs\/(\d.*)\.json$/.exec(key)?.[1] ?? []);
  if (recorded.join() !== published.join()) left.push(`runs ${published} have the records ${recorded}`);
  const archived = new Set(await column("SELECT destination FROM source_file"));
  // What a replay has put into the landing prefix is moved on by the night that takes it.
  const taken = new Set(await column("SELECT object_key FROM source_file"));
  for (const runId of recorded) {
    const key = `_runs/${runId}.json`;
    // A replayed file's name has the ids of other runs in it too, after the one that made the object.
    const isOf = (name: string) => name.match(RUN_ID)?.[0] === runId;
    const made = [...tree].filter(([name]) => name !== key && isOf(name) && !archived.has(name));
    const record: { objects: { key: string }[] } = JSON.parse(new TextDecoder().decode(tree.get(key)));
    const objects = record.objects.filter((object) => !taken.has(object.key));
    const expected = made.map(([key, { length: sizeBytes }]) => ({ key, sizeBytes }));
    if (!isDeepStrictEqual(objects, expected)) left.push(`${key} does not list what run ${runId} has made`);
  }
  return left;
}
