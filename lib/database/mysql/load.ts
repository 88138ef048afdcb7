/**
 * A run's totals from Parquet, and other files, into staging tables in MySQL.
 *
 * A staging table is a temporary one: it belongs to its connection, so that nobody else can change it between the check
 * of its sums and the commit, and nothing of a run that died is ever left in the database.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { identifier, literal } from "../../sql.ts";
import type { TableTotals } from "../records.ts";
import { parseTableType } from "../tables.ts";
import { requireSame, requireTotals, totalsRelation } from "../totals.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { quoted, quotedList, statementsOf } from "./rows.ts";
import { columnsDdl, TABLE_OPTIONS } from "./tables.ts";

/** "Data truncated": what a warning says that is not told. */
const TRUNCATED = 1265;
/** NULL in a file for LOAD DATA ("LOAD DATA Statement", MySQL reference manual). */
const NULL_FIELD = "\\N";

/** A table that a file is loaded into. */
export interface LoadTarget {
  /** The table's name. */
  readonly table: string;
  /** What the rows are for, as people know it: the table that they are added to in the end. */
  readonly name: string;
  /** Names of the columns, in the order of the file's fields. */
  readonly columns: readonly string[];
  /** Those of the columns whose fields are hexadecimal digits of text. */
  readonly hexColumns: readonly string[];
}

/**
 * Fills the staging table of a reporting table; to be called before the transaction, which DDL would end.
 *
 * @param staged The staging table's name.
 * @throws {DataError} `totals_changed` or `totals_without_key`.
 */
export async function stageTotals(
  connection: MysqlConnection,
  duckdb: Duckdb,
  totals: TableTotals,
  staged: string,
): Promise<void> {
  await requireTotals(duckdb, totals);
  const columns = (await columnsDdl(connection, totals.table)).join(", ");
  await connection.run(`DROP TEMPORARY TABLE IF EXISTS ${staged}`);
  await connection.run(`CREATE TEMPORARY TABLE ${staged} (${columns}) ${TABLE_OPTIONS}`);
  const file = join(dirname(totals.files[0] ?? ""), `${staged}.tsv`);
  try {
    await loadFields(connection, await writeFields(duckdb, totals, staged, file), file);
  } finally {
    await Deno.remove(file).catch(() => {});
  }
  await requireStaged(connection, totals, staged);
}

/**
 * Texts as hexadecimal digits, so that neither way of loading has anything to escape. Rows as they come, which is nearly
 * in the order of the key: sorting millions again takes more memory than all else.
 */
async function writeFields(
  duckdb: Duckdb,
  totals: TableTotals,
  staged: string,
  file: string,
): Promise<LoadTarget> {
  const types = Object.entries(totals.table.columns);
  const columns = types.map(([name]) => name);
  const isText = ([, type]: readonly [string, string]) =>
    ["text", "char"].includes(parseTableType(type).kind);
  const hexColumns = types.filter(isText).map(([name]) => name);
  const fields = columns.map((name) =>
    hexColumns.includes(name) ? `hex(encode(${identifier(name)}))` : identifier(name)
  );
  await duckdb.query(
    `COPY (SELECT ${fields.join(", ")} FROM ${totalsRelation(totals)})
     TO ${literal(file)} (FORMAT csv, DELIMITER '\t', HEADER false, NULLSTR ${literal(NULL_FIELD)})`,
  );
  return { table: staged, name: totals.table.name, columns, hexColumns };
}

async function requireStaged(
  connection: MysqlConnection,
  totals: TableTotals,
  staged: string,
): Promise<void> {
  const { columns, add } = totals.table;
  const sums = add.map((column) => {
    const type = parseTableType(columns[column] ?? "");
    return `CAST(COALESCE(SUM(${quoted(column)}), 0) AS DECIMAL(65,${
      type.kind === "decimal" ? type.scale : 0
    }))`;
  });
  const [found] = await connection.query(`SELECT ${["COUNT(*)", ...sums].join(", ")} FROM ${staged}`);
  const [rowCount, ...rest] = (found ?? []).map(String);
  requireSame(totals, String(rowCount), rest);
}

/** Fills a table from a file of tab-separated fields that need no escape, by INSERTs if LOAD DATA is forbidden. */
export async function loadFields(
  connection: MysqlConnection,
  target: LoadTarget,
  file: string,
): Promise<void> {
  const { table, columns, hexColumns } = target;
  const fields = columns.map((name) => hexColumns.includes(name) ? `@${quoted(name)}` : quoted(name));
  const texts = hexColumns.map((name) => `${quoted(name)} = UNHEX(@${quoted(name)})`);
  try {
    const { warningCount } = await connection.run(
      `LOAD DATA LOCAL INFILE 'totals' INTO TABLE ${table} CHARACTER SET utf8mb4
       FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'
       (${fields.join(", ")}) ${texts.length > 0 ? `SET ${texts.join(", ")}` : ""}`,
      [],
      { timeoutMs: BULK_TIMEOUT_MS, file },
    );
    // LOCAL turns errors into warnings: a value that does not fit is cut, a row that cannot be is left out.
    if (warningCount > 0) {
      const [warning] = await connection.query("SHOW WARNINGS LIMIT 1");
      // If max_error_count is 0, the server tells how many warnings there are, and shows none.
      throw new MysqlFault("other", Number(warning?.[1] ?? TRUNCATED), "LOAD_DATA_WARNING");
    }
  } catch (error) {
    if (!(error instanceof MysqlFault) || error.kind !== "local_infile") throw error;
    await insertFields(connection, target, file);
  }
}

async function insertFields(
  connection: MysqlConnection,
  { table, name, columns, hexColumns }: LoadTarget,
  file: string,
): Promise<void> {
  const isHex = columns.map((name) => hexColumns.includes(name));
  const value = (field: string, i: number) => {
    if (field === NULL_FIELD) return "NULL";
    return isHex[i] ? `_utf8mb4 X'${field}'` : `'${field}'`;
  };
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  const rows = mapAsync(lines, (line) => `(${line.split("\t").map(value).join(",")})`);
  // Digits and hexadecimal digits: a character is a byte.
  const sizeOf = ({ length }: string) => length;
  const sized = { table: name, sizeOf, maxPacketBytes: connection.maxPacketBytes };
  for await (const part of statementsOf(rows, sized)) {
    await connection.run(`INSERT INTO ${table} (${quotedList(columns)}) VALUES ${part.join(",")}`);
  }
}

async function* mapAsync<T, R>(values: AsyncIterable<T>, map: (value: T) => R): AsyncGenerator<R> {
  for await (const value of values) yield map(value);
}
