/**
 * Rows: numbers of fields, the order of reasons, keys, warnings, and what text may hold.
 *
 * @module
 */
import { COLUMNS, fault, file, HEADER, type HostileCase, open, plain, read, row, sale, type Texts } from "./spelling.ts";

const SHORT = row().slice(0, row().lastIndexOf(","));
const fieldCount = (line: number, raw: string) => fault(line, "field_count", "", raw);

/** A row that is rejected between two that are not. */
function bad(name: string, text: string, reason: string, column = ""): HostileCase {
  return plain(
    name,
    file(row(), text, row({ product_name: "pear" })),
    read(
      sale(),
      fault(3, reason, column, text),
      sale({ product_name: "pear" }),
    ),
  );
}

/** A line that is no row between two that are; the line of a third shows that it counts. */
function ghost(name: string, text: string): HostileCase {
  const last = row({ quantity: "0" });
  return plain(
    `no row: ${name}`,
    file(row(), text, last),
    read(sale(), fault(4, "rule", "quantity_positive", last)),
  );
}

/** A row that is rejected for this reason, though it has every one that comes later. */
function first(name: string, values: Texts, reason: string, column: string): HostileCase {
  return bad(name, row(values), reason, column);
}

/** A product that is kept as it is. */
function product(name: string, product_name: string, written = product_name): HostileCase {
  return plain(
    name,
    file(row({ product_name: written })),
    read(sale({ product_name }, { warnings: ["unknown_product"] })),
  );
}

/** A row that is rejected and begins with a character that a spreadsheet minds. */
function begins(name: string, start: string): HostileCase {
  const text = `${start}1${row().slice(1)},`;
  return plain(name, file(text), read(fault(2, "field_count", "", text)));
}

/** A sale that is accepted with these values as they are written. */
function sold(name: string, values: Texts, ...warnings: readonly string[]): HostileCase {
  return plain(name, file(row(values)), read(sale(values, { warnings })));
}

/** Everything wrong that is looked for after all values are read. */
const LATER: Texts = { quantity: "0", price: "-1", customer_id: "9", store_id: "9", sales_person_id: "9" };

