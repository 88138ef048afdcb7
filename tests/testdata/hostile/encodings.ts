/**
 * Encodings and byte order marks.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { COLUMNS, fault, file, HEADER, type HostileCase, open, type Part, plain, read, rejected, row, sale } from "./spelling.ts";

const BOM = "\ufeff";
const MIB = 1_048_576;
/** Bytes of a row before and after its product's name. */
const [BEFORE = "", AFTER = ""] = row({ product_name: "?" }).split("?");

/** A row whose product is these bytes. */
function named(product: Part): Part[] {
  return [`${HEADER}\n${BEFORE}`, product, `${AFTER}\n`];
}

/** A file whose product's name has `part` across or at the end of the first MiB, of which `before` bytes lie before it. */
function atBoundary(part: Part, before: number): Part[] {
  const [start = "", ...rest] = named(part);
  const used = String(start).length;
  return [start, "x".repeat(MIB - used - before - 1), ...rest];
}

function utf16(text: string, order: "LE" | "BE"): Uint8Array {
  const little = Buffer.from(text, "utf16le");
  return order === "LE" ? little : little.swap16();
}

/** A product that is kept as it is, and is none that the dimension has. */
function kept(product_name: string) {
  return read(sale({ product_name }, { warnings: ["unknown_product"] }));
}

const NOT_UTF8 = rejected("not_utf8");

