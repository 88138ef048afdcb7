/**
 * Other settings: delimiters and quotes, rules, and a contract with columns of its own.
 *
 * @module
 */
import { COLUMNS, fault, GOOD, type HostileCase, open, plain, read, rejected, row, sale, type Texts } from "./spelling.ts";

/** Delimiter and quote of {@linkcode SEMICOLONS}. */
export const SEMICOLON = { delimiter: ";", quote: "'" };
/** Delimiter of {@linkcode TABS}. */
export const TAB = { delimiter: "\t" };
/** Delimiter and quote of {@linkcode SIGNS}, which mean something in patterns. */
export const SIGN = { delimiter: "|", quote: "^" };

function separated(delimiter: string, ...lines: readonly string[]): string {
  return [COLUMNS.join(","), ...lines].map((line) => `${line.replaceAll(",", delimiter)}\n`).join("");
}

/** What holds for each pair of delimiter and quote. */
function dialect({ delimiter, quote = '"' }: { delimiter: string; quote?: string }): HostileCase[] {
  const as = (text: string) => text.replaceAll(",", delimiter);
  const unknown = (product_name: string) => sale({ product_name }, { warnings: ["unknown_product"] });
  const text = (name: string, written: string, product_name: string) =>
    plain(
      `${name}: ${written}`,
      separated(delimiter, row({ product_name: "?" })).replace("?", written),
      read(unknown(product_name)),
    );
  const BAD = as(row({ quantity: "0" }));
  return [
    plain(
      "rows are read",
      separated(delimiter, row(), row({ quantity: "0" })),
      read(sale(), fault(3, "rule", "quantity_positive", BAD)),
    ),
    plain(
      "rows are read, with CRLF",
      separated(delimiter, row(), row({ quantity: "0" })).replaceAll("\n", "\r\n"),
      read(sale(), fault(3, "rule", "quantity_positive", BAD)),
    ),
    plain(
      "the usual delimiter lacks all columns",
      `${COLUMNS}\n${row()}\n`,
      rejected("missing_columns", { columns: COLUMNS }),
    ),
    plain(
      "surplus empty fields are too many",
      separated(delimiter, `${row()},`, `${row()},,`, row()),
      read(
        fault(2, "field_count", "", as(`${row()},`)),
        fault(3, "field_count", "", as(`${row()},,`)),
        sale(),
      ),
    ),
    text("a quoted field", `${quote}x${quote}`, "x"),
    text("a quoted delimiter", `${quote}x${delimiter}y${quote}`, `x${delimiter}y`),
    text("a doubled quote", `${quote}x${quote}${quote}${quote}`, `x${quote}`),
    text("a quoted line end", `${quote}x\ny${quote}`, "x\ny"),
    ...quote === '"' ? [] : [text("another quote is text", 'x"y"', 'x"y"')],
    ...delimiter === "," ? [] : [text("a comma is text", "x,y", "x,y")],
    plain(
      "a stray quote is open",
      separated(delimiter, row({ product_name: `x${quote}` }), row()),
      read(open(2, as(row({ product_name: `x${quote}` }))), sale()),
    ),
    plain(
      "a quote never closed",
      separated(delimiter, row({ product_name: `${quote}x` })),
      rejected("malformed_csv", { line: 2 }),
    ),
  ];
}

/** To be delivered with the settings of {@linkcode SEMICOLON}. */
export const SEMICOLONS: readonly HostileCase[] = dialect(SEMICOLON);
/** To be delivered with the settings of {@linkcode TAB}. */
export const TABS: readonly HostileCase[] = dialect(TAB);
/** To be delivered with the settings of {@linkcode SIGN}. */
export const SIGNS: readonly HostileCase[] = dialect(SIGN);

/** Rules of {@linkcode RULE_CASES}, in this order. */
export const RULES = {
  square: { check: "quantity * quantity >= 0", severity: "reject" },
  noted: { check: "quantity > 0", severity: "warn" },
  not_three: { check: "CASE WHEN quantity = 3 THEN NULL ELSE quantity END > 0", severity: "reject" },
  few_pears: { check: "product_name NOT LIKE 'p%' OR quantity BETWEEN 1 AND 5", severity: "reject" },
  recent: { check: "sales_date >= DATE '2023-01-01'", severity: "warn" },
  quantity: { check: "store_id IN (121, 9)", severity: "warn" },
} as const;

