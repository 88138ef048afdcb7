/**
 * Files through the real stages download and validate, each a process of its own, and what these made of them.
 *
 * Nothing of the product is imported: the run's manifest, the accepted Parquet and the CSVs of rejected rows are read
 * from outside.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import { parse as parseJsonc } from "jsonc-parser";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { select, sqlText, withDuckdb } from "../support/duckdb.ts";
import type { Row } from "../support/rows.ts";
import type { SourceEntry } from "./sender.ts";
import { REPOSITORY, runTask, type TaskResult } from "../support/task.ts";
import { createWorkspace, type Workspace } from "../support/workspace.ts";
import { createDimensions } from "./dimensions.ts";

/** Parts of the configuration that differ from the defaults. */
export interface Settings {
  readonly contract?: Readonly<Record<string, unknown>>;
  readonly csv?: Readonly<Record<string, unknown>>;
  /** Of the dataset sales, in the model; none if they are left out. */
  readonly sources?: readonly SourceEntry[];
}

/** A rejected row. */
export interface Reject {
  readonly line: number;
  readonly reason: string;
  /** Empty where the reason is about no column. */
  readonly column: string;
  readonly raw: string;
  /** In words; only its beginning is promised, and that for `rule` alone. */
  readonly detail: string;
}

/** What became of a file. */
export interface Fate {
  readonly status: string;
  readonly reason: string | null;
  /** Of a missing_columns or duplicate_column file. */
  readonly columns?: readonly string[];
  /** Of a malformed_csv file. */
  readonly line?: number;
  readonly rowsRead: number;
  readonly rowsAccepted: number;
  readonly rowsRejected: number;
  readonly warnings: Readonly<Record<string, number>>;
  /** In the order of the CSV. */
  readonly rejects: readonly Reject[];
  /** Values in contract order, then additional_column; in any order of rows. */
  readonly accepted: readonly Row[];
}

/** Long ago, so that the store need not suspect that a file still grows. */
const DELIVERED = new Date("2023-06-01T02:00:00Z");
const LANDING = "sales_data/";

/** A stage that ended with an exit code of its own, other than 0. */
export class StageError extends Error {
  readonly exitCode: number;

  constructor({ code, text }: TaskResult) {
    super(text);
    this.exitCode = code;
  }
}

/** A delivery that cannot even be compared as a difference: a stage failed, or what it left cannot be read. */
export function differenceOf(error: unknown): string {
  if (error instanceof StageError || error instanceof assert.AssertionError) return error.message;
  throw error;
}

/** Exit codes from here on are the product's (sysexits.h); 1 is Deno's, where a script cannot be run at all. */
const LEAST_OWN_EXIT_CODE = 64;

/**
 * Delivers files to a fresh store, runs download and validate, and reads what became of each, by name.
 *
 * @param files Bytes by name, which is the key below the landing prefix.
 * @throws {StageError} where a stage fails.
 * @throws {assert.AssertionError} where what it left cannot be read as promised.
 */
export async function deliverAndValidate(
  files: ReadonlyMap<string, Uint8Array>,
  settings: Settings,
): Promise<Map<string, Fate>> {
  await using workspace = await openDelivery(files, settings);
  await pass(runTask("download", ["--config", workspace.config]));
  await pass(runTask("validate", ["--work-dir", workspace.workDir]));
  return await readFates(workspace);
}

/** A workspace with dimensions, where the files wait in the landing prefix. */
async function openDelivery(
  files: ReadonlyMap<string, Uint8Array>,
  settings: Settings,
): Promise<Workspace> {
  const { sources, ...others } = settings;
  const workspace = await createWorkspace({
    ...others,
    ...sources ? { model: "model.jsonc" } : {},
    resources: { memoryLimit: "2GiB", threads: 2 },
  });
  if (sources) await Deno.writeTextFile(join(workspace.folder, "model.jsonc"), await modelWith(sources));
  await createDimensions(workspace.database);
  for (const [name, bytes] of files) {
    const target = join(workspace.store, LANDING + name);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, bytes);
    await Deno.utime(target, DELIVERED, DELIVERED);
  }
  return workspace;
}

