/**
 * Builds a mart or month totals from a query, and audits it.
 *
 * @module
 */
import { join } from "node:path";
import type { ComputeContext } from "./context.ts";
import { type Engine, nameWithin, type WriteTarget, type Written } from "../engine/engine.ts";
import { DataError } from "../errors.ts";
import type { Dataset, RunTotals } from "./manifest.ts";

/** A result of the run: its name, its query, and its place in the run's folder. */
export interface Build {
  /** For people; also the name of the view that the audits and later queries see. */
  readonly name: string;
  /** One SELECT over the named inputs. */
  readonly sql: string;
  /** Within the run's folder. */
  readonly folder: string;
  /** As in `WriteTarget`; default `part-{i}`. */
  readonly fileName?: string;
  /** As in `WriteTarget`. */
  readonly partitionBy?: readonly string[];
}

/** Names the accepted sales and the dimensions of the run; `false` where nothing was accepted. */
export async function nameInputs({ engine, manifest, runFolder }: ComputeContext): Promise<boolean> {
  const accepted = manifest.accepted.files.map((path) => join(runFolder, path));
  if (accepted.length === 0) return false;
  await engine.nameParquet("accepted_sales", accepted);
  for (const [name, file] of Object.entries(manifest.dimensions)) {
    await engine.nameParquet(name, [join(runFolder, file)]);
  }
  return true;
}

/** Builds a mart of one row per accepted sale. */
export async function buildMart(build: Build, audit: string, context: ComputeContext): Promise<Dataset> {
  const { engine, runFolder } = context;
  const { rowCount, files } = await write(build, context);
  await engine.nameParquet(build.name, files);
  await engine.nameQuery("mart", `SELECT total_cost FROM ${build.name}`);
  await runAudit(engine, build.name, audit);
  return { rowCount, files: files.map((file) => nameWithin(runFolder, file)) };
}

/** Builds the totals that the commit adds to a table. */
export async function buildTotals(build: Build, audit: string, context: ComputeContext): Promise<RunTotals> {
  const { engine, runFolder } = context;
  const { rowCount, files } = await write(build, context);
  await engine.nameParquet("totals", files);
  await runAudit(engine, build.name, audit);
  const [sum] = await engine.query(
    "SELECT CAST(sum(total_sales) AS DECIMAL(28, 2)) AS total_sales FROM totals",
  );
  return {
    files: files.map((file) => nameWithin(runFolder, file)),
    rowCount,
    totalSales: String(sum?.total_sales),
  };
}

async function write(build: Build, { engine, runFolder, progress }: ComputeContext): Promise<Written> {
  const target: WriteTarget = {
    folder: join(runFolder, build.folder),
    format: "parquet",
    fileName: build.fileName ?? "part-{i}",
    ...(build.partitionBy ? { partitionBy: build.partitionBy } : {}),
  };
  using step = progress.step(`building ${build.name}`);
  return await engine.write(build.sql, target, (share) => step.update(share));
}

/** Runs a query that returns violations; blocks the run where there are any. */
async function runAudit(engine: Engine, subject: string, sql: string): Promise<void> {
  const [violation] = await engine.query(sql);
  if (violation === undefined) return;
  const found = Object.entries(violation).map(([name, value]) => `${name} ${value}`).join(", ");
  throw new DataError(
    "audit_failed",
    `Cannot publish ${subject}: an audit found ${found}; nothing was published, please report this with the run's folder`,
  );
}
