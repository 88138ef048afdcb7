/**
 * The contract as SQL: which rows of a text relation are accepted, and what is wrong with the others.
 *
 * A value counts only where it is exact. Casting alone rounds (`CAST('1.5' AS BIGINT)` is 2), so a cast is believed
 * where its result prints as the text it came from; every other text must match the pattern of its type first. Nearly
 * all values take the first way, which costs a fifth of a pattern.
 *
 * Names that begin with `@` are this module's own; a contract column cannot have one.
 *
 * @module
 */
import type { Contract } from "./config_schema.ts";
import { type ColumnType, KEY_COLUMNS, parseColumnType, sqlType } from "./contract.ts";
import { FIELD_SEPARATOR } from "./csv_marks.ts";
import { unescapeSql } from "./csv_normalised.ts";
import { identifier, literal } from "./duckdb.ts";

/** A contract column and where the files of a group have it. */
export interface BoundColumn {
  /** As in the contract. */
  readonly name: string;
  /** Parsed. */
  readonly type: ColumnType;
  /** 0-based. */
  readonly index: number;
}

/** How the files of one group are laid out. */
export interface BoundHeader {
  /** In contract order. */
  readonly columns: readonly BoundColumn[];
  /** Positions of the other columns, in header order. */
  readonly extra: readonly number[];
  /** Number of columns. */
  readonly width: number;
}

/** What is wrong with a header, if anything; see section "File level" of the contract. */
export type HeaderFault =
  | { readonly reason: "too_many_columns"; readonly detail: string }
  | {
    readonly reason: "duplicate_column" | "missing_columns";
    readonly detail: string;
    readonly columns: string[];
  };

/** A row's fault in the order in which faults are looked for, with the column it is about. */
interface Fault {
  readonly test: string;
  readonly reason: string;
  readonly column: string | null;
  /** SQL text expression. */
  readonly detail: string;
}

/** Values quoted in a reject's detail are cut to this many characters; the raw text has them whole. */
const DETAIL_VALUE_CHARACTERS = 100;
const BLANKS = "' ' || chr(9)";
const SEPARATOR = `chr(${FIELD_SEPARATOR.charCodeAt(0)})`;

/** The column names of the text relation of a group: `@0`, `@1`, … */
export function textColumns(width: number): string[] {
  return Array.from({ length: width }, (_, index) => `@${index}`);
}

