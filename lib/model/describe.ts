/**
 * Whether the queries and rules of a model hold: the engine binds each one to the columns that it will meet, and says what
 * it gives.
 *
 * @module
 */
import { type ColumnType, parseColumnType, sqlType } from "../column_type.ts";
import { findRuleFault } from "../contract/rules.ts";
import type { Engine } from "../engine/engine.ts";
import type { ModelFault } from "./fit.ts";
import { acceptedView, type Mart, type MartTable, type Model } from "./model.ts";

/** The columns of a view, with their SQL types. */
type Columns = Readonly<Record<string, string>>;

/** Types of the columns of a mart of grain `row`; all others are not exact, or not the same in Parquet. */
const EXACT_TYPES = /^(BIGINT|INTEGER|SMALLINT|TINYINT|BOOLEAN|DATE|VARCHAR|TIMESTAMP|DECIMAL\(\d+,\d+\))$/;

/**
 * Describes every query, and fills in the columns of the tables.
 *
 * @param engine With nothing in it that a query may read.
 * @returns What is wrong with the first entry that does not hold; `null` if all do.
 */
export async function describeModel(
  model: Model,
  engine: Pick<Engine, "checkExpression" | "checkQuery">,
): Promise<ModelFault | null> {
  for (const [name, { contract }] of Object.entries(model.datasets)) {
    const fault = await findRuleFault(contract, engine);
    if (fault) return { ...fault, path: ["datasets", name, ...fault.path] };
  }
  // All at once: a check is mostly waiting for the engine.
  const faults = await Promise.all(
    Object.entries(model.marts).map(async ([name, mart]) => {
      const found = await engine.checkQuery(mart.sql, inputsOf(mart, model));
      const what = "fault" in found ? found.fault : checkColumns(mart, Object.fromEntries(found.columns));
      return what === null ? null : { path: ["marts", name], what: `its query: ${what}` };
    }),
  );
  return faults.find((fault) => fault !== null) ?? null;
}

/** What a mart's query may read: the accepted rows of its datasets, and all dimensions. */
function inputsOf({ from }: Mart, { dimensions, datasets }: Model): Record<string, Columns> {
  const inputs: Record<string, Columns> = {};
  for (const name of Object.keys(from)) inputs[acceptedView(name)] = acceptedColumns(name, { datasets });
  for (const [name, { ids, text }] of Object.entries(dimensions)) {
    inputs[name] = Object.fromEntries([
      ...ids.map((column) => [column, "BIGINT"]),
      ...text.map((column) => [column, "VARCHAR"]),
    ]);
  }
  return inputs;
}

/** The columns of a dataset's accepted rows, with their SQL types. */
export function acceptedColumns(
  name: string,
  { datasets }: Pick<Model, "datasets">,
): Readonly<Record<string, string>> {
  const columns = Object.entries(datasets[name]?.contract.columns ?? {}).map(([column, given]) => {
    const type = parseColumnType(given);
    return [column, type ? sqlType(type) : "VARCHAR"];
  });
  return { ...Object.fromEntries(columns), additional_column: "VARCHAR", source_key: "VARCHAR" };
}

/** What is wrong with the columns that a query gives, in words; fills in those of a table. */
function checkColumns(mart: Mart, columns: Columns): string | null {
  return mart.table ? checkTable(mart.table, columns) : checkRows(mart, columns);
}

function checkRows({ money, files }: Mart, columns: Columns): string | null {
  const inexact = Object.entries(columns).find(([, type]) => !EXACT_TYPES.test(type));
  if (inexact) {
    const [column, type] = inexact;
    return `it gives ${column} as ${type}; cast it, to DECIMAL(p,s), BIGINT or another exact type`;
  }
  if (!/^DECIMAL\(\d+,2\)$/.test(columns[money] ?? "")) {
    return `it gives no column ${money} as DECIMAL(p,2), its money ("money" names another column)`;
  }
  const partitionBy = files?.partitionBy ?? [];
  if (partitionBy.includes(money)) return `it is partitioned by ${money}, its money`;
  const hidden = Object.keys(columns).find((column) => column.toLowerCase() === "run_id");
  if (partitionBy.length === 0 && hidden !== undefined) {
    return `it gives a column ${hidden}, which the run's id in the path of its files hides; name it otherwise`;
  }
  const missing = partitionBy.filter((column) => !(column in columns));
  if (missing.length > 0) return `it gives no column ${missing.join(", ")}, by which it is partitioned`;
  return partitionBy.length < Object.keys(columns).length
    ? null
    : "it gives no column besides its partitions";
}

function checkTable(table: MartTable, columns: Columns): string | null {
  const { key, add, latest, types } = table;
  const wanted = [...key, ...Object.keys(add), ...latest];
  const missing = wanted.filter((column) => !(column in columns));
  const further = Object.keys(columns).filter((column) => !wanted.includes(column));
  if (missing.length > 0) return `it gives no column ${missing.join(", ")}, which the table has`;
  if (further.length > 0) return `it gives ${further.join(", ")}, which the table does not have`;
  const described: Record<string, string> = {};
  for (const [column, type] of Object.entries(columns)) {
    const wantedType = add[column];
    const found = typeOf(type);
    if (found === null) {
      return `it gives ${column} as ${type}; cast it to BIGINT, DATE, DECIMAL(p,s) or VARCHAR`;
    }
    if (wantedType !== undefined && wantedType !== found) {
      return `it gives ${column} as ${type}; the table has it as ${wantedType}`;
    }
    if (types[column] !== undefined && found !== "text") {
      return `it gives ${column} as ${type}; the table has it as ${types[column]}`;
    }
    described[column] = types[column] ?? found;
  }
  table.columns = described;
  return null;
}

/** An SQL type as the model spells it; `null` if no table can have it. */
function typeOf(type: string): string | null {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) return `decimal(${precision},${scale})`;
  const names: Readonly<Record<string, ColumnType["kind"]>> = {
    BIGINT: "integer",
    DATE: "date",
    VARCHAR: "text",
  };
  return names[type] ?? null;
}
