/**
 * Line ends, blank lines, and how lines are counted.
 *
 * @module
 */
import { COLUMNS, fault, file, HEADER, type HostileCase, open, plain, read, rejected, row, sale } from "./spelling.ts";

const MIB = 1_048_576;
const BAD = row({ quantity: "0" });
const bad = (line: number, raw = BAD) => fault(line, "rule", "quantity_positive", raw);

function crlf(text: string): string {
  return text.replaceAll("\n", "\r\n");
}

/** A product with something that looks like a line end and is text. */
function keptInQuotes(name: string, product: string, lines: number): HostileCase {
  const content = file(row({ product_name: `"${product}"` }), BAD);
  const values = { product_name: product };
  return plain(name, content, read(sale(values, { warnings: ["unknown_product"] }), bad(2 + lines)));
}

/** Text that has the LF of a CRLF, or another byte, as the first one after `offset`. */
function fill(offset: number, after: string): string {
  const start = `${HEADER}\n`;
  const [before = "", end = ""] = row({ product_name: "?" }).split("?");
  return start + before + "x".repeat(offset - start.length - before.length - end.length) + end + after;
}

const LONG = fill(MIB - 1, "").slice(HEADER.length + 1);
const LONG_VALUES = { product_name: LONG.split(",")[2] ?? "" };

