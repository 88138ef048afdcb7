/**
 * Section "Contract" of the design once more, in the plainest way and independent of the product: what must become of
 * each file of a delivery.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { Settings } from "./delivery.ts";
import { DIMENSION_KEYS } from "./dimensions.ts";
import { type Expectation, type Fault, isTooMany, type OpenRow, type Sale } from "./expectation.ts";
import { decodeText, fits, readDate, readNumber } from "./reference_form.ts";
import { type Dialect, type ReadRow, readRows } from "./reference_reader.ts";
import type { SourceEntry } from "./sender.ts";

/** A file as delivered. */
export interface Delivered {
  readonly bytes: Uint8Array;
  /** What is in it, uncompressed; `null` where it is no whole gzip file. */
  readonly content: Uint8Array | null;
}

/** A value: text, a date as text, a whole number, or a decimal in units of its last place. */
type Value = string | bigint;
/** The values of a row by column. */
type Values = Readonly<Record<string, Value>>;

interface Rule {
  readonly check: string;
  readonly severity: "reject" | "warn";
}

const DEFAULT_CONTRACT = {
  columns: {
    customer_id: "integer",
    store_id: "integer",
    product_name: "text",
    sales_date: "date",
    sales_person_id: "integer",
    price: "decimal(10,2)",
    quantity: "integer",
    total_cost: "decimal(18,2)",
  } as Readonly<Record<string, string>>,
  rules: {
    quantity_positive: { check: "quantity > 0", severity: "reject" },
    price_not_negative: { check: "price >= 0", severity: "reject" },
    total_matches: { check: "total_cost = price * quantity", severity: "warn" },
  } as Readonly<Record<string, Rule>>,
  maxRejectedShare: 0.1,
  minRejectsForShare: 10,
};

const DEFAULT_CSV = {
  delimiter: ",",
  quote: '"',
  maxRowBytes: 1_048_576,
  maxColumns: 2000,
  maxFileBytes: 68_719_476_736,
};

type Contract = typeof DEFAULT_CONTRACT;

/** What the rules that are used here mean; `null` where SQL gives NULL or overflows. */
const RULES: Readonly<Record<string, (values: Values) => boolean | null>> = {
  "quantity > 0": ({ quantity }) => Number(quantity) > 0,
  "price >= 0": ({ price }) => Number(price) >= 0,
  "total_cost = price * quantity": ({ total_cost, price, quantity }) =>
    total_cost === BigInt(price ?? 0) * BigInt(quantity ?? 0),
  "quantity * quantity >= 0": ({ quantity }) => inBigint(BigInt(quantity ?? 0) ** 2n) ? true : null,
  "CASE WHEN quantity = 3 THEN NULL ELSE quantity END > 0": ({ quantity }) =>
    quantity === 3n ? null : Number(quantity) > 0,
  "product_name NOT LIKE 'p%' OR quantity BETWEEN 1 AND 5": ({ product_name, quantity }) =>
    !String(product_name).startsWith("p") || (Number(quantity) >= 1 && Number(quantity) <= 5),
  "store_id IN (121, 9)": ({ store_id }) => store_id === 121n || store_id === 9n,
  "sales_date >= DATE '2023-01-01'": ({ sales_date }) => String(sales_date) >= "2023-01-01",
};

const KEY_COLUMNS = [
  ["customer_id", "customer"],
  ["store_id", "store"],
  ["sales_person_id", "sales_team"],
] as const;

/** What must become of each file, by name. */
export function judgeDelivery(
  files: ReadonlyMap<string, Delivered>,
  settings: Settings,
): Map<string, Expectation> {
  const expected = new Map<string, Expectation>();
  const taken = new Map<string, Judgement>();
  const byName = [...files].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const [name, { content }] of byName) {
    const kind = kindOf(name);
    if (kind !== "csv" || content === null) {
      const reason = kind === "unsupported" ? "unsupported_type" : "bad_gzip";
      expected.set(name, kind === "left_alone" ? null : { status: "rejected", reason });
      continue;
    }
    const text = Buffer.from(content).toString("latin1");
    const source = settings.sources?.find(({ match }) => fits(name, match)) ?? null;
    const found = taken.get(text) ?? judgeContent(content, settings, source);
    expected.set(name, found);
    const twin = found.status === "read" ? twinOf(found) : null;
    if (twin) taken.set(text, twin);
  }
  return expected;
}

/** What a name says: whether it is a file of rows, compressed or not, or none. */
function kindOf(name: string): "csv" | "unsupported" | "left_alone" {
  const isHidden = name.split("/").some((segment) => segment.startsWith("."));
  if (isHidden || /\.(part|tmp)$/i.test(name)) return "left_alone";
  return /\.csv(\.gz)?$/i.test(name) ? "csv" : "unsupported";
}

