/**
 * The limits of a file: long rows, many columns, many bytes, and the share of rejects.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { bytes, fault, file, HEADER, type HostileCase, member, type Part, plain, read, rejected, row, sale, type Texts } from "./spelling.ts";

const MIB = 1_048_576;
/** As in the settings that {@linkcode SMALL_LIMITS} and {@linkcode LONG_ROWS} are delivered with. */
export const SMALL = { maxRowBytes: 100, maxColumns: 10, maxFileBytes: 1000 };

const BAD = row({ quantity: "0" });
const bad = (line: number, raw = BAD) => fault(line, "rule", "quantity_positive", raw);

/** A product that makes its row exactly so long. */
function fitting(rowBytes: number, fill = "x"): string {
  const left = rowBytes - row({ product_name: "" }).length, width = bytes(fill).length;
  return fill.repeat(Math.floor(left / width)) + "x".repeat(left % width);
}

function unknown(values: Texts) {
  return sale(values, { warnings: ["unknown_product"] });
}

/** A file whose second row is so long; the rows around it are as ever. */
function rowOf(name: string, product: string, written: string, fits: boolean, end = "\n"): HostileCase {
  const text = [HEADER, row(), row({ product_name: written }), BAD, ""].join(end);
  const line = 4 + written.split("\n").length - 1;
  const becomes = fits
    ? read(sale(), unknown({ product_name: product }), bad(line))
    : rejected("malformed_csv", { line: 3 });
  return plain(name, text, becomes);
}

/** What holds for a limit of any size. */
function rowLimits(limit: number): HostileCase[] {
  const just = fitting(limit), quoted = `"${just.slice(2)}"`;
  const spanning = `"x\r\nx""${just.slice(8)}"`, spanned = `x\r\nx"${just.slice(8)}`;
  return [
    rowOf(`a row of ${limit} bytes is read`, just, just, true),
    rowOf(`a row of ${limit} bytes is read, with CRLF behind`, just, just, true, "\r\n"),
    rowOf(
      `a row of ${limit} bytes in characters of two is read`,
      fitting(limit, "é"),
      fitting(limit, "é"),
      true,
    ),
    rowOf(`a row of ${limit} bytes with quotes is read`, just.slice(2), quoted, true),
    rowOf(`a row of ${limit} bytes that spans lines is read`, spanned, spanning, true),
    rowOf(`a row of ${limit + 1} bytes is too long`, "", `${just}x`, false),
    rowOf(`a row of ${limit + 1} bytes is too long, with CRLF behind`, "", `${just}x`, false, "\r\n"),
    rowOf(
      `a row of ${limit + 1} bytes in characters of two is too long`,
      "",
      `${fitting(limit - 1, "é")}é`,
      false,
    ),
    rowOf(`a row of ${limit + 1} bytes with quotes is too long`, "", `"${just.slice(1)}"`, false),
    rowOf(
      `a row of ${limit + 1} bytes that spans lines is too long`,
      "",
      spanning.replace("x", "xx"),
      false,
    ),
    rowOf(`a row of ${2 * limit} bytes is too long`, "", "x".repeat(2 * limit), false),
    plain(
      `a last row of ${limit} bytes without a line end is read`,
      file(row(), row({ product_name: fitting(limit, "y") })).slice(0, -1),
      read(sale(), unknown({ product_name: fitting(limit, "y") })),
    ),
    plain(
      `a last row of ${limit + 1} bytes without a line end is too long`,
      file(row(), row({ product_name: fitting(limit + 1) })).slice(0, -1),
      rejected("malformed_csv", { line: 3 }),
    ),
    plain(
      `a row of ${limit + 1} bytes after many bad ones leaves no rejects`,
      file(...Array(5).fill(BAD), row({ product_name: fitting(limit + 1) })),
      rejected("malformed_csv", { line: 7 }),
    ),
    plain(
      `a row of ${limit} bytes that is bad has all of its text`,
      file(row({ product_name: fitting(limit), quantity: "0" })),
      read(bad(2, row({ product_name: fitting(limit), quantity: "0" }))),
    ),
    plain(
      `a quote that stays open over more than ${limit} bytes makes a row too long`,
      file(row(), '"', ...Array(Math.ceil(limit / BAD.length) + 1).fill(BAD), '"'),
      rejected("malformed_csv", { line: 3 }),
    ),
  ];
}

/** A file of so many bytes more than allowed. */
function sized(name: string, surplus: number, compress?: (text: string) => Uint8Array): HostileCase {
  // A product of its own, so that no file is a duplicate.
  const product = name.slice(0, 50);
  const text = file(row({ product_name: product })).padEnd(SMALL.maxFileBytes + surplus, "\n");
  const becomes = surplus > 0 ? rejected("too_large") : read(unknown({ product_name: product }));
  if (!compress) return plain(name, text, becomes);
  return { name, key: `${name}.csv.gz`, bytes: compress(text), content: bytes(text), becomes };
}

