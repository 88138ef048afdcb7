/**
 * Month totals from Parquet, and other files, into staging tables in MySQL.
 *
 * A staging table is a temporary one: it belongs to its connection, so that nobody else can change it between the check
 * of its sums and the commit, and nothing of a run that died is ever left in the database.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { type Duckdb } from "../../duckdb/duckdb.ts";
import { DataError } from "../../errors.ts";
import type { Totals } from "../database.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { type MartName, TOTALS, totalsColumns } from "./tables.ts";
import { literal } from "../../sql.ts";

/** Rows of one INSERT where LOAD DATA LOCAL is forbidden; 5,000 of 200 bytes are far below max_allowed_packet. */
const INSERT_ROWS = 5000;
/** NULL in a file for LOAD DATA ("LOAD DATA Statement", MySQL reference manual). */
const NULL_FIELD = "\\N";

/** The staging table of a reporting table's totals. */
export function stagedTotals(mart: MartName): string {
  return `staged_${mart}`;
}

/**
 * Fills the staging table of one reporting table.
 *
 * @returns Whether there is anything to add.
 * @throws {DataError} `totals_changed` where the files do not add up to what was announced.
 */
export async function stageTotals(
  connection: MysqlConnection,
  duckdb: Duckdb,
  mart: MartName,
  totals: Totals,
): Promise<boolean> {
  const [first] = totals.files;
  if (first === undefined) return false;
  const source = `read_parquet([${totals.files.map(literal).join(", ")}], hive_partitioning = false)`;
  const [sum] = await duckdb.query(
    `SELECT count(*) AS row_count, CAST(coalesce(sum(total_sales), 0) AS DECIMAL(28,2)) AS total_sales FROM ${source}`,
  );
  requireSame(totals, String(sum?.row_count), String(sum?.total_sales));

  const table = stagedTotals(mart);
  await connection.run(`DROP TEMPORARY TABLE IF EXISTS ${table}`);
  await connection.run(
    `CREATE TEMPORARY TABLE ${table} (${totalsColumns(mart)})
     ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin`,
  );
  const file = join(dirname(first), `${table}.tsv`);
  try {
    await writeFields(duckdb, mart, source, file);
    await loadFields(connection, { table, columns: TOTALS[mart].columns }, file);
  } finally {
    await Deno.remove(file).catch(() => {});
  }
  const [staged] = await connection.query(`SELECT COUNT(*), CAST(SUM(total_sales) AS CHAR) FROM ${table}`);
  requireSame(totals, String(staged?.[0]), String(staged?.[1] ?? "0.00"));
  return true;
}

/**
 * Texts as hexadecimal digits, so that neither way of loading has anything to escape. Rows as they come, which is nearly
 * in the order of the key: sorting millions again takes more memory than all else.
 */
async function writeFields(duckdb: Duckdb, mart: MartName, source: string, file: string): Promise<void> {
  const fields = Object.entries(TOTALS[mart].columns).map(([name, type]) =>
    type === "TEXT" ? `hex(encode(${name}))` : name
  );
  await duckdb.query(
    `COPY (SELECT ${fields.join(", ")} FROM ${source})
     TO ${literal(file)} (FORMAT csv, DELIMITER '\t', HEADER false, NULLSTR ${literal(NULL_FIELD)})`,
  );
}

/** A table to load into: its columns with their types; `TEXT` arrives as hexadecimal digits. */
export interface LoadTarget {
  /** A temporary table, empty. */
  readonly table: string;
  /** In the order of the file's fields. */
  readonly columns: Readonly<Record<string, string>>;
}

/** Fills a table from a file of tab-separated fields that need no escape, by INSERTs where LOAD DATA is forbidden. */
export async function loadFields(
  connection: MysqlConnection,
  { table, columns }: LoadTarget,
  file: string,
): Promise<void> {
  const fields = Object.entries(columns);
  const texts = fields.filter(([, type]) => type === "TEXT").map(([name]) => name);
  const unhexed = texts.map((name) => `${name} = UNHEX(@${name})`).join(", ");
  try {
    const { warningCount } = await connection.run(
      `LOAD DATA LOCAL INFILE 'totals' INTO TABLE ${table} CHARACTER SET utf8mb4
       FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'
       (${fields.map(([name, type]) => type === "TEXT" ? `@${name}` : name).join(", ")})
       ${unhexed && `SET ${unhexed}`}`,
      [],
      { timeoutMs: BULK_TIMEOUT_MS, file },
    );
    // LOCAL turns errors into warnings: a value that does not fit is cut, a row that cannot be is left out.
    if (warningCount > 0) {
      const [warning] = await connection.query("SHOW WARNINGS LIMIT 1");
      throw new MysqlFault("other", Number(warning?.[1]), "LOAD_DATA_WARNING");
    }
  } catch (error) {
    if (!(error instanceof MysqlFault) || error.kind !== "local_infile") throw error;
    await insertFields(connection, { table, columns }, file);
  }
}

async function insertFields(
  connection: MysqlConnection,
  { table, columns }: LoadTarget,
  file: string,
): Promise<void> {
  const names = Object.keys(columns), types = Object.values(columns);
  const value = (field: string, i: number) => {
    if (field === NULL_FIELD) return "NULL";
    return types[i] === "TEXT" ? `_utf8mb4 X'${field}'` : `'${field}'`;
  };
  let rows: string[] = [];
  const insert = async () => {
    await connection.run(`INSERT INTO ${table} (${names.join(", ")}) VALUES ${rows.join(",")}`);
    rows = [];
  };
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    rows.push(`(${line.split("\t").map(value).join(",")})`);
    if (rows.length === INSERT_ROWS) await insert();
  }
  if (rows.length > 0) await insert();
}

function requireSame(totals: Totals, rowCount: string, totalSales: string): void {
  if (rowCount === String(totals.rowCount) && totalSales === totals.totalSales) return;
  throw new DataError(
    "totals_changed",
    `Cannot publish the totals: they are ${rowCount} rows of ${totalSales}, not ` +
      `${totals.rowCount} rows of ${totals.totalSales}; run "deno task pipeline" to begin the night again`,
  );
}
