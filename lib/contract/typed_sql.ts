/**
 * The contract as SQL, for exact rows, which the engine reads typed.
 *
 * @module
 */
import type { BoundHeader } from "./header.ts";
import { additionalColumn, JOIN_SOURCE, SEPARATOR } from "./row_sql.ts";
import { passes, rulesOf } from "./rules.ts";
import type { Contract } from "./schema.ts";
import { identifier, literal } from "../sql.ts";

/**
 * Accepted rows of candidates, whatever their keys: nearly always all of them are known, which costs less to count
 * afterwards than to join on the way.
 *
 * @param rows A SELECT of the columns of `textColumns`, typed, and `source_key`.
 */
export function typedRowsSql(rows: string, header: BoundHeader, contract: Contract): string {
  return `
    WITH "@named" AS (SELECT ${namedColumns(header)}, source_key FROM (${rows}))
    SELECT ${contractColumns(header)}, additional_column, source_key FROM "@named"
    WHERE ${["TRUE", ...passedRules(contract)].join(" AND ")}`;
}

/**
 * The accepted ones among exact rows of split files: every contract column, additional_column, source_key.
 *
 * @param relation Has the columns of `normalisedColumns`, typed.
 * @param known Columns whose keys are known in every row, and are not looked up.
 */
export function copiedRowsSql(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  known: ReadonlySet<string>,
): string {
  return `SELECT ${contractColumns(header)}, additional_column, "@key" AS source_key
    FROM (${copiedSql(relation, header)}) ${JOIN_SOURCE} WHERE ${areAccepted(contract, known)}`;
}

/** `@file` and `@line` of the rows that {@linkcode copiedRowsSql} does not give. */
export function leftRowsSql(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  known: ReadonlySet<string>,
): string {
  return `SELECT "@file", "@line" FROM (${copiedSql(relation, header)})
    WHERE NOT coalesce(${areAccepted(contract, known)}, FALSE)`;
}

function copiedSql(relation: string, header: BoundHeader): string {
  return `SELECT ${namedColumns(header)}, "@file", "@line" FROM ${identifier(relation)}`;
}

/** The contract's columns under their names, and additional_column. */
function namedColumns(header: BoundHeader): string {
  const columns = header.columns.map(({ name, index }) =>
    `${identifier(`@${index}`)} AS ${identifier(name)}`
  );
  const additional = additionalColumn(header, (index) => identifier(`@${index}`));
  return `${columns.join(", ")}, ${additional} AS additional_column`;
}

function contractColumns({ columns }: BoundHeader): string {
  return columns.map(({ name }) => identifier(name)).join(", ");
}

/** That typed rows pass every rule, and have known keys. */
function areAccepted(contract: Contract, known: ReadonlySet<string>): string {
  const keys = contract.keys.filter(({ column }) => !known.has(column)).map(({ column, dimension, key }) =>
    `${identifier(column)} IN (SELECT ${identifier(key)} FROM ${identifier(dimension)})`
  );
  return ["TRUE", ...passedRules(contract), ...keys].join(" AND ");
}

function passedRules(contract: Contract): string[] {
  return rulesOf(contract, "reject").map(([, check]) => passes(check));
}

/**
 * The lines of some exact rows as `@text`, in the form in which doubtful rows are written.
 *
 * @param lines Lines as they were copied, as `@text`.
 * @param left `@file` and `@line` of the rows.
 * @param delimiter The delimiter of the source files.
 */
export function copiedLinesSql(lines: string, left: string, delimiter: string): string {
  const between = literal(delimiter);
  // Compared as the text that they are: two casts for each line would cost as much as all else. There is no raw text, so
  // that two delimiters stand behind the numbers.
  return `SELECT replace(l."@text", ${between}, ${SEPARATOR}) AS "@text" FROM ${identifier(lines)} l
    SEMI JOIN (SELECT "@file" || ${between} || "@line" AS "@row" FROM ${identifier(left)}) r
      ON left(l."@text", strpos(l."@text", ${literal(delimiter + delimiter)}) - 1) = r."@row"`;
}