/** To be delivered with the limits of {@linkcode SMALL}. */
export const SMALL_LIMITS: readonly HostileCase[] = [
  ...rowLimits(SMALL.maxRowBytes),
  plain(
    "a header as long as a row may be is read",
    `${HEADER},${"h".repeat(SMALL.maxRowBytes - HEADER.length - 1)}\n${row()},x\n`,
    read(sale({}, { extra: "x" })),
  ),
  plain(
    "a BOM and a line end do not count for the header",
    `\ufeff${HEADER},${"h".repeat(SMALL.maxRowBytes - HEADER.length - 1)}\r\n${row()},y\n`,
    read(sale({}, { extra: "y" })),
  ),
  plain(
    "a header too long makes the file unreadable",
    `\n${HEADER},${"h".repeat(SMALL.maxRowBytes - HEADER.length)}\n`,
    rejected("malformed_csv", { line: 2 }),
  ),
  plain(
    "missing columns come before a row too long",
    `a,b\n${"x".repeat(200)}\n`,
    rejected("missing_columns", { columns: HEADER.split(",") }),
  ),
  plain(
    "blank lines are no part of a row too long",
    `${HEADER}\n${"\n".repeat(300)}${BAD}\n`,
    read(bad(302)),
  ),
  plain(
    "as many columns as allowed are read",
    `a,b,${HEADER}\n1,2,${row()}\n`,
    read(sale({}, { extra: "1, 2" })),
  ),
  plain(
    "a column more than allowed is too many",
    `a,b,c,${HEADER}\n1,2,3,${row()}\n`,
    rejected("too_many_columns"),
  ),
  plain("an empty column more than allowed is too many", `,,,${HEADER}\n`, rejected("too_many_columns")),
  plain(
    "a row may have more fields than columns are allowed",
    file(`1,2,3,4,5,6,7,8,9,10,11,12`, row()),
    read(fault(2, "field_count", "", "1,2,3,4,5,6,7,8,9,10,11,12"), sale()),
  ),
  plain(
    "too many columns come before missing ones and duplicates",
    "x,x,x,x,x,x,x,x,x,x,x\n",
    rejected("too_many_columns"),
  ),
  sized("a file as large as allowed is read", 0),
  sized("a file one byte larger is too large", 1),
  sized("an archive of as much as allowed is read", 0, (text) => gzipSync(text)),
  sized("an archive of one byte more is too large", 1, (text) => gzipSync(text)),
  sized(
    "an archive of as much as allowed in two members is read",
    0,
    (text) => bytes(member(text.slice(0, 500)), member(text.slice(500))),
  ),
  sized(
    "an archive of one byte more in two members is too large",
    1,
    (text) => bytes(member(text.slice(0, 500)), member(text.slice(500))),
  ),
  sized("an archive of ten million bytes is too large", 10_000_000, (text) => gzipSync(text)),
  plain("a file too large is not looked at", ["x".repeat(2000), [0xff]], rejected("too_large")),
];

/** To be delivered with the default settings. */
export const LONG_ROWS: readonly HostileCase[] = rowLimits(MIB);

/** A file of so many rows, of which the first ones are bad. The product tells it from the others. */
function shared(badCount: number, rowCount: number, limits: string, quoting = ""): HostileCase {
  const lines = Array.from({ length: rowCount }, (_, i) => i < badCount ? BAD : row());
  const quotes = (text: Part) => quoting === "" ? text : String(text).replaceAll("apple", '"apple"');
  const raw = String(quotes(BAD));
  const rows = lines.map((_, i) => i < badCount ? bad(i + 2, raw) : sale());
  return plain(
    `${badCount} of ${rowCount} rows bad, ${limits}${quoting}`,
    quotes(file(...lines)),
    read(...rows),
  );
}

/** Shares with the default limits: more than 0.1, and at least 10. */
export const SHARES: readonly HostileCase[] = [
  shared(10, 100, "is not above a tenth"),
  shared(11, 110, "is not above a tenth"),
  shared(10, 99, "is above a tenth"),
  shared(11, 109, "is above a tenth", ", quoted"),
  shared(9, 9, "is less than ten"),
  shared(9, 20, "is less than ten", ", quoted"),
  shared(10, 10, "is all"),
  shared(10, 11, "is nearly all", ", quoted"),
  shared(100, 1000, "is not above a tenth"),
  shared(101, 1000, "is above a tenth"),
];

/** Shares with `maxRejectedShare` 0.29, which is no binary fraction, and `minRejectsForShare` 1. */
export const ODD_SHARES: readonly HostileCase[] = [
  shared(29, 100, "is not above 0.29"),
  shared(30, 100, "is above 0.29"),
  shared(58, 200, "is not above 0.29"),
  shared(59, 200, "is above 0.29"),
  shared(1, 4, "is not above 0.29"),
  shared(1, 3, "is above 0.29"),
];

/** Shares with both limits 0: not one bad row. */
export const NO_SHARES: readonly HostileCase[] = [
  shared(0, 1, "is not above 0"),
  shared(0, 2, "is not above 0", ", quoted"),
  shared(1, 1000, "is above 0"),
  shared(1, 1, "is above 0"),
  plain("a file without rows has no share", file(), read()),
];

/** Shares with `maxRejectedShare` 1: never above. */
export const ALL_SHARES: readonly HostileCase[] = [
  shared(30, 30, "is not above 1"),
  shared(31, 31, "is not above 1", ", quoted"),
];
