/**
 * The contract as SQL, for doubtful rows: which of them are accepted, and the first fault of the others.
 *
 * A value counts only if its text stands for it exactly. Casting alone rounds (`CAST('1.5' AS BIGINT)` is 2), so a cast is
 * believed if its result prints as the text it came from; every other text must match the pattern of its type first.
 * Nearly all values take the first way, which costs a fifth of a pattern.
 *
 * @module
 */
import type { BoundColumn, BoundHeader } from "./header.ts";
import { DEFAULT_FORM, type FileForm } from "./form.ts";
import { additionalColumn, BLANKS, JOIN_SOURCE, ROW_HEAD_WIDTH, SEPARATOR } from "./row_sql.ts";
import { passes, rulesOf } from "./rules.ts";
import { defaultSpellingSql, describeSpelling, isSpelledOtherwise } from "./spelled.ts";
import { unescapeSql } from "../csv/normalised.ts";
import { type ColumnType, sqlType } from "../column_type.ts";
import type { Contract } from "./schema.ts";
import { DETAIL_CHARACTERS } from "../source_file.ts";
import { identifier, literal } from "../sql.ts";

/** A fault that a row can have. */
interface Fault {
  /** Whether a row has it, as SQL. */
  readonly test: string;
  readonly reason: string;
  /** The column that it is about. */
  readonly column: string | null;
  /** The fault in words, as SQL. */
  readonly detail: string;
}

/** Values quoted in a reject's detail are cut to this many characters; the raw text has them whole. */
const DETAIL_VALUE_CHARACTERS = 100;

/** How the rows are written that are judged. */
export interface JudgedForm {
  /** The delimiter of the source files. */
  readonly delimiter: string;
  /** Left out: the default form. */
  readonly form?: FileForm;
}

/**
 * Rows of normalised files, each value looked at: source_key, `@file` and `@line`; the contract's columns and
 * additional_column of those that are accepted; `@reason`, `@column`, `@detail` and `@raw` of those that are rejected.
 *
 * @param lines A SELECT of the lines as `@text`.
 */
export function judgedSql(
  lines: string,
  header: BoundHeader,
  contract: Contract,
  { delimiter, form = DEFAULT_FORM }: JudgedForm,
): string {
  const faults = rowFaults(header, contract, form);
  const otherwise = header.columns.filter(({ type }) => isSpelledOtherwise(type, form));
  const valueOf = (column: BoundColumn) =>
    otherwise.includes(column) ? identifier(`@${column.index}`) : partOf(column.index);
  const text = (index: number) => unescapeSql(partOf(index));
  return `
    WITH "@split" AS (
      SELECT string_split("@text", ${SEPARATOR}) AS "@parts" FROM (${lines})
    ), "@spelled" AS (
      SELECT ${
    [
      '"@parts"',
      ...otherwise.map(({ index, type }) =>
        `${defaultSpellingSql(partOf(index), type, form)} AS ${identifier(`@${index}`)}`
      ),
    ].join(", ")
  } FROM "@split"
    ), "@typed" AS (
      SELECT CAST("@parts"[1] AS BIGINT) AS "@file", CAST("@parts"[2] AS BIGINT) AS "@line", "@parts", ${
    header.columns.map((column) => {
      const { name, type, index } = column;
      return `${type.kind === "text" ? text(index) : exactValue(valueOf(column), type)} AS ${
        identifier(name)
      }`;
    }).join(", ")
  }, ${additionalColumn(header, text)} AS "@additional"
      FROM "@spelled"
    ), "@judged" AS (
      SELECT "@typed".*, CASE ${
    faults.map(({ test }, i) => `WHEN ${test} THEN ${i}`).join(" ")
  } END AS "@fault"
      FROM "@typed" ${
    contract.keys.map(({ column, dimension, key }, i) =>
      `LEFT JOIN (SELECT ${identifier(key)} AS "@key" FROM ${identifier(dimension)}) "@keys${i}"
         ON "@typed".${identifier(column)} = "@keys${i}"."@key"`
    ).join(" ")
  }
    )
    SELECT ${header.columns.map(({ name }) => ofAccepted(identifier(name), identifier(name))).join(", ")},
      ${ofAccepted('"@additional"', "additional_column")}, "@key" AS source_key, "@file", "@line",
      ${byFault(faults.map(({ reason }) => literal(reason)))} AS "@reason",
      ${byFault(faults.map(({ column }) => column === null ? "NULL" : literal(column)))} AS "@column",
      left(${byFault(faults.map(({ detail }) => detail))}, ${DETAIL_CHARACTERS}) AS "@detail",
      CASE WHEN "@fault" IS NULL THEN NULL WHEN "@parts"[${ROW_HEAD_WIDTH}] <> ''
        THEN ${unescapeSql(`"@parts"[${ROW_HEAD_WIDTH}]`)}
        ELSE ${
    unescapeSql(`array_to_string("@parts"[${ROW_HEAD_WIDTH + 1}:], ${literal(delimiter)})`)
  } END AS "@raw"
    FROM "@judged" ${JOIN_SOURCE}`;
}

/** A column that only accepted rows have: rejected ones have their raw text. */
function ofAccepted(value: string, name: string): string {
  return `CASE WHEN "@fault" IS NULL THEN ${value} END AS ${name}`;
}

/** Chooses by the number of a row's first fault. */
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

/** Every fault that a row can have, in the order in which they are looked for. */
function rowFaults(header: BoundHeader, contract: Contract, form: FileForm): Fault[] {
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
        literal(`" is not ${describeSpelling(type, form)}`)
      }`,
    });
  }
  for (const [name, check] of rulesOf(contract, "reject")) {
    faults.push({
      test: `NOT ${passes(check)}`,
      reason: "rule",
      column: null,
      detail: literal(`${name}: not ${check}`),
    });
  }
  for (const [i, { column, dimension, isText, reason }] of contract.keys.entries()) {
    const value = isText
      ? `'"' || left(${identifier(column)}, ${DETAIL_VALUE_CHARACTERS}) || '"'`
      : identifier(column);
    faults.push({
      test: `"@keys${i}"."@key" IS NULL`,
      reason,
      column,
      detail: `${literal(`${column} `)} || ${value} || ${literal(` is not in the dimension ${dimension}`)}`,
    });
  }
  return faults;
}

/** A field of a row whose normalised line is split; still escaped. */
function partOf(index: number): string {
  return `"@parts"[${ROW_HEAD_WIDTH + index + 1}]`;
}

/** The value that a text stands for exactly, as SQL; NULL if there is none. */
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