/** What becomes of later files with the same content; `null` where they are judged too. */
function twinOf({ sales, faults, open, limits }: Extract<Expectation, { status: "read" }>): Judgement | null {
  const rowsRead = sales.length + faults.length + open.length;
  if (rowsRead === 0 || isTooMany(faults.length, rowsRead, limits)) return null;
  return { status: isTooMany(faults.length + open.length, rowsRead, limits) ? "open" : "duplicate" };
}

type Judgement = Exclude<Expectation, null>;

/** How a file is written that no source is for. */
const DEFAULT_SOURCE: SourceEntry = { match: "" };

/** What must become of a file with this content, of a source or of none. */
export function judgeContent(
  content: Uint8Array,
  settings: Settings,
  source: SourceEntry | null = null,
): Judgement {
  const { encoding = "utf-8", skipLines = 0, header: declared, ...form } = source ?? DEFAULT_SOURCE;
  const { delimiter, quote } = form;
  const csv = {
    ...DEFAULT_CSV,
    ...settings.csv,
    ...delimiter === undefined ? {} : { delimiter },
    ...quote === undefined ? {} : { quote },
  };
  const contract: Contract = { ...DEFAULT_CONTRACT, ...settings.contract };
  const reject = (reason: string) => ({ status: "rejected", reason }) as const;
  if (content.length === 0) return reject("empty_file");
  if (content.length > csv.maxFileBytes) return reject("too_large");
  const decoded = decodeText(content, encoding);
  if (decoded === null) return reject(encoding === "utf-8" ? "not_utf8" : "bad_encoding");
  const text = Buffer.from(decoded).toString("latin1");
  const { rows: all, malformedLine } = readRows(text, csv, skipLines);
  const [header] = all, rows = declared === undefined ? all.slice(1) : all;
  const malformed = malformedLine === null
    ? null
    : { status: "rejected", reason: "malformed_csv", line: malformedLine } as const;
  if (header === undefined) return malformed ?? reject("empty_file");
  if (declared === undefined && header.isOpen) return { status: "open" };
  const given = (declared ?? header.fields.map(decode)).map((name) => trimBlanks(name).toLowerCase());
  const names = given.map((name) => renamed(name, form).toLowerCase());
  if (names.length > csv.maxColumns) return reject("too_many_columns");
  const repeated = new Set(names.filter((name, i) => name !== "" && names.indexOf(name) < i));
  if (repeated.size > 0) return { ...reject("duplicate_column"), columns: [...repeated] };
  const missing = Object.keys(contract.columns).filter((column) => !names.includes(column.toLowerCase()));
  if (missing.length > 0) return { ...reject("missing_columns"), columns: missing };
  const { sales, second } = withoutHeaders(rows, given, csv);
  if (second !== null) return { status: "rejected", reason: "malformed_csv", line: second };
  return malformed ??
    { ...judgeRows(sales, names, contract, form), repeatedHeaders: rows.length - sales.length };
}

/** What the contract calls a column that a sender calls so. */
function renamed(name: string, { rename = {} }: Partial<SourceEntry>): string {
  const found = Object.entries(rename).find(([from]) => trimBlanks(from).toLowerCase() === name);
  return found?.[1] ?? name;
}

/** The rows that are not the header again; or the line at which its names come again in another order. */
function withoutHeaders(
  rows: readonly ReadRow[],
  names: readonly string[],
  csv: Dialect,
): { readonly sales: readonly ReadRow[]; readonly second: number | null } {
  const sales: ReadRow[] = [];
  for (const row of rows) {
    // A byte order mark is no part of what it stands before.
    const { rows: [read], malformedLine } = readRows(row.raw, csv);
    const found =
      read !== undefined && malformedLine === null && read.raw.length >= row.raw.length - 3 && !read.isOpen
        ? read.fields.map((name) => trimBlanks(decode(name)).toLowerCase())
        : [];
    if (found.join("\n") === names.join("\n") && found.length === names.length) continue;
    if (found.length === names.length && isDeepStrictEqual(found.toSorted(), names.toSorted())) {
      return { sales, second: row.line };
    }
    sales.push(row);
  }
  return { sales, second: null };
}

