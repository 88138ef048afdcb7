/**
 * Builds the marts of a stage from their queries, and audits each of them.
 *
 * An audit is not a part of the model: a mart that lost or multiplied a row, or whose money is not that of the accepted
 * rows, is never published, whatever its query says.
 *
 * @module
 */
import { join } from "node:path";
import type { ComputeContext } from "./context.ts";
import { type Engine, nameWithin, type WriteTarget, type Written } from "../engine/engine.ts";
import { DataError, messageOf, PipelineError } from "../errors.ts";
import { acceptedColumns } from "../model/describe.ts";
import { acceptedView, type Mart, type MartTable, type Model } from "../model/model.ts";
import type { RunTotals, WrittenFiles } from "./manifest.ts";
import { identifier } from "../sql.ts";

/** Queries that return violations, over the views `accepted_money(money)` and `mart_money(money)`. */
export interface Audits {
  /** For marts of grain `row`: as many rows as were accepted, and their money. */
  readonly row: string;
  /** For marts of grain `totals`: the money of the accepted rows. */
  readonly totals: string;
  /** For marts of grain `totals`: one row for each key, over the view `mart_keys`. */
  readonly key: string;
}

/** Builds every mart of a stage whose datasets have accepted rows, in the order of the model. */
export async function buildMarts(
  stage: Mart["stage"],
  audits: Audits,
  context: ComputeContext,
): Promise<void> {
  const { manifest } = context;
  const { model, accepted } = manifest;
  const marts = Object.entries(model.marts).filter(([, mart]) =>
    mart.stage === stage && Object.keys(mart.from).some((dataset) => accepted[dataset])
  );
  if (marts.length > 0) await nameInputs(context);
  for (const [name, mart] of marts) {
    try {
      if (mart.table) {
        const totals = await buildTotals(name, { ...mart, table: mart.table }, audits, context);
        if (totals.rowCount > 0) manifest.totals[name] = totals;
      } else manifest.marts[name] = await buildRows(name, mart, audits.row, context);
    } catch (error) {
      throw martError(error, name, mart);
    }
  }
}

/** How DuckDB begins what it says of a query that fails, unless it is at fault itself. */
const SAID_OF_QUERY = /^(?!INTERNAL|FATAL)[A-Z][\w -]* Error: /;
/** Of a folder for a partition. */
const NAME_TOO_LONG = /file name too long/i;

/** The error of a query that binds but cannot be run on the night's rows (65); any other error as it is. */
function martError(error: unknown, name: string, { files }: Mart): unknown {
  const said = messageOf(error);
  if (error instanceof PipelineError || !SAID_OF_QUERY.test(said)) return error;
  // The name has a value in it.
  const what = NAME_TOO_LONG.test(said)
    ? `a value of ${
      files?.partitionBy.join(" or ")
    }, by which it is partitioned, is too long for the name of a folder`
    : `its query failed: ${said}`;
  return new DataError(
    "mart_failed",
    `Cannot build ${name}: ${what}; nothing was published. Correct the query, or a rule of the contract that keeps such ` +
      "rows out, and run again",
  );
}

/** Names the accepted rows of every dataset, also of one that has none, and the dimensions of the run. */
async function nameInputs({ engine, manifest, runFolder }: ComputeContext): Promise<void> {
  const { model, accepted, dimensions } = manifest;
  for (const name of Object.keys(model.datasets)) {
    const files = accepted[name]?.files ?? [];
    if (files.length > 0) {
      await engine.nameParquet(acceptedView(name), files.map((path) => join(runFolder, path)));
    } else {
      await engine.nameQuery(acceptedView(name), emptyRows(name, model));
    }
  }
  for (const [name, file] of Object.entries(dimensions)) {
    await engine.nameParquet(name, [join(runFolder, file)]);
  }
}

/** A query without rows that has the columns of a dataset's accepted rows. */
function emptyRows(dataset: string, model: Model): string {
  const columns = Object.entries(acceptedColumns(dataset, model)).map(([column, type]) =>
    `CAST(NULL AS ${type}) AS ${identifier(column)}`
  );
  return `SELECT ${columns.join(", ")} WHERE 1 = 0`;
}