/** Bytes that no UTF-8 text has. */
const BROKEN: readonly (readonly [string, readonly number[]])[] = [
  ["a Latin-1 umlaut", [0xe4]],
  ["a Windows-1252 quotation mark", [0x93]],
  ["a continuation byte alone", [0x80]],
  ["the first byte of a character of two, and no second", [0xc3]],
  ["two bytes of a character of three", [0xe2, 0x82]],
  ["three bytes of a character of four", [0xf0, 0x9f, 0x98]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong NUL", [0xc0, 0x80]],
  ["an overlong character of three bytes", [0xe0, 0x80, 0xaf]],
  ["half of a surrogate pair", [0xed, 0xa0, 0x80]],
  ["a surrogate pair in six bytes", [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ["a code point above 10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["a byte that UTF-8 never has", [0xff]],
];

/** Characters that are text as any other. */
const KEPT: readonly (readonly [string, string])[] = [
  ["characters of two bytes", "Äpfel ñ"],
  ["characters of three bytes", "リンゴ €"],
  ["characters of four bytes", "🍏🍎"],
  ["a letter with a combining accent", "e\u0301"],
  ["a combining accent first", "\u0301x"],
  ["a family of joined emoji", "👨‍👩‍👧"],
  ["text from right to left", "\u202eתפוח\u202c"],
  ["noncharacters", "\ufffe\uffff\u{1ffff}"],
  ["the last code point", "\u{10ffff}"],
  ["a replacement character", "\ufffd"],
  ["a private character", "\ue000"],
  ["a zero width joiner and space", "a\u200db\u200bc"],
];

/** To be delivered with the default settings. */
export const ENCODINGS: readonly HostileCase[] = [
  ...BROKEN.map(([name, broken]) => plain(`${name} is not UTF-8`, named(broken), NOT_UTF8)),
  ...KEPT.map(([name, text]) => plain(`${name} are kept`, named(text), kept(text))),
  plain(
    "a bad byte in the header is not UTF-8",
    ["customer_id,st\u00f6re", [0xf6], `,x\n${row()}\n`],
    NOT_UTF8,
  ),
  plain("a bad byte in quotes is not UTF-8", named(bytesInQuotes()), NOT_UTF8),
  plain("a bad byte after a quote never closed is not UTF-8", [`${HEADER}\n"`, [0xff]], NOT_UTF8),
  plain("a bad byte after blank lines is not UTF-8", ["\n\n", [0x80]], NOT_UTF8),
  plain("a bad byte after a header that lacks columns is not UTF-8", ["a,b\n", [0x80]], NOT_UTF8),
  plain("a character cut by the end of the file is not UTF-8", [file(row()), [0xf0, 0x9f]], NOT_UTF8),
  plain(
    "a character across the first MiB is whole",
    atBoundary("😀", 2),
    kept(`${"x".repeat(MIB - HEADER.length - 1 - BEFORE.length - 3)}😀`),
  ),
  plain("half a character before the first MiB is not UTF-8", atBoundary([0xf0, 0x9f], 2), NOT_UTF8),
  plain("a bad byte just after the first MiB is not UTF-8", atBoundary([0xff], 0), NOT_UTF8),
  plain("UTF-16 with a little-endian mark is not UTF-8", utf16(BOM + file(row()), "LE"), NOT_UTF8),
  plain("UTF-16 with a big-endian mark is not UTF-8", utf16(BOM + file(row()), "BE"), NOT_UTF8),
  plain("UTF-32 with its mark is not UTF-8", [[0xff, 0xfe, 0, 0], "c\0\0\0"], NOT_UTF8),
  plain(
    "UTF-16 without a mark has NULs and no column of the contract",
    utf16(file(row()), "LE"),
    rejected("missing_columns", { columns: COLUMNS }),
  ),
  plain(
    "big-endian UTF-16 without a mark has none either",
    utf16(file(row()), "BE"),
    rejected("missing_columns", { columns: COLUMNS }),
  ),
  plain("a NUL in text is open", named("a\0b"), read(open(2, row({ product_name: "a\0b" })))),
  plain(
    "a NUL in a number is open, and the next row as ever",
    file(row({ quantity: "2\0" }), row()),
    read(open(2, row({ quantity: "2\0" })), sale()),
  ),
  plain("rows of NULs are open", file("\0", row(), "\0\0"), read(open(2, "\0"), sale(), open(4, "\0\0"))),

  plain(
    "a BOM is no part of the header",
    BOM + file(row({ quantity: "1", total_cost: "1.5" })),
    read(sale({ quantity: "1", total_cost: "1.50" })),
  ),
  plain("a BOM before CRLF lines is none either", BOM + file(row()).replaceAll("\n", "\r\n"), read(sale())),
  plain(
    "a BOM before a quoted name is none either",
    `${BOM}"customer_id"${HEADER.slice(11)}\n${row()}\n`,
    read(sale()),
  ),
  plain(
    "a BOM before blank lines and the header is skipped",
    `${BOM}\n\r\n${file(row({ quantity: "0" }))}`,
    read(fault(4, "rule", "quantity_positive", row({ quantity: "0" }))),
  ),
  plain(
    "a second BOM is part of the first name",
    BOM + BOM + file(row()),
    rejected("missing_columns", { columns: ["customer_id"] }),
  ),
  plain(
    "a BOM after a blank line is part of the first name",
    `\n${BOM}${file(row())}`,
    rejected("missing_columns", { columns: ["customer_id"] }),
  ),
  plain(
    "a BOM within a name is part of it",
    file(row()).replace("price", `${BOM}price`),
    rejected("missing_columns", { columns: ["price"] }),
  ),
  plain(
    "a BOM before a number makes it invalid",
    file(BOM + row()),
    read(fault(2, "invalid_value", "customer_id", BOM + row())),
  ),
  plain("a BOM before text is kept", named(`${BOM}apple`), kept(`${BOM}apple`)),
  plain("a BOM before text in quotes is kept", named(`"${BOM}apple"`), kept(`${BOM}apple`)),
  plain(
    "a BOM alone on the last line is a row",
    `${file(row())}${BOM}`,
    read(sale(), fault(3, "field_count", "", BOM)),
  ),
  plain("a file of a BOM is empty", BOM, rejected("empty_file")),
  plain("a file of a BOM and blank lines is empty", `${BOM}\n\r\n\n`, rejected("empty_file")),
  plain("a file of two BOMs has a header", BOM + BOM, rejected("missing_columns", { columns: COLUMNS })),
  plain("a file of two bytes of a BOM is not UTF-8", [0xef, 0xbb], NOT_UTF8),
];

function bytesInQuotes(): Part {
  return [0x22, 0x61, 0x0a, 0xfc, 0x22];
}
