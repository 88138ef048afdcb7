/**
 * Quotes: closed, escaped, stray and never closed.
 *
 * @module
 */
import { fault, file, HEADER, type HostileCase, open, plain, read, rejected, row, sale } from "./spelling.ts";

const MIB = 1_048_576;
const BAD = row({ quantity: "0" });
const bad = (line: number, raw = BAD) => fault(line, "rule", "quantity_positive", raw);

/** The product as it is written and as it is read. */
function quoted(name: string, written: string, product_name: string): HostileCase {
  const warnings = product_name === "apple" ? [] : ["unknown_product"];
  return plain(
    name,
    file(row({ product_name: written }), BAD),
    read(
      sale({ product_name }, { warnings }),
      bad(2 + row({ product_name: written }).split("\n").length),
    ),
  );
}

/** A row with a quote where none may be; those around it are as ever. */
function stray(name: string, text: string): HostileCase {
  const next = 3 + text.split("\n").length;
  return plain(name, file(row(), text, BAD), read(sale(), open(3, text), bad(next)));
}

/** Text up to a byte after the opening quote of a product, of which the first MiB ends there. */
function upToBoundary(after: string): string {
  const start = `${HEADER}\n${row().split("apple")[0]}"`;
  return start + "x".repeat(MIB - start.length - 1) + after;
}

const FILLED = "x".repeat(MIB - HEADER.length - 1 - '1,121,"'.length - 1);
const REST = row().split("apple")[1] ?? "";