function judgeRows(
  rows: readonly ReadRow[],
  names: readonly string[],
  contract: Contract,
  form: Partial<SourceEntry>,
): Omit<Extract<Judgement, { status: "read" }>, "repeatedHeaders"> {
  const sales: Sale[] = [], faults: Fault[] = [], open: OpenRow[] = [];
  for (const { line, raw: rawBytes, fields, isOpen } of rows) {
    const raw = decode(rawBytes);
    const found = judgeRow(fields.map(decode), names, contract, form);
    if (isOpen) open.push({ line, raw });
    else if ("values" in found) sales.push(found);
    else faults.push({ line, raw, ...found });
  }
  const { maxRejectedShare, minRejectsForShare } = contract;
  return { status: "read", sales, faults, open, limits: { maxRejectedShare, minRejectsForShare } };
}

function judgeRow(
  fields: readonly string[],
  names: readonly string[],
  contract: Contract,
  form: Partial<SourceEntry>,
): Sale | Omit<Fault, "line" | "raw"> {
  if (fields.length !== names.length) return { reason: "field_count", column: "" };
  const values: Record<string, Value> = {};
  const bound = new Set<number>();
  for (const [column, type] of Object.entries(contract.columns)) {
    const index = names.indexOf(column.toLowerCase());
    bound.add(index);
    const text = fields[index] ?? "";
    if (trimBlanks(text) === "") return { reason: "missing_value", column };
    const value = readValue(text, type, form);
    if (value === null) return { reason: "invalid_value", column };
    values[column] = value;
  }
  const rules = Object.entries(contract.rules).filter(([, { check }]) => !passes(check, values));
  const broken = rules.find(([, { severity }]) => severity === "reject");
  if (broken) return { reason: "rule", column: "", rule: broken[0] };
  const isKnown = (dimension: keyof typeof DIMENSION_KEYS, value: Value | undefined) =>
    new Set<string | null>(DIMENSION_KEYS[dimension]).has(String(value));
  const unknown = KEY_COLUMNS.find(([column, dimension]) => !isKnown(dimension, values[column]));
  if (unknown) return { reason: `unknown_${unknown[0]}`, column: unknown[0] };
  const extra = fields.filter((value, i) => value !== "" && !bound.has(i));
  return {
    values: [
      ...Object.entries(contract.columns).map(([column, type]) => printValue(values[column] ?? "", type)),
      extra.length > 0 ? extra.join(", ") : null,
    ],
    warnings: [
      ...rules.map(([name]) => name),
      ...(isKnown("product", values.product_name) ? [] : ["unknown_product"]),
    ],
  };
}

function passes(check: string, values: Values): boolean {
  const rule = RULES[check];
  if (rule === undefined) throw new RangeError(`The reference does not know the rule ${check}`);
  return rule(values) === true;
}

/** The value of a field; `null` if it is not exactly one of the type, or not written like it. */
function readValue(text: string, type: string, form: Partial<SourceEntry>): Value | null {
  if (type === "text") return text;
  const { dateFormat = "%Y-%m-%d", decimalComma = false, thousands } = form;
  const given = trimBlanks(text);
  if (type === "date") {
    const date = readDate(given, dateFormat);
    return date !== null && isDate(date) ? date : null;
  }
  const isWhole = type === "integer";
  const trimmed = readNumber(given, { mark: isWhole ? null : decimalComma ? "," : ".", thousands });
  if (trimmed === null) return null;
  if (isWhole) {
    if (!/^[+-]?[0-9]+$/.test(trimmed)) return null;
    const value = BigInt(trimmed.replace("+", ""));
    return inBigint(value) ? value : null;
  }
  const [precision = 0, scale = 0] = digitsOf(type);
  const [, sign, whole = "", fraction = ""] = /^([+-]?)([0-9]*)\.?([0-9]*)$/.exec(trimmed) ?? [];
  if (sign === undefined || whole + fraction === "" || /[1-9]/.test(fraction.slice(scale))) return null;
  const units = BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
  return units >= 10n ** BigInt(precision) ? null : sign === "-" ? -units : units;
}

/** Precision and scale. */
function digitsOf(type: string): number[] {
  return (type.match(/\d+/g) ?? []).map(Number);
}

function inBigint(value: bigint): boolean {
  return value >= -(2n ** 63n) && value < 2n ** 63n;
}

function isDate(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) return false;
  const [year = 0, month = 0, day = 0] = text.split("-").map(Number);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return year >= 1 && day >= 1 && day <= days;
}

/** A value as the tests' DuckDB prints it. */
function printValue(value: Value, type: string): string {
  const [precision = 0, scale = 0] = digitsOf(type);
  if (!type.startsWith("decimal") || scale === 0) return String(value);
  const units = BigInt(value);
  const sign = units < 0n ? "-" : "";
  // Where all digits are behind the point, none stands before it.
  const digits = String(units < 0n ? -units : units).padStart(scale + (precision > scale ? 1 : 0), "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}

function decode(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