/** The shipped model with sources of sales. */
async function modelWith(sources: readonly SourceEntry[]): Promise<string> {
  const folder = join(REPOSITORY, "config");
  const model = parseJsonc(await Deno.readTextFile(join(folder, "model.jsonc")));
  model.datasets.sales.sources = sources;
  for (const mart of Object.values<{ sql: string }>(model.marts)) mart.sql = join(folder, mart.sql);
  return JSON.stringify(model);
}

async function pass(running: Promise<TaskResult>): Promise<void> {
  const result = await running;
  if (result.code >= LEAST_OWN_EXIT_CODE) throw new StageError(result);
  if (result.code !== 0) throw new Error(result.text);
}

/** What validate noted of a file, as far as it is read here. */
interface NotedFile extends Omit<Fate, "rejects" | "accepted"> {
  readonly key: string;
  /** Why it was not accepted, in words. */
  readonly detail: string | null;
  readonly rejectsFile: string | null;
}

async function readFates({ workDir }: Workspace): Promise<Map<string, Fate>> {
  const runs = join(workDir, "runs");
  const [run] = await Array.fromAsync(Deno.readDir(runs));
  const runFolder = join(runs, run?.name ?? "");
  const manifest = JSON.parse(await Deno.readTextFile(join(runFolder, "manifest.json")));
  const accepted = await readAccepted(
    (manifest.accepted.sales?.files ?? []).map((file: string) => join(runFolder, file)),
  );
  const fates = new Map<string, Fate>();
  for (const noted of manifest.files as NotedFile[]) {
    const { key, status, reason, columns, line, rowsRead, rowsAccepted, rowsRejected, warnings } = noted;
    assert.equal(noted.detail === null, status === "accepted", `${key}: the detail is ${noted.detail}`);
    fates.set(key.slice(LANDING.length), {
      status,
      reason,
      ...(columns ? { columns } : {}),
      ...(line === undefined ? {} : { line }),
      rowsRead,
      rowsAccepted,
      rowsRejected,
      warnings,
      rejects: noted.rejectsFile === null ? [] : await readRejects(join(runFolder, noted.rejectsFile)),
      accepted: accepted.get(key) ?? [],
    });
    accepted.delete(key);
  }
  assert.deepEqual([...accepted.keys()], [], "accepted rows of files that are not in the manifest");
  return fates;
}

/** Accepted rows by key, values as DuckDB prints them. */
async function readAccepted(files: readonly string[]): Promise<Map<string, Row[]>> {
  if (files.length === 0) return new Map();
  const source = `read_parquet([${files.map(sqlText).join(", ")}], hive_partitioning = false)`;
  return await withDuckdb(":memory:", async (connection) => {
    // The driver drops a U+FEFF at the beginning of a text, so that no text may begin with one.
    const { rows } = await select(connection, `SELECT '_' || CAST(COLUMNS(*) AS VARCHAR) FROM ${source}`);
    const values = rows.map((row) => row.map((value) => value?.slice(1) ?? null));
    const byKey = Map.groupBy(values, (row) => String(row.at(-1)));
    return new Map([...byKey].map(([key, found]) => [key, found.map((row) => row.slice(0, -1))]));
  });
}

/** Reads the CSV of a file's rejected rows, and takes off what keeps a spreadsheet from running them. */
async function readRejects(path: string): Promise<Reject[]> {
  const bytes = Buffer.from(await Deno.readFile(path));
  // Readers may take a lone CR for a line end, so that one in raw text has to be in quotes.
  const [header, ...rows]: string[][] = parse(bytes, { record_delimiter: ["\r\n", "\n", "\r"] });
  assert.deepEqual(header, ["line", "reason", "column", "detail", "raw"]);
  return rows.map(([line = "", reason = "", column = "", detail = "", raw = ""]) => {
    assert.doesNotMatch(raw, /^[=+\-@\t\r]/, "a spreadsheet would run it");
    return { line: Number(line), reason, column, raw: raw.replace(/^'/, ""), detail };
  });
}