/** Finds the contract's columns in a header; names are trimmed and compared without case. */
export function bindHeader(
  header: readonly string[],
  contract: Contract,
  maxColumns: number,
): BoundHeader | HeaderFault {
  if (header.length > maxColumns) {
    const detail = `the header has ${header.length} columns, more than csv.maxColumns (${maxColumns})`;
    return { reason: "too_many_columns", detail };
  }
  const names = header.map((name) => name.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
  const repeated = [...new Set(names.filter((name, i) => name !== "" && names.indexOf(name) !== i))];
  if (repeated.length > 0) {
    const detail = `the header has ${repeated.join(", ")} more than once`;
    return { reason: "duplicate_column", detail, columns: repeated };
  }
  const wanted = Object.keys(contract.columns);
  const missing = wanted.filter((name) => !names.includes(name.toLowerCase()));
  if (missing.length > 0) {
    return { reason: "missing_columns", detail: `the header lacks ${missing.join(", ")}`, columns: missing };
  }
  const columns = contractColumns(contract).map((column) => ({
    ...column,
    index: names.indexOf(column.name.toLowerCase()),
  }));
  const bound = new Set(columns.map((column) => column.index));
  return { columns, extra: names.keys().filter((index) => !bound.has(index)).toArray(), width: names.length };
}

/** The contract's columns with their parsed types, in contract order. */
export function contractColumns(contract: Contract): { name: string; type: ColumnType }[] {
  return Object.entries(contract.columns).map(([name, given]) => {
    const type = parseColumnType(given);
    if (type === null) {
      throw new TypeError(`Cannot use the type ${given} of ${name}: the configuration was not checked`);
    }
    return { name, type };
  });
}

/** SQL types of the contract's columns by name, for binding rules. */
export function contractSqlTypes(contract: Contract): Record<string, string> {
  return Object.fromEntries(contractColumns(contract).map(({ name, type }) => [name, sqlType(type)]));
}

/** SQL types of the columns that {@linkcode textColumns} names, for files whose rows are proven to be exact. */
export function provenTypes({ columns }: BoundHeader): Map<string, string> {
  return new Map(columns.map(({ type, index }) => [`@${index}`, sqlType(type)]));
}

/** The type of each column of a header, in its order; `null` for those that are not the contract's. */
export function layoutOf({ columns, width }: BoundHeader): (ColumnType | null)[] {
  const layout: (ColumnType | null)[] = new Array(width).fill(null);
  for (const { type, index } of columns) layout[index] = type;
  return layout;
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
const ROW_HEAD_WIDTH = Object.keys(ROW_HEAD).length;

/** Finds the source file of a normalised row. */
const JOIN_SOURCE = `JOIN (SELECT source_key AS "@key", file_id AS "@id" FROM source) s ON "@file" = s."@id"`;

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
 * @param known Columns of keys that are known to be known.
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

/**
 * Rows of normalised files, each value looked at: source_key, `@file` and `@line`; the contract's columns and
 * additional_column of those that are accepted; `@reason`, `@column`, `@detail` and `@raw` of those that are rejected.
 *
 * @param lines A SELECT of the lines as `@text`.
 */
export function judgedSql(lines: string, header: BoundHeader, contract: Contract, delimiter: string): string {
  const faults = rowFaults(header, contract);
  const text = (index: number) => unescapeSql(partOf(index));
  return `
    WITH split AS (
      SELECT string_split("@text", ${SEPARATOR}) AS "@parts" FROM (${lines})
    ), typed AS (
      SELECT CAST("@parts"[1] AS BIGINT) AS "@file", CAST("@parts"[2] AS BIGINT) AS "@line", "@parts", ${
    header.columns.map(({ name, type, index }) =>
      `${type.kind === "text" ? text(index) : exactValue(partOf(index), type)} AS ${identifier(name)}`
    ).join(", ")
  }, ${additionalColumn(header, text)} AS "@additional"
      FROM split
    ), judged AS (
      SELECT typed.*, CASE ${faults.map(({ test }, i) => `WHEN ${test} THEN ${i}`).join(" ")} END AS "@fault"
      FROM typed ${
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `LEFT JOIN (SELECT ${key} AS "@${dimension}" FROM ${dimension}) ${dimension}
         ON typed.${identifier(column)} = ${dimension}."@${dimension}"`
    ).join(" ")
  }
    )
    SELECT ${header.columns.map(({ name }) => ofAccepted(identifier(name), identifier(name))).join(", ")},
      ${ofAccepted('"@additional"', "additional_column")}, "@key" AS source_key, "@file", "@line",
      ${byFault(faults.map(({ reason }) => literal(reason)))} AS "@reason",
      ${byFault(faults.map(({ column }) => column === null ? "NULL" : literal(column)))} AS "@column",
      ${byFault(faults.map(({ detail }) => detail))} AS "@detail",
      CASE WHEN "@fault" IS NULL THEN NULL WHEN "@parts"[${ROW_HEAD_WIDTH}] <> ''
        THEN ${unescapeSql(`"@parts"[${ROW_HEAD_WIDTH}]`)}
        ELSE ${
    unescapeSql(`array_to_string("@parts"[${ROW_HEAD_WIDTH + 1}:], ${literal(delimiter)})`)
  } END AS "@raw"
    FROM judged ${JOIN_SOURCE}`;
}

/** What is needed of accepted rows only. */
function ofAccepted(value: string, name: string): string {
  return `CASE WHEN "@fault" IS NULL THEN ${value} END AS ${name}`;
}

/** One of these by the number of a row's first fault. */
function byFault(choices: readonly string[]): string {
  return `CASE "@fault" ${choices.map((choice, i) => `WHEN ${i} THEN ${choice}`).join(" ")} END`;
}

/** The accepted ones of judged rows: every contract column, additional_column, source_key. */
export function acceptedRowsSql(judged: string, header: BoundHeader): string {
  const names = header.columns.map(({ name }) => identifier(name));
  return `SELECT ${names.join(", ")}, additional_column, source_key FROM ${identifier(judged)}
    WHERE "@reason" IS NULL`;
}

/** The rejected ones of judged rows: file_id, line, reason, column, detail, raw. */
export function rejectsSql(judged: string): string {
  return `SELECT "@file" AS file_id, "@line" AS line, "@reason" AS reason, "@column" AS "column", "@detail" AS detail,
      "@raw" AS raw
    FROM ${identifier(judged)} WHERE "@reason" IS NOT NULL`;
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

function rejectRules(contract: Contract): [string, string][] {
  return rulesOf(contract, "reject");
}

function rulesOf(contract: Contract, severity: "reject" | "warn"): [string, string][] {
  return Object.entries(contract.rules)
    .filter(([, rule]) => rule.severity === severity)
    .map(([name, rule]) => [name, rule.check]);
}

function additionalColumn({ extra }: BoundHeader, field: (index: number) => string): string {
  if (extra.length === 0) return "CAST(NULL AS VARCHAR)";
  return `nullif(concat_ws(', ', ${extra.map((index) => `nullif(${field(index)}, '')`).join(", ")}), '')`;
}

/** Every fault that a row can have, in the order in which they are looked for. */
function rowFaults(header: BoundHeader, contract: Contract): Fault[] {
  const faults: Fault[] = [{
    test: `len("@parts") <> ${ROW_HEAD_WIDTH + header.width}`,
    reason: "field_count",
    column: null,
    detail: `len("@parts") - ${ROW_HEAD_WIDTH} || ' fields where the header has ${header.width}'`,
  }];
  for (const { name, type, index } of header.columns) {
    const text = partOf(index);
    faults.push({
      test: type.kind === "text"
        ? `trim(${text}, ${BLANKS}) = ''`
        : `${identifier(name)} IS NULL AND trim(${text}, ${BLANKS}) = ''`,
      reason: "missing_value",
      column: name,
      detail: literal(`${name} is empty`),
    });
    if (type.kind === "text") continue;
    faults.push({
      test: `${identifier(name)} IS NULL`,
      reason: "invalid_value",
      column: name,
      detail: `${literal(`${name}: "`)} || left(${unescapeSql(text)}, ${DETAIL_VALUE_CHARACTERS}) || ${
        literal(`" is not ${describeType(type)}`)
      }`,
    });
  }
  for (const [name, check] of rejectRules(contract)) {
    faults.push({
      test: `NOT ${passes(check)}`,
      reason: "rule",
      column: null,
      detail: literal(`${name}: not ${check}`),
    });
  }
  for (const { column, dimension, reason } of KEY_COLUMNS) {
    faults.push({
      test: `${dimension}."@${dimension}" IS NULL`,
      reason,
      column,
      detail: `${literal(`${column} `)} || ${identifier(column)} || ${
        literal(` is not in the dimension ${dimension}`)
      }`,
    });
  }
  return faults;
}

/** A rule that gives NULL, or overflows, is not passed. */
function passes(check: string): string {
  return `coalesce(TRY((${check})), FALSE)`;
}

function describeType(type: ColumnType): string {
  switch (type.kind) {
    case "integer":
      return "a whole number of 64 bits";
    case "decimal":
      return `an exact decimal(${type.precision},${type.scale})`;
    case "date":
      return "a date of the form YYYY-MM-DD";
    case "text":
      return "text";
  }
}

/** A field of a row whose normalised line is split; still escaped. */
function partOf(index: number): string {
  return `"@parts"[${ROW_HEAD_WIDTH + index + 1}]`;
}

/** The value of a text where it is exact, else NULL. */
function exactValue(text: string, type: ColumnType): string {
  if (type.kind === "text") return text;
  const target = sqlType(type);
  const cast = `TRY_CAST(${text} AS ${target})`;
  const trimmed = `TRY_CAST(trim(${text}, ${BLANKS}) AS ${target})`;
  if (type.kind === "date") {
    // DuckDB also knows infinity, years above 9999 and years BC, which print as they are written; none of them has
    // 10 characters. The year 0000 is 1 BC.
    return `CASE WHEN CAST(${cast} AS VARCHAR) = ${text} AND length(${text}) = 10 THEN ${cast}
      WHEN regexp_full_match(${text}, ${
      literal(datePattern)
    }) AND ${trimmed} >= DATE '0001-01-01' THEN ${trimmed} END`;
  }
  const pattern = type.kind === "integer" ? "[ \\t]*[+-]?[0-9]+[ \\t]*" : decimalPattern(type.scale);
  return `CASE WHEN CAST(${cast} AS VARCHAR) = ${text} THEN ${cast}
    WHEN regexp_full_match(${text}, ${literal(pattern)}) THEN ${trimmed} END`;
}

const datePattern = "[ \\t]*[0-9]{4}-[0-9]{2}-[0-9]{2}[ \\t]*";

/** Any spelling of a decimal that has nothing but zeros beyond its scale. */
function decimalPattern(scale: number): string {
  const fraction = scale === 0 ? "(0+)" : `([0-9]{1,${scale}}0*)`;
  return `[ \\t]*[+-]?([0-9]+([.]${fraction}?)?|[.]${fraction})[ \\t]*`;
}