/** To be delivered with the default settings. */
export const LINES: readonly HostileCase[] = [
  plain("LF ends lines", file(row(), BAD), read(sale(), bad(3))),
  plain("CRLF ends lines", crlf(file(row(), BAD)), read(sale(), bad(3))),
  plain(
    "LF and CRLF end lines in one file",
    `${HEADER}\n${row()}\r\n${BAD}\n${row()}\r\n`,
    read(sale(), bad(3), sale()),
  ),
  plain("only the header's line ends in CRLF", `${HEADER}\r\n${row()}\n${BAD}\n`, read(sale(), bad(3))),
  plain("only the last line ends in CRLF", `${file(row())}${BAD}\r\n`, read(sale(), bad(3))),
  plain("the last line has no end", file(row(), BAD).slice(0, -1), read(sale(), bad(3))),
  plain(
    "the last line has no end, the others CRLF",
    crlf(file(row(), BAD)).slice(0, -2),
    read(sale(), bad(3)),
  ),
  plain("the only row has no end", file(row()).slice(0, -1), read(sale())),
  plain("a header only has no rows", file(), read()),
  plain("a header only, without its line end, has no rows", HEADER, read()),
  plain("a header only, with CRLF, has no rows", crlf(file()), read()),
  plain("a header between blank lines has no rows", `\n\n${file()}\n\r\n`, read()),
  plain(
    "blank lines are skipped and counted as lines",
    `\n${HEADER}\n\n\n${BAD}\n\n${row()}\n\n`,
    read(bad(5), sale()),
  ),
  plain(
    "blank lines of CRLF are skipped and counted as lines",
    `\r\n\r\n${HEADER}\r\n\r\n${BAD}\r\n`,
    read(bad(5)),
  ),
  plain("blank lines at the end are no rows", `${file(row())}\n\n\r\n\n`, read(sale())),
  plain("a file without bytes is empty", "", rejected("empty_file")),
  plain("a file of one LF is empty", "\n", rejected("empty_file")),
  plain("a file of blank lines is empty", "\n\r\n\n\n", rejected("empty_file")),
  plain("a file of one blank has a header", " ", rejected("missing_columns", { columns: COLUMNS })),
  plain("a file of one CR has a header", "\r", rejected("missing_columns", { columns: COLUMNS })),
  plain(
    "a line of a blank is a row",
    file(row(), " ", row()),
    read(sale(), fault(3, "field_count", "", " "), sale()),
  ),
  plain("a line of tabs is a row", file("\t\t", row()), read(fault(2, "field_count", "", "\t\t"), sale())),
  plain(
    "a line of blanks is a row with CRLF too",
    crlf(file(row(), "  ", BAD)),
    read(sale(), fault(3, "field_count", "", "  "), bad(4)),
  ),
  plain(
    "a blank line of blanks before the header is the header",
    ` \n${file(row())}`,
    rejected("missing_columns", { columns: COLUMNS }),
  ),

  plain(
    "lone CRs are no line ends",
    `${HEADER}\ra,b\rc,d`,
    rejected("missing_columns", { columns: ["total_cost"] }),
  ),
  plain(
    "a lone CR within a row is open",
    file(row({ product_name: "a\rb" }), BAD),
    read(open(2, row({ product_name: "a\rb" })), bad(3)),
  ),
  plain(
    "a lone CR before CRLF is open",
    `${file(`${row()}\r\r`)}${BAD}\n`,
    read(open(2, `${row()}\r`), bad(3)),
  ),
  plain(
    "a lone CR at the end of the file is open",
    `${file(BAD)}${row()}\r`,
    read(bad(2), open(3, `${row()}\r`)),
  ),
  plain(
    "a lone CR at the beginning of a row is open",
    file(`\r${row()}`, BAD),
    read(open(2, `\r${row()}`), bad(3)),
  ),
  plain("a line of lone CRs is open", `${file("\r\r\r")}${BAD}\n`, read(open(2, "\r\r"), bad(3))),
  plain(
    "LF before CR ends the line before it",
    `${HEADER}\n${row()}\n\r${BAD}\n`,
    read(sale(), open(3, `\r${BAD}`)),
  ),

  keptInQuotes("an LF in quotes is text", "a\nb", 2),
  keptInQuotes("a CRLF in quotes is text", "a\r\nb", 2),
  keptInQuotes("a lone CR in quotes is text and ends no line", "a\rb", 1),
  keptInQuotes("lone CRs around a line end in quotes are text", "\r\r\n\n\r", 3),
  keptInQuotes("blank lines in quotes are text and count as lines", "a\n\n\n\r\n\nb", 6),
  keptInQuotes("an LF alone in quotes is a value", "\n", 2),
  keptInQuotes("vertical tabs and form feeds end no line", "a\x0bb\x0cc", 1),
  keptInQuotes("Unicode's line ends end no line", "a\u0085b\u2028c\u2029d", 1),
  plain(
    "vertical tabs, form feeds and Unicode's line ends are text without quotes too",
    file(row({ product_name: "a\x0b\x0c\u0085\u2028\u2029b" }), BAD),
    read(
      sale({ product_name: "a\x0b\x0c\u0085\u2028\u2029b" }, { warnings: ["unknown_product"] }),
      bad(3),
    ),
  ),
  plain(
    "a row has the line on which it begins, and all its lines as text",
    file(
      row({ product_name: '"a\nb"', quantity: "0" }),
      row({ product_name: '"a\r\n\nb"', quantity: "0" }),
      BAD,
    ),
    read(
      bad(2, row({ product_name: '"a\nb"', quantity: "0" })),
      bad(4, row({ product_name: '"a\r\n\nb"', quantity: "0" })),
      bad(7),
    ),
  ),
  plain(
    "a header that spans lines counts them",
    `"note\n1",${HEADER}\n,${row()}\n,${BAD}\n`,
    read(sale(), bad(4, `,${BAD}`)),
  ),
  plain(
    "a row of a thousand lines is one",
    file(row({ product_name: `"${"x\n".repeat(999)}"` }), BAD),
    read(
      sale({ product_name: "x\n".repeat(999) }, { warnings: ["unknown_product"] }),
      bad(1002),
    ),
  ),

  plain(
    "a CR is the last byte of the first MiB, its LF the next",
    `${fill(MIB - 1, "\r\n")}${BAD}\n`,
    read(sale(LONG_VALUES, { warnings: ["unknown_product"] }), bad(3)),
  ),
  plain(
    "an LF is the first byte after the first MiB",
    `${fill(MIB, "\n")}${BAD}`,
    read(
      sale({ product_name: `${LONG_VALUES.product_name}x` }, { warnings: ["unknown_product"] }),
      bad(3),
    ),
  ),
  plain(
    "a blank line begins with the first byte after the first MiB",
    `${fill(MIB - 1, "\n")}\n${BAD}\n`,
    read(sale(LONG_VALUES, { warnings: ["unknown_product"] }), bad(4)),
  ),
];
