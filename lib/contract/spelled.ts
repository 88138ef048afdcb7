/**
 * Numbers and dates of a declared form as SQL: rewritten as the default form has them, which is what is judged then.
 *
 * A text that is not written like the form becomes NULL, also one that the default form would take: a sender who declares
 * `%d/%m/%Y` and writes `2023-03-01` has changed something.
 *
 * @module
 */
import { DEFAULT_DATE_FORMAT, escapePattern, parseDateFormat } from "./date_format.ts";
import type { FileForm } from "./form.ts";
import { BLANKS } from "./row_sql.ts";
import type { ColumnType } from "../column_type.ts";
import { literal } from "../sql.ts";

/** Whether values of a type have a form of their own. */
export function isSpelledOtherwise(type: ColumnType, form: FileForm): boolean {
  switch (type.kind) {
    case "date":
      return (form.dateFormat ?? DEFAULT_DATE_FORMAT) !== DEFAULT_DATE_FORMAT;
    case "decimal":
      return form.decimalComma || form.thousands !== undefined;
    case "integer":
      return form.thousands !== undefined;
    case "text":
      return false;
  }
}

/** A value of a type that is spelled otherwise, as the default form writes it. */
export function defaultSpellingSql(text: string, type: ColumnType, form: FileForm): string {
  const trimmed = `trim(${text}, ${BLANKS})`;
  const isDate = type.kind === "date";
  const pattern = isDate
    ? parseDateFormat(form.dateFormat ?? DEFAULT_DATE_FORMAT).pattern
    : numberPattern(type, form);
  return `CASE WHEN regexp_full_match(${trimmed}, ${literal(pattern)})
    THEN ${isDate ? dateSql(trimmed, form) : numberSql(trimmed, type, form)} END`;
}

function dateSql(text: string, { dateFormat = DEFAULT_DATE_FORMAT }: FileForm): string {
  const { pattern, parts } = parseDateFormat(dateFormat);
  const part = (name: (typeof parts)[number]) =>
    `regexp_extract(${text}, ${literal(`^${pattern}$`)}, ${1 + parts.indexOf(name)})`;
  return `${part("Y")} || '-' || lpad(${part("m")}, 2, '0') || '-' || lpad(${part("d")}, 2, '0')`;
}

function numberSql(text: string, type: ColumnType, { thousands, decimalComma }: FileForm): string {
  const joined = thousands === undefined ? text : `replace(${text}, ${literal(thousands)}, '')`;
  return decimalComma && type.kind === "decimal" ? `replace(${joined}, ',', '.')` : joined;
}

/**
 * What a number looks like. Groups have three digits, but the first, which does not begin with 0: `0.500` with a point
 * between thousands is half of something that was written in another form.
 */
export function numberPattern(type: ColumnType, { thousands, decimalComma }: FileForm): string {
  const between = thousands === undefined ? null : escapePattern(thousands);
  const whole = between === null ? "[0-9]+" : `([0-9]+|[1-9][0-9]{0,2}(${between}[0-9]{3})+)`;
  const mark = decimalComma ? "," : "[.]";
  return `[+-]?(${type.kind === "integer" ? whole : `${whole}(${mark}[0-9]*)?|${mark}[0-9]+`})`;
}

/** A type with its form in words, as in "is not a whole number of 64 bits". */
export function describeSpelling(type: ColumnType, form: FileForm): string {
  if (type.kind === "date") {
    const { dateFormat = DEFAULT_DATE_FORMAT } = form;
    return `a date of the form ${dateFormat === DEFAULT_DATE_FORMAT ? "YYYY-MM-DD" : dateFormat}`;
  }
  const marks = isSpelledOtherwise(type, form) ? marksOf(type, form) : "";
  if (type.kind === "integer") return `a whole number of 64 bits${marks}`;
  return type.kind === "decimal" ? `an exact decimal(${type.precision},${type.scale})${marks}` : "text";
}

/** How such numbers are written, in words. */
function marksOf(type: ColumnType, { thousands, decimalComma }: FileForm): string {
  const marks = [
    ...type.kind === "decimal" && decimalComma ? ["a decimal comma"] : [],
    ...thousands === undefined ? [] : [`"${thousands}" between thousands at most`],
  ];
  return ` with ${marks.join(" and ")}`;
}
