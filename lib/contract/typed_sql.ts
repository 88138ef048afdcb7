/**
 * The contract as SQL, for rows that are proven to be exact, and what is counted over accepted rows.
 *
 * Names that begin with `@` are this module's own; a contract column cannot have one.
 *
 * @module
 */
import { KEY_COLUMNS } from "./contract.ts";
import type { BoundHeader } from "./header.ts";
import { FIELD_SEPARATOR } from "../csv/marks.ts";
import { sqlType } from "../column_type.ts";
import type { Contract } from "./schema.ts";
import { identifier, literal } from "../sql.ts";

/** The field separator of normalised files, as SQL. */
export const SEPARATOR = `chr(${FIELD_SEPARATOR.charCodeAt(0)})`;

/** The column names of the text relation of a group: `@0`, `@1`, … */
export function textColumns(width: number): string[] {
  return Array.from({ length: width }, (_, index) => `@${index}`);
}

/** SQL types of the columns that {@linkcode textColumns} names, for files whose rows are proven to be exact. */
export function provenTypes({ columns }: BoundHeader): Map<string, string> {
  return new Map(columns.map(({ type, index }) => [`@${index}`, sqlType(type)]));
}

/**
 * Accepted rows of files whose rows are proven to be exact, whatever their keys: nearly always all of them are known,
 * which costs less to count afterwards than to join on the way.
 *
 * @param rows A SELECT of the columns of {@linkcode textColumns}, typed, and `source_key`.
 */
export function provenSql(rows: string, header: BoundHeader, contract: Contract): string {
  const names = header.columns.map(({ name }) => identifier(name));
  return `
    WITH typed AS (
      SELECT ${
    header.columns.map(({ name, index }) => `${identifier(`@${index}`)} AS ${identifier(name)}`).join(", ")
  },
        ${additionalColumn(header, (index) => identifier(`@${index}`))} AS additional_column, source_key
      FROM (${rows})
    )
    SELECT ${names.join(", ")}, additional_column, source_key FROM typed
    WHERE ${["TRUE", ...rejectRules(contract).map(([, check]) => passes(check))].join(" AND ")}`;
}

/** How many keys of accepted_sales are unknown, over all its rows and dimensions. One join after the other costs less. */
export function unknownKeysSql(): string {
  const counts = KEY_COLUMNS.map(({ column, dimension, key }) =>
    `(SELECT count(*) FROM accepted_sales ANTI JOIN (SELECT ${key} AS "@key" FROM ${dimension}) keys
        ON accepted_sales.${identifier(column)} = keys."@key")`
  );
  return `SELECT ${counts.join(" + ")} AS unknown_count`;
}

/** Rows of accepted_sales whose keys are all known. */
export function knownKeysSql(): string {
  return `SELECT accepted_sales.* FROM accepted_sales ${
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `SEMI JOIN (SELECT ${key} AS "@${dimension}" FROM ${dimension}) ${dimension}
        ON accepted_sales.${identifier(column)} = ${dimension}."@${dimension}"`
    ).join(" ")
  }`;
}

/** Columns of normalised files before those of the row, with their types; see {@link ./csv_normalised.ts}. */
const ROW_HEAD = { "@file": "BIGINT", "@line": "BIGINT", "@raw": "VARCHAR" } as const;
/** How many they are. */
export const ROW_HEAD_WIDTH: number = Object.keys(ROW_HEAD).length;

/** Finds the source file of a normalised row. */
export const JOIN_SOURCE =
  `JOIN (SELECT source_key AS "@key", file_id AS "@id" FROM source) s ON "@file" = s."@id"`;

/** The column names of normalised files that are read typed. */
export function normalisedColumns(width: number): string[] {
  return [...Object.keys(ROW_HEAD), ...textColumns(width)];
}

/** Their SQL types, where all rows are proven to be exact. */
export function normalisedTypes(header: BoundHeader): Map<string, string> {
  return new Map([...Object.entries(ROW_HEAD), ...provenTypes(header)]);
}

/**
 * The accepted ones among rows of normalised files that are proven to be exact: every contract column, additional_column,
 * source_key.
 *
 * @param relation Has {@linkcode normalisedColumns}, typed.
 * @param known Columns whose keys are known in every row, and are not looked up.
 */