/** A row that breaks a rule, in both ways of reading. */
function breaks(name: string, rule: keyof typeof RULES, values: Texts): HostileCase[] {
  return both(name, values, fault(2, "rule", rule, row(values)));
}

function passes(name: string, values: Texts, ...warnings: readonly string[]): HostileCase[] {
  return both(name, values, sale(values, { warnings }));
}

function both(
  name: string,
  values: Texts,
  becomes: ReturnType<typeof sale> | ReturnType<typeof fault>,
): HostileCase[] {
  const text = `${COLUMNS}\n${row(values)}\n`;
  return [
    plain(name, text, read(becomes)),
    plain(`${name}, row by row`, text.replaceAll("\n", "\r\n"), read(becomes)),
  ];
}

/** To be delivered with {@linkcode RULES} in place of the usual ones. */
export const RULE_CASES: readonly HostileCase[] = [
  ...passes("a row that keeps all rules is accepted", {}),
  ...passes("the greatest number whose square fits keeps the rule", { quantity: "3037000499" }),
  ...breaks("a rule that overflows is broken", "square", { quantity: "3037000500" }),
  ...breaks("a rule that overflows below is broken", "square", { quantity: "-9223372036854775808" }),
  ...breaks("a rule that gives NULL is broken", "not_three", { quantity: "3" }),
  ...breaks("a rule that gives false is broken", "not_three", { quantity: "0" }),
  ...breaks("the first of two broken rules counts", "not_three", { quantity: "-1", product_name: "pear" }),
  ...breaks("a later rule is broken alone", "few_pears", { quantity: "6", product_name: "pear" }),
  ...breaks("a pattern goes over line ends", "square", { quantity: "3037000500", sales_date: "2022-12-31" }),
  ...passes("a rule of text is kept", { quantity: "5", product_name: "pear" }),
  ...passes("a rule of severity warn does not reject", { sales_date: "2022-12-31" }, "recent"),
  ...passes("a warning may be called as a column is", { store_id: "122" }, "quantity"),
  ...passes(
    "two warnings and an unknown product",
    { store_id: "122", sales_date: "2022-12-31", product_name: "kiwi" },
    "recent",
    "quantity",
    "unknown_product",
  ),
  plain(
    "an invalid value comes before all rules",
    `${COLUMNS}\n${row({ quantity: "3", total_cost: "x" })}\n`,
    read(
      fault(2, "invalid_value", "total_cost", row({ quantity: "3", total_cost: "x" })),
    ),
  ),
  plain(
    "a broken rule comes before an unknown key",
    `${COLUMNS}\n${row({ quantity: "3", store_id: "9" })}\n`,
    read(
      fault(2, "rule", "not_three", row({ quantity: "3", store_id: "9" })),
    ),
  ),
];

/** Names that queries use for themselves, as columns of the contract. */
export const OWN_NAMES = [
  "customer",
  "store",
  "sales_team",
  "product",
  "source",
  "filename",
  "line",
  "raw",
  "reason",
  "column",
  "file_id",
  "typed",
  "r",
  "s",
  "first_row",
  "Detail",
];

/** To be delivered with {@linkcode OWN_NAMES} as text columns of the contract. */
export const OWN_NAME_CASES: readonly HostileCase[] = ["\n", "\r\n"].map((end) => {
  const columns = [...COLUMNS, ...OWN_NAMES];
  const values = (texts: Texts) => columns.map((name) => ({ ...GOOD, ...texts })[name] ?? `a ${name}`);
  const rows = [{}, { customer_id: "9" }, { quantity: "0" }, { Detail: " " }, { product_name: "kiwi" }].map(
    values,
  );
  const lines = rows.map((texts) => texts.join(","));
  return plain(
    `columns may be called as tables are, with ${JSON.stringify(end)}`,
    [columns.join(","), ...lines, ""].join(end),
    read(
      { values: [...values({}), null], warnings: [] },
      fault(3, "unknown_customer_id", "customer_id", lines[1] ?? ""),
      fault(4, "rule", "quantity_positive", lines[2] ?? ""),
      fault(5, "missing_value", "Detail", lines[3] ?? ""),
      { values: [...values({ product_name: "kiwi" }), null], warnings: ["unknown_product"] },
    ),
  );
});
