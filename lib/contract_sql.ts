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
import { unescapeSql } from "./csv_normalise.ts";
import { FIELD_SEPARATOR } from "./csv_marks.ts";
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
  /** A row that matches {@linkcode spelledPattern} does not have it. */
  readonly isOfSpelling: boolean;
}

/** Values quoted in a reject's detail are cut to this many characters; the raw text has them whole. */
const DETAIL_VALUE_CHARACTERS = 100;
const BLANKS = "' ' || chr(9)";

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

/**
 * Accepted rows of a text relation: every contract column, additional_column, source_key.
 *
 * @param relation Has the columns of {@linkcode textColumns}, and `filename`, which the view `source` maps to
 * `source_key`.
 */
export function acceptedSql(relation: string, header: BoundHeader, contract: Contract): string {
  const field = (index: number) => identifier(`@${index}`);
  return acceptedFrom(relation, header, contract, field, "TRUE");
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
 * @param relation Has the columns of {@linkcode textColumns}, typed, and `source_key`.
 */
export function provenSql(relation: string, header: BoundHeader, contract: Contract): string {
  const names = header.columns.map(({ name }) => identifier(name));
  const rules = Object.values(contract.rules).filter((rule) => rule.severity === "reject");
  return `
    WITH typed AS (
      SELECT ${
    header.columns.map(({ name, index }) => `${identifier(`@${index}`)} AS ${identifier(name)}`).join(", ")
  },
        ${additionalColumn(header, (index) => identifier(`@${index}`))} AS additional_column, source_key
      FROM ${identifier(relation)}
    )
    SELECT ${names.join(", ")}, additional_column, source_key FROM typed
    WHERE ${
    [...names.map((name) => `${name} IS NOT NULL`), ...rules.map((rule) => passes(rule.check))].join(" AND ")
  }`;
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

/** The same of a relation of checked rows; see {@linkcode regularRowsSql}. */
export function acceptedRowsSql(relation: string, header: BoundHeader, contract: Contract): string {
  return acceptedFrom(relation, header, contract, listField, `len("@f") = ${header.width}`);
}

/**
 * Rejected rows of a relation of checked rows: file_id, line, reason, column, detail, raw.
 *
 * @param plainDelimiter Where the raw text is the fields with this character between them, as in regular files: most of
 * their rows match one pattern as a whole, which costs a tenth of looking at each value; `null` elsewhere.
 */
export function rejectsSql(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  plainDelimiter: string | null = null,
): string {
  const faults = rowFaults(header, contract);
  const pattern = plainDelimiter === null ? null : spelledPattern(header, plainDelimiter);
  const spelled = pattern === null ? "FALSE" : `regexp_full_match(r."@raw", ${literal(pattern)})`;
  const test = (only: (fault: Fault) => boolean) =>
    faults.map((fault, i) => only(fault) ? `WHEN ${fault.test} THEN ${i}` : "").join(" ");
  const choose = (pick: (fault: Fault) => string) =>
    `CASE "@fault" ${faults.map((fault, i) => `WHEN ${i} THEN ${pick(fault)}`).join(" ")} END`;
  return `
    WITH spelled AS (
      SELECT s.file_id AS "@file_id", r."@line", r."@raw", r."@f", ${spelled} AS "@spelled"
      FROM ${identifier(relation)} r JOIN source s ON r.filename = s.filename
    ), typed AS (
      SELECT "@file_id", "@line", "@raw", "@f", "@spelled", ${
    header.columns.map(({ name, type, index }) => {
      const text = listField(index);
      const plain = type.kind === "text" ? text : `TRY_CAST(${text} AS ${sqlType(type)})`;
      return `CASE WHEN "@spelled" THEN ${plain} ELSE ${exactValue(text, type)} END AS ${identifier(name)}`;
    }).join(", ")
  }
      FROM spelled
    ), judged AS (
      SELECT typed.*, CASE WHEN "@spelled" THEN CASE ${test((fault) => !fault.isOfSpelling)} END
        ELSE CASE ${test(() => true)} END END AS "@fault"
      FROM typed ${
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `LEFT JOIN (SELECT ${key} AS "@${dimension}" FROM ${dimension}) ${dimension}
         ON typed.${identifier(column)} = ${dimension}."@${dimension}"`
    ).join(" ")
  }
    )
    SELECT "@file_id" AS file_id, "@line" AS line, ${choose((fault) => literal(fault.reason))} AS reason,
      ${choose((fault) => fault.column === null ? "NULL" : literal(fault.column))} AS "column",
      ${choose((fault) => fault.detail)} AS detail, "@raw" AS raw
    FROM judged WHERE "@fault" IS NOT NULL`;
}

/**
 * Checked rows of regular files, from their numbered lines: filename, `@line`, `@raw`, `@f` (the fields as a list).
 *
 * @param lines Has `line_number`, `@text`, and `filename`, which `source` maps to `first_row`, the number of its first
 * row among those of all files.
 */
export function regularRowsSql(lines: string, delimiter: string): string {
  // The header is line 1 of a regular file.
  return `SELECT l.filename, l.line_number - s.first_row + 2 AS "@line", l."@text" AS "@raw",
      string_split(l."@text", ${literal(delimiter)}) AS "@f"
    FROM ${identifier(lines)} l JOIN source s ON l.filename = s.filename`;
}

/** The same of normalised files, whose lines carry number and raw text; see {@link ./csv_normalise.ts}. */
export function normalisedRowsSql(lines: string, delimiter: string): string {
  return `
    WITH parts AS (
      SELECT filename, string_split("@text", chr(${FIELD_SEPARATOR.charCodeAt(0)})) AS parts FROM ${
    identifier(lines)
  }
    ), fields AS (
      SELECT filename, CAST(parts[1] AS BIGINT) AS "@line", ${unescapeSql("parts[2]")} AS raw,
        list_transform(parts[3:], lambda part: ${unescapeSql("part")}) AS "@f"
      FROM parts
    )
    SELECT filename, "@line", CASE WHEN raw = '' THEN array_to_string("@f", ${
    literal(delimiter)
  }) ELSE raw END AS "@raw",
      "@f"
    FROM fields`;
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
  return Object.entries(contract.rules)
    .filter(([, rule]) => rule.severity === "warn")
    .map(([name, rule]) => [name, rule.check]);
}

function acceptedFrom(
  relation: string,
  header: BoundHeader,
  contract: Contract,
  field: (index: number) => string,
  wellFormed: string,
): string {
  const names = header.columns.map(({ name }) => identifier(name));
  const valid = header.columns.map(({ name, type }) =>
    type.kind === "text" ? `trim(${identifier(name)}, ${BLANKS}) <> ''` : `${identifier(name)} IS NOT NULL`
  );
  const rules = Object.values(contract.rules).filter((rule) => rule.severity === "reject");
  // A row that does not pass has no key, so that it finds no partner. As a filter the same conditions would be pushed
  // below the casts that they need, which would then be done twice.
  const [first] = KEY_COLUMNS;
  return `
    WITH typed AS (
      SELECT ${typedColumns(header, field)},
        ${additionalColumn(header, field)} AS additional_column,
        s.source_key
      FROM ${identifier(relation)} r JOIN source s ON r.filename = s.filename
      WHERE ${wellFormed}
    ), keyed AS (
      SELECT *, CASE WHEN ${[...valid, ...rules.map((rule) => passes(rule.check))].join(" AND ")}
        THEN ${identifier(first.column)} END AS "@key"
      FROM typed
    )
    SELECT ${names.join(", ")}, additional_column, source_key FROM keyed
    ${
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `SEMI JOIN (SELECT ${key} AS "@${dimension}" FROM ${dimension}) ${dimension}
        ON keyed.${column === first.column ? '"@key"' : identifier(column)} = ${dimension}."@${dimension}"`
    ).join(" ")
  }`;
}

function additionalColumn({ extra }: BoundHeader, field: (index: number) => string): string {
  if (extra.length === 0) return "CAST(NULL AS VARCHAR)";
  return `nullif(concat_ws(', ', ${extra.map((index) => `nullif(${field(index)}, '')`).join(", ")}), '')`;
}

/** Wider rows make a pattern that takes longer than it saves. */
const WIDEST_PATTERN = 100;

/** What {@linkcode ./csv_spelling.ts} proves of a row, as a pattern of the whole; `null` where there is none. */
function spelledPattern({ columns, width }: BoundHeader, delimiter: string): string | null {
  if (width > WIDEST_PATTERN) return null;
  const other = `[^\\x{${delimiter.charCodeAt(0).toString(16)}}]`;
  const fields: string[] = new Array(width).fill(`${other}*`);
  for (const { type, index } of columns) {
    const pattern = spelledValue(type, other);
    if (pattern === null) return null;
    fields[index] = pattern;
  }
  return fields.join(`\\x{${delimiter.charCodeAt(0).toString(16)}}`);
}

function spelledValue(type: ColumnType, other: string): string | null {
  switch (type.kind) {
    case "integer":
      return "-?[0-9]{1,18}";
    case "date":
      return "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}";
    case "decimal": {
      const { precision, scale } = type;
      if (precision === scale) return null;
      return `-?[0-9]{1,${precision - scale}}${scale > 0 ? `(?:[.][0-9]{1,${scale}})?` : ""}`;
    }
    case "text":
      return `${other}*${other.replace("]", " \\t]")}${other}*`;
  }
}

/** Every fault that a row can have, in the order in which they are looked for. */
function rowFaults(header: BoundHeader, contract: Contract): Fault[] {
  const faults: Fault[] = [{
    test: `len("@f") <> ${header.width}`,
    reason: "field_count",
    column: null,
    detail: `len("@f") || ' fields where the header has ${header.width}'`,
    isOfSpelling: true,
  }];
  for (const { name, type, index } of header.columns) {
    const text = listField(index);
    faults.push({
      test: `trim(${text}, ${BLANKS}) = ''`,
      reason: "missing_value",
      column: name,
      detail: literal(`${name} is empty`),
      isOfSpelling: true,
    });
    if (type.kind === "text") continue;
    faults.push({
      test: `${identifier(name)} IS NULL`,
      reason: "invalid_value",
      column: name,
      detail: `${literal(`${name}: "`)} || left(${text}, ${DETAIL_VALUE_CHARACTERS}) || ${
        literal(`" is not ${describeType(type)}`)
      }`,
      // Digits in the form of a date may be no day.
      isOfSpelling: type.kind !== "date",
    });
  }
  for (const [name, rule] of Object.entries(contract.rules)) {
    if (rule.severity !== "reject") continue;
    faults.push({
      test: `NOT ${passes(rule.check)}`,
      reason: "rule",
      column: null,
      detail: literal(`${name}: not ${rule.check}`),
      isOfSpelling: false,
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
      isOfSpelling: false,
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

function listField(index: number): string {
  return `"@f"[${index + 1}]`;
}

function typedColumns(header: BoundHeader, field: (index: number) => string): string {
  return header.columns.map(({ name, type, index }) =>
    `${exactValue(field(index), type)} AS ${identifier(name)}`
  )
    .join(", ");
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