export function copiedRowsSql(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  known: ReadonlySet<string>,
): string {
  const names = header.columns.map(({ name }) => identifier(name));
  return `SELECT ${names.join(", ")}, additional_column, "@key" AS source_key
    FROM (${typedSql(relation, header)}) ${JOIN_SOURCE} WHERE ${areAccepted(contract, known)}`;
}

/** `@file` and `@line` of those that {@linkcode copiedRowsSql} does not give. */
export function restSql(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  known: ReadonlySet<string>,
): string {
  return `SELECT "@file", "@line" FROM (${typedSql(relation, header)})
    WHERE NOT coalesce(${areAccepted(contract, known)}, FALSE)`;
}

function typedSql(relation: string, header: BoundHeader): string {
  const columns = header.columns.map(({ name, index }) =>
    `${identifier(`@${index}`)} AS ${identifier(name)}`
  );
  return `SELECT ${columns.join(", ")},
    ${additionalColumn(header, (index) => identifier(`@${index}`))} AS additional_column, "@file", "@line"
    FROM ${identifier(relation)}`;
}

/** That typed rows pass every rule, and have known keys. */
function areAccepted(contract: Contract, known: ReadonlySet<string>): string {
  return [
    "TRUE",
    ...rejectRules(contract).map(([, check]) => passes(check)),
    ...KEY_COLUMNS.filter(({ column }) => !known.has(column)).map(({ column, dimension, key }) =>
      `${identifier(column)} IN (SELECT ${key} FROM ${dimension})`
    ),
  ].join(" AND ");
}

/**
 * The lines of some copied rows as `@text`, as if they had been added and not copied.
 *
 * @param rest `@file` and `@line` of each.
 * @param delimiter Of the source files.
 */
export function copiedLinesSql(lines: string, rest: string, delimiter: string): string {
  const between = literal(delimiter);
  // Compared as the text that they are: two casts for each line would cost as much as all else. There is no raw text.
  return `SELECT replace(l."@text", ${between}, ${SEPARATOR}) AS "@text" FROM ${identifier(lines)} l
    SEMI JOIN (SELECT "@file" || ${between} || "@line" AS "@row" FROM ${identifier(rest)}) r
      ON left(l."@text", strpos(l."@text", ${literal(delimiter + delimiter)}) - 1) = r."@row"`;
}

/** Counts per source_key over accepted rows: accepted, and a column per warning. */
export function acceptedCountsSql(contract: Contract): string {
  const warnings = warningRules(contract).map(([name, check]) =>
    `count(*) FILTER (WHERE NOT ${passes(check)}) AS ${identifier(name)}`
  );
  return `
    SELECT source_key AS "@source_key", count(*) AS "@accepted", ${
    [...warnings, 'count(*) FILTER (WHERE product."@known" IS NULL) AS unknown_product'].join(", ")
  }
    FROM accepted_sales
    LEFT JOIN (SELECT DISTINCT name AS "@known" FROM product WHERE name IS NOT NULL) product
      ON product_name = product."@known"
    GROUP BY source_key`;
}

/** Names of the warnings that {@linkcode acceptedCountsSql} counts. */
export function warningNames(contract: Contract): string[] {
  return [...warningRules(contract).map(([name]) => name), "unknown_product"];
}

function warningRules(contract: Contract): [string, string][] {
  return rulesOf(contract, "warn");
}

/** Names and checks of the rules for which rows are rejected. */
export function rejectRules(contract: Contract): [string, string][] {
  return rulesOf(contract, "reject");
}

function rulesOf(contract: Contract, severity: "reject" | "warn"): [string, string][] {
  return Object.entries(contract.rules)
    .filter(([, rule]) => rule.severity === severity)
    .map(([name, rule]) => [name, rule.check]);
}

/** The values of the columns that are not the contract's, as one text; NULL where there is none. */
export function additionalColumn({ extra }: BoundHeader, field: (index: number) => string): string {
  if (extra.length === 0) return "CAST(NULL AS VARCHAR)";
  return `nullif(concat_ws(', ', ${extra.map((index) => `nullif(${field(index)}, '')`).join(", ")}), '')`;
}

/** A rule that gives NULL, or overflows, is not passed. */
export function passes(check: string): string {
  return `coalesce(TRY((${check})), FALSE)`;
}