/** To be delivered with the default settings. */
export const QUOTING: readonly HostileCase[] = [
  plain("every field may be quoted", file(row()).replace(/[^,\n]+/g, '"$&"'), read(sale())),
  quoted("a quoted field is its text", '"apple"', "apple"),
  quoted("a doubled quote in quotes is one", '"a ""pear"""', 'a "pear"'),
  quoted("a field of one doubled quote is a quote", '""""', '"'),
  quoted("a field of three doubled quotes is three quotes", '""""""""', '"""'),
  quoted("a doubled quote at both ends is kept", '"""x"""', '"x"'),
  quoted("a delimiter in quotes is text", '"x,y,,z"', "x,y,,z"),
  quoted("a delimiter beside a doubled quote is text", '"x"",""y"', 'x","y'),
  quoted("blanks in quotes are kept", '" apple\t"', " apple\t"),
  quoted("a line end right after the opening quote is kept", '"\nx"', "\nx"),
  quoted("a line end right before the closing quote is kept", '"x\r\n"', "x\r\n"),
  quoted("a doubled quote beside a line end is kept", '"x""\n""y"', 'x"\n"y'),
  quoted("a backslash escapes nothing in quotes", '"x\\"', "x\\"),
  quoted("a backslash and a doubled quote are both text", '"x\\""y"', 'x\\"y'),
  quoted("an apostrophe is no quote", "'x'", "'x'"),
  quoted("a typographic quotation mark is no quote", "“x”", "“x”"),
  quoted("characters of the normalised form are text in quotes", '"\x01\x10\x1f\x10n"', "\x01\x10\x1f\x10n"),
  plain(
    "quoted numbers and dates are numbers and dates",
    file('"1","121","apple","2023-03-01","1"," 1.5 ","\t2","+3"'),
    read(sale()),
  ),
  plain(
    "an empty quoted field is missing",
    file(row({ product_name: '""' })),
    read(fault(2, "missing_value", "product_name", row({ product_name: '""' }))),
  ),
  plain(
    "blanks in quotes are missing",
    file(row({ total_cost: '" \t "' })),
    read(fault(2, "missing_value", "total_cost", row({ total_cost: '" \t "' }))),
  ),
  plain(
    "a line end in a quoted number makes it invalid",
    file(row({ quantity: '"2\n"' }), BAD),
    read(
      fault(2, "invalid_value", "quantity", row({ quantity: '"2\n"' })),
      bad(4),
    ),
  ),
  plain(
    "a quoted field may be the last of the file",
    file(row({ total_cost: '"3"' })).slice(0, -1),
    read(sale()),
  ),
  plain(
    "a quoted row of blanks is a row",
    file('" "', row()),
    read(fault(2, "field_count", "", '" "'), sale()),
  ),
  plain(
    "a row of an empty quoted field is a row",
    file('""', row()),
    read(fault(2, "field_count", "", '""'), sale()),
  ),
  plain(
    "an empty quoted field before the header is the header",
    `""\n${file(row())}`,
    rejected("missing_columns", { columns: HEADER.split(",") }),
  ),

  stray("a quote within a field is open", row({ product_name: 'ap"ple' })),
  stray("a quote at the end of a field is open", row({ product_name: 'apple"' })),
  stray("two quotes within a field are open", row({ product_name: '6" x 4"' })),
  stray("a quote within a number is open", row({ quantity: '2"' })),
  stray("text after a closing quote is open", row({ product_name: '"ap"ple' })),
  stray("a blank after a closing quote is open", row({ product_name: '"apple" ' })),
  stray("a blank before an opening quote is open", row({ product_name: ' "apple"' })),
  stray("a quoted part in the middle of a field is open", row({ product_name: 'an "apple" a day' })),
  stray("a quote escaped by a backslash is open", row({ product_name: '"an \\"apple' })),
  stray("a quote at the end of the row is open", `${row()}"`),
  stray("a row of 150,000 lines with a stray quote each is open", '"a\n"x,'.repeat(150_000)),
  plain(
    "an opened quote takes the lines up to the next quote, which is open",
    file(row(), row({ product_name: '"apple' }), BAD, row({ product_name: '"pear"' }), BAD),
    read(
      sale(),
      open(3, `${row({ product_name: '"apple' })}\n${BAD}\n${row({ product_name: '"pear"' })}`),
      bad(6),
    ),
  ),

  plain(
    "a quote never closed makes the file unreadable",
    file(row(), row({ product_name: '"apple' }), BAD, row()),
    rejected("malformed_csv", { line: 3 }),
  ),
  plain(
    "a quote never closed on the last line does, too",
    `${file(row(), BAD)}"`,
    rejected("malformed_csv", { line: 4 }),
  ),
  plain(
    "a quote never closed in the last field does, too",
    file(row({ total_cost: '"3.00' })),
    rejected("malformed_csv", { line: 2 }),
  ),
  plain(
    "a quote never closed in the header does, too",
    `\n${HEADER},"\n${row()},\n`,
    rejected("malformed_csv", { line: 2 }),
  ),
  plain(
    "a doubled quote does not close",
    file(row({ product_name: '"apple""' })),
    rejected("malformed_csv", { line: 2 }),
  ),
  plain(
    "a quote never closed has the line where its row begins",
    file(row(), row({ product_name: '"a\nb"', total_cost: '"3\n' })),
    rejected("malformed_csv", { line: 3 }),
  ),
  plain(
    "a quote never closed after bad rows leaves no rejects",
    file(...Array(30).fill(BAD), '"'),
    rejected("malformed_csv", { line: 32 }),
  ),
  plain(
    "missing columns come before a quote never closed",
    `a,b\n"`,
    rejected("missing_columns", { columns: HEADER.split(",") }),
  ),

  plain(
    "a doubled quote lies across the first MiB",
    upToBoundary(`""y"${REST}\n${BAD}\n`),
    read(
      sale({ product_name: `${FILLED}"y` }, { warnings: ["unknown_product"] }),
      bad(3),
    ),
  ),
  plain(
    "a closing quote is the last byte of the first MiB",
    upToBoundary(`"${REST}\n${BAD}\n`),
    read(
      sale({ product_name: FILLED }, { warnings: ["unknown_product"] }),
      bad(3),
    ),
  ),
  plain(
    "a line end in quotes lies across the first MiB",
    upToBoundary(`\r\ny"${REST}\n${BAD}\n`),
    read(
      sale({ product_name: `${FILLED}\r\ny` }, { warnings: ["unknown_product"] }),
      bad(4),
    ),
  ),
];