/** Builds a mart of one row per accepted row. */
async function buildRows(
  name: string,
  mart: Mart,
  audit: string,
  context: ComputeContext,
): Promise<WrittenFiles> {
  const { engine, runFolder, manifest: { runId, model } } = context;
  const partitionBy = mart.files?.partitionBy ?? [];
  const target = partitionBy.length > 0
    ? { fileName: `${runId}-{i}`, partitionBy }
    : { fileName: "part-{i}" };
  const { rowCount, files } = await write(name, mart, target, context);
  await nameMart(name, mart, files, engine);
  await auditMoney(audit, name, mart, { engine, model });
  return { rowCount, files: files.map((file) => nameWithin(runFolder, file)) };
}

/** Names what was written; without rows there is no file, and nothing but its money is looked at. */
async function nameMart(
  name: string,
  { money }: Mart,
  files: readonly string[],
  engine: Engine,
): Promise<void> {
  if (files.length > 0) return await engine.nameParquet(name, files);
  await engine.nameQuery(name, `SELECT CAST(NULL AS DECIMAL(18, 2)) AS ${identifier(money)} WHERE 1 = 0`);
}

/** Builds the totals that the commit adds to a table: none if those of all keys are left out, being 0. */
async function buildTotals(
  name: string,
  mart: Mart & { readonly table: MartTable },
  audits: Audits,
  context: ComputeContext,
): Promise<RunTotals> {
  const { engine, runFolder, manifest: { model } } = context;
  const { rowCount, files } = await write(name, mart, { fileName: "part-{i}" }, context);
  await nameMart(name, mart, files, engine);
  await auditMoney(audits.totals, name, mart, { engine, model });
  if (rowCount === 0) return { files: [], rowCount, sums: {} };
  const keys = mart.table.key.map(identifier).join(", ");
  await engine.nameQuery("mart_keys", `SELECT ${keys} FROM ${identifier(name)}`);
  await runAudit(audits.key, name, `one row for each ${mart.table.key.join(" and ")}`, engine);
  const added = Object.entries(mart.table.add);
  const [sums] = await engine.query(
    `SELECT ${
      added.map(([column, type]) =>
        `CAST(sum(${identifier(column)}) AS ${sumType(type)}) AS ${identifier(column)}`
      )
        .join(", ")
    } FROM ${identifier(name)}`,
  );
  return {
    files: files.map((file) => nameWithin(runFolder, file)),
    rowCount,
    sums: Object.fromEntries(added.map(([column]) => [column, String(sums?.[column])])),
  };
}

/** The type in which the database has the sum of a column too. */
function sumType(type: string): string {
  const [, scale = "0"] = /^decimal\(\d+,(\d+)\)$/.exec(type) ?? [];
  return `DECIMAL(38, ${scale})`;
}

async function write(
  name: string,
  { sql }: Mart,
  target: Pick<WriteTarget & { format: "parquet" }, "fileName" | "partitionBy">,
  { engine, runFolder, progress }: ComputeContext,
): Promise<Written> {
  using step = progress.step(`building ${name}`);
  const folder = join(runFolder, "marts", name);
  return await engine.write(sql, { folder, format: "parquet", ...target }, (share) => step.update(share));
}

/** Compares a mart with the accepted rows of its datasets, whose money counts with its sign. */
async function auditMoney(
  audit: string,
  name: string,
  mart: Mart,
  { engine, model }: { readonly engine: Engine; readonly model: Model },
): Promise<void> {
  const accepted = Object.entries(mart.from).map(([dataset, sign]) => {
    const money = identifier(model.datasets[dataset]?.money ?? "");
    const signed = sign === "-" ? `CAST(-${money} AS DECIMAL(18, 2))` : money;
    return `SELECT ${signed} AS money FROM ${identifier(acceptedView(dataset))}`;
  });
  await engine.nameQuery("accepted_money", accepted.join(" UNION ALL "));
  await engine.nameQuery("mart_money", `SELECT ${identifier(mart.money)} AS money FROM ${identifier(name)}`);
  const wanted = mart.table ? "all the money" : "one row for each accepted row, and the same money";
  await runAudit(audit, name, wanted, engine);
}

/** Runs a query that returns violations; blocks the run if there are any. */
async function runAudit(audit: string, name: string, wanted: string, engine: Engine): Promise<void> {
  const [violation] = await engine.query(audit);
  if (violation === undefined) return;
  const found = Object.entries(violation).map(([column, value]) => `${column} ${value}`).join(", ");
  throw new DataError(
    "audit_failed",
    `Cannot publish ${name}: an audit found ${found}; nothing was published. The query of the mart must give ${wanted}: ` +
      "correct it, or, if it is the shipped one, please report this with the run's folder",
  );
}