/** To be delivered with the default settings. */
export const ROWS: readonly HostileCase[] = [
  first("a day that does not exist", { sales_date: "2023-02-30" }, "invalid_value", "sales_date"),
  plain(
    "a day that does not exist, beside a value that is read with care",
    file(row({ quantity: "+2" }), row({ sales_date: "2023-02-30" })),
    read(sale(), fault(3, "invalid_value", "sales_date", row({ sales_date: "2023-02-30" }))),
  ),
  bad("one field too few", SHORT, "field_count"),
  bad("one field too many", `${row()},x`, "field_count"),
  bad("one surplus empty field", `${row()},`, "field_count"),
  bad("many surplus empty fields", `${row()},,,,,,,,`, "field_count"),
  plain(
    "surplus empty fields after an extra column",
    `${HEADER},note\n${row()},x\n${row()},x,\n${row()},,\n`,
    read(
      sale({}, { extra: "x" }),
      fieldCount(3, `${row()},x,`),
      fieldCount(4, `${row()},,`),
    ),
  ),
  bad("a surplus quoted empty field", `${row()},""`, "field_count"),
  bad("a surplus field of blanks", `${row()}, `, "field_count"),
  bad("an empty field too many at the beginning", `,${row()}`, "field_count"),
  bad("one field", "1", "field_count"),
  ghost("a delimiter alone", ","),
  ghost("as many empty fields as columns", ",,,,,,,"),
  ghost("one empty field more than columns", ",,,,,,,,"),
  ghost("one empty field less than columns", ",,,,,,"),
  ghost("fields of blanks", " ,\t, ,,  ,,,\t "),
  ghost("quoted empty fields", '"","",,"","","","",""'),
  ghost("quoted fields of blanks", '" ","\t",,,,,,'),
  bad("blanks alone", " \t ", "field_count"),
  bad("a quoted empty field alone", '""', "field_count"),
  bad("empty fields but for an extra one", ",,,,,,,,x", "field_count"),
  bad("a no-break space among empty fields", "\u00a0,,,,,,,", "invalid_value", "customer_id"),
  bad("a line end in quotes among empty fields", '"\n",,,,,,,', "invalid_value", "customer_id"),
  bad("a quote in quotes among empty fields", '"""",,,,,,,', "invalid_value", "customer_id"),
  bad("two rows on one line", `${row()}${row()}`, "field_count"),
  bad("a comment is a row", "# a comment", "field_count"),
  bad("a wrong number of fields comes before everything else", `${row(LATER)},`, "field_count"),
  plain(
    "one too few and one too many, which even out",
    file(row(), SHORT, `${row()},`, row()),
    read(
      sale(),
      fieldCount(3, SHORT),
      fieldCount(4, `${row()},`),
      sale(),
    ),
  ),
  plain(
    "one too many and one too few, which even out, at the end",
    file(`${row()},x`, SHORT),
    read(
      fieldCount(2, `${row()},x`),
      fieldCount(3, SHORT),
    ),
  ),
  plain(
    "two too few and two with one too many, which even out",
    file(row(), SHORT, SHORT, `${row()},`, `${row()},`),
    read(
      sale(),
      fieldCount(3, SHORT),
      fieldCount(4, SHORT),
      fieldCount(5, `${row()},`),
      fieldCount(6, `${row()},`),
    ),
  ),
  plain(
    "a row cut in two, each half too short",
    file(row(), "1,121,apple", "2023-03-01,1,1.50,2,3.00"),
    read(
      sale(),
      fieldCount(3, "1,121,apple"),
      fieldCount(4, "2023-03-01,1,1.50,2,3.00"),
    ),
  ),
  plain(
    "a wrong number of fields in quotes",
    file('"1","121"', row({ product_name: '"apple"' })),
    read(fieldCount(2, '"1","121"'), sale()),
  ),
  plain(
    "rows that all end in a delimiter, under a header that does not",
    file(...Array(5).fill(`${row()},`)),
    read(
      ...[2, 3, 4, 5, 6].map((line) => fieldCount(line, `${row()},`)),
    ),
  ),
  plain(
    "rows that do not end in a delimiter, under a header that does",
    `${HEADER},\n${row()}\n${row()},\n`,
    read(fieldCount(2, row()), sale()),
  ),

  ...COLUMNS.map((column) =>
    bad(`nothing in ${column} is missing`, row({ [column]: "" }), "missing_value", column)
  ),
  ...COLUMNS.map((column) =>
    bad(`blanks in ${column} are missing`, row({ [column]: " \t " }), "missing_value", column)
  ),
  ...COLUMNS.filter((column) => column !== "product_name").map((column) =>
    bad(`a word in ${column} is invalid`, row({ [column]: "many" }), "invalid_value", column)
  ),
  bad("the word NULL is no number", row({ quantity: "NULL" }), "invalid_value", "quantity"),
  bad("\\N is no number", row({ quantity: "\\N" }), "invalid_value", "quantity"),
  first(
    "a missing value comes before an invalid one of a later column",
    { ...LATER, store_id: "", price: "x" },
    "missing_value",
    "store_id",
  ),
  first(
    "an invalid value comes before a missing one of a later column",
    { ...LATER, store_id: "x", price: "" },
    "invalid_value",
    "store_id",
  ),
  first(
    "an invalid last column comes before a rule",
    { ...LATER, total_cost: "3.001" },
    "invalid_value",
    "total_cost",
  ),
  first("the first rule comes before the second", LATER, "rule", "quantity_positive"),
  first("a rule comes before an unknown key", { ...LATER, quantity: "1" }, "rule", "price_not_negative"),
  first(
    "an unknown customer comes before an unknown store",
    { ...LATER, quantity: "1", price: "1" },
    "unknown_customer_id",
    "customer_id",
  ),
  first(
    "an unknown store comes before an unknown sales person",
    { store_id: "9", sales_person_id: "9" },
    "unknown_store_id",
    "store_id",
  ),
  first(
    "an unknown sales person comes last",
    { sales_person_id: "9" },
    "unknown_sales_person_id",
    "sales_person_id",
  ),
  bad(
    "a key of another dimension is unknown",
    row({ customer_id: "121" }),
    "unknown_customer_id",
    "customer_id",
  ),
  bad("a negative key is not its positive one", row({ store_id: "-121" }), "unknown_store_id", "store_id"),
  plain(
    "rejects in columns of another order have the first reason in contract order",
    `${COLUMNS.toReversed().join(",")}\n3.00,x,1.50,1,,apple,121,1\n,2,1.50,1,2023-03-01,apple,121,x\n`,
    read(
      fault(2, "missing_value", "sales_date", "3.00,x,1.50,1,,apple,121,1"),
      fault(3, "invalid_value", "customer_id", ",2,1.50,1,2023-03-01,apple,121,x"),
    ),
  ),

  sold("the least key of 64 bits is found", { customer_id: "-9223372036854775808" }),
  sold("the greatest key of 64 bits is found", { customer_id: "9223372036854775807" }),
  sold("the key 0 is found", { customer_id: "0" }),
  sold("a negative key is found", { customer_id: "-1" }),
  plain("keys are compared as numbers", file(row({ customer_id: "+001", store_id: " 0121" })), read(sale())),
  bad(
    "a key beside the greatest one is not found",
    row({ customer_id: "9223372036854775806" }),
    "unknown_customer_id",
    "customer_id",
  ),

  bad("a key below the least is not found", row({ store_id: "120" }), "unknown_store_id", "store_id"),
  bad("a key above the greatest is not found", row({ store_id: "123" }), "unknown_store_id", "store_id"),
  bad(
    "a key between two is not found",
    row({ sales_person_id: "6" }),
    "unknown_sales_person_id",
    "sales_person_id",
  ),

  sold("a total that does not match is a warning", { total_cost: "3.01" }, "total_matches"),
  sold("a negative total is a warning", { total_cost: "-3.00" }, "total_matches"),
  sold("a price of 0 passes", { price: "0.00", total_cost: "0.00" }),
  sold("the greatest total of the greatest price matches", {
    price: "99999999.99",
    quantity: "99999999",
    total_cost: "9999999899000000.01",
  }),
  sold("a quantity that no total can match is a warning, and no overflow", {
    quantity: "9223372036854775807",
    price: "99999999.99",
  }, "total_matches"),
  sold("a product that is not known is a warning", { product_name: "kiwi" }, "unknown_product"),
  sold("a product in another case is a warning", { product_name: "Apple" }, "unknown_product"),
  sold("a product with a blank behind is a warning", { product_name: "apple " }, "unknown_product"),
  sold(
    "a product whose accent is a character of its own is a warning",
    { product_name: "a\u0308pfel 😀" },
    "unknown_product",
  ),
  sold("a product called NULL is a warning", { product_name: "NULL" }, "unknown_product"),
  sold("a product of the dimension is none, with its emoji", { product_name: "äpfel 😀" }),
  sold(
    "two warnings in one row",
    { product_name: "kiwi", total_cost: "1.00" },
    "total_matches",
    "unknown_product",
  ),
  plain(
    "a product of the dimension is none, with its quotes, delimiters and line ends",
    file(
      row({ product_name: '"an ""apple"""' }),
      row({ product_name: '"a,b"' }),
      row({ product_name: '"two\nlines"' }),
    ),
    read(
      sale({ product_name: 'an "apple"' }),
      sale({ product_name: "a,b" }),
      sale({ product_name: "two\nlines" }),
    ),
  ),
  plain(
    "rejected rows have no warnings",
    file(row({ product_name: "kiwi", quantity: "0" }), row({ total_cost: "4", store_id: "9" })),
    read(
      fault(2, "rule", "quantity_positive", row({ product_name: "kiwi", quantity: "0" })),
      fault(3, "unknown_store_id", "store_id", row({ total_cost: "4", store_id: "9" })),
    ),
  ),
  plain(
    "the same row twice is two sales",
    file(row({ quantity: "4", total_cost: "6" }), row({ quantity: "4", total_cost: "6" })),
    read(
      sale({ quantity: "4", total_cost: "6.00" }),
      sale({ quantity: "4", total_cost: "6.00" }),
    ),
  ),

  product("blanks around text are kept", "  x\t"),
  product("a no-break space is text", "\u00a0"),
  product("an ideographic space is text", "\u3000"),
  product("a zero width space is text", "\u200b"),
  product("a formula is text", "=1+1"),
  product("a command is text", "+cmd|' /C calc'!A0"),
  product("an apostrophe is text", "O'Brien's"),
  product("SQL is text", "'); DROP TABLE customer; --"),
  product("a placeholder is text", "$1 {x} %s \\n ${HOME}"),
  product("HTML is text", "<b>x</b>&amp;"),
  product("a path is text", "../../etc/passwd"),
  product("control characters are text", "\x01\x02\x10\x1b\x1f\x7f"),
  product("the escape of the normalised form is text", "\x10s\x10n\x10e\x10"),
  product("a backslash is text", "\\"),
  product("a backslash before a delimiter is text", "x\\"),
  product("a number is text", "007"),
  product("a text of 300,000 characters is kept", "long ".repeat(60_000)),
  product(
    "a quoted text of 300,000 characters is kept",
    "wide,".repeat(60_000),
    `"${"wide,".repeat(60_000)}"`,
  ),
  plain(
    "a NUL changes no other row",
    file(row({ product_name: "x\0" }), row({ quantity: "0" })),
    read(
      open(2, row({ product_name: "x\0" })),
      fault(3, "rule", "quantity_positive", row({ quantity: "0" })),
    ),
  ),

  begins("raw text that begins with = is kept", "="),
  begins("raw text that begins with + is kept", "+"),
  begins("raw text that begins with - is kept", "-"),
  begins("raw text that begins with @ is kept", "@"),
  begins("raw text that begins with a tab is kept", "\t"),
  begins("raw text that begins with an apostrophe is kept", "'"),
  begins("raw text that begins with an apostrophe and = is kept", "'="),
  begins("raw text that begins with two apostrophes is kept", "''"),
  begins("raw text that begins with = and an accent is kept", "=\u0301"),
  begins("raw text that begins with a wide = is kept", "＝"),
  begins("raw text that begins with a blank is kept", " ="),
  plain(
    "raw text that begins with a quote is kept",
    file(`"=1",${row()}`),
    read(fieldCount(2, `"=1",${row()}`)),
  ),
  plain(
    "raw text of delimiters, quotes and line ends is kept",
    file(`"a ""b"", c\r\nd",\\,' '`),
    read(fieldCount(2, `"a ""b"", c\r\nd",\\,' '`)),
  ),
  plain(
    "raw text of 300,000 characters is kept",
    file(`${"raw ".repeat(75_000)}`),
    read(fieldCount(2, "raw ".repeat(75_000))),
  ),
  plain(
    "raw text of control characters and emoji is kept",
    file("\x01\x10\x1f😀\u0301", `"\x01\x10\x1f😀\n"`),
    read(
      fieldCount(2, "\x01\x10\x1f😀\u0301"),
      fieldCount(3, `"\x01\x10\x1f😀\n"`),
    ),
  ),
];
