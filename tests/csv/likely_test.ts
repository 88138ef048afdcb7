/**
 * What is said of files that are not what they should be: a table of what people really deliver.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import {
  firstLine,
  invalidUtf8At,
  isPlainText,
  likelyEncoding,
  likelyFormat,
  likelyHeaderCause,
} from "../../lib/csv/likely.ts";
import { inWords, shown } from "../../lib/csv/words.ts";

const NAMES = ["customer_id", "store_id", "product_name", "sales_date", "price"];
const EXPECTED = { delimiter: ",", quote: '"', names: NAMES };
const HEADER = NAMES.join(",");
const ROW = "1,121,apple,2023-03-01,1.50";
const file = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");

/** Files and what must be said of them; `null`: nothing, since nothing is known. */
const CAUSES: readonly (readonly [what: string, content: string | Uint8Array, cause: RegExp | null])[] = [
  ["semicolons", file(HEADER, ROW).replaceAll(",", ";"), /delimited by ";"$/],
  ["tabs", file(HEADER, ROW).replaceAll(",", "\t"), /delimited by tabs$/],
  ["bars", file(HEADER, ROW).replaceAll(",", "|"), /delimited by "\|"/],
  ["unit separators", file(HEADER, ROW).replaceAll(",", "\x1f"), /delimited by "<U\+001F>"/],
  ["semicolons and one comma", file(`${HEADER.replaceAll(",", ";")};a,b`), /delimited by ";"/],
  ["semicolons, all quoted", file(NAMES.map((name) => `"${name}"`).join(";")), /delimited by ";"/],
  ["sep=;", file("sep=;", HEADER.replaceAll(",", ";")), /line sep=;, which is for Excel alone/],
  ["sep=,", file('"sep=,"', HEADER), /line sep=,, which is for Excel alone/],
  ["one title line", file("Sales of March", HEADER, ROW), /header seems to be line 2$/],
  ["title lines and blank ones", file("Sales", "", "Store 121,,,", "", HEADER), /header seems to be line 5$/],
  ["a title and semicolons", file("Sales", HEADER.replaceAll(",", ";")), /line 2, delimited by ";"/],
  ["an XML error page", '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', /XML/],
  ["XML without a declaration", "<Error><Code>SlowDown</Code></Error>", /XML/],
  ["an HTML page", "\n  <!DOCTYPE html>\n<html>", /HTML page/],
  ["an HTML page without a doctype", "<html><body>", /HTML page/],
  ["JSON", '[{"customer_id": 1}]', /JSON/],
  ["no header", file(ROW, ROW), /no header/],
  ["no header, quoted", file(ROW.split(",").map((value) => `"${value}"`).join(",")), /no header/],
  ["lone CR", file(HEADER, ROW).replaceAll("\n", "\r"), /lone CR/],
  ["a lone CR after the header", `${HEADER}\r${ROW}\n`, /lone CR/],
  ["a BOM twice", `\ufeff\ufeff${HEADER}\n`, /byte order mark twice/],
  [
    "U+00A0 before a name",
    file(HEADER.replace("store_id", "\u00a0store_id")),
    /invisible.*"<U\+00A0>store_id"/,
  ],
  ["U+200B in a name", file(HEADER.replace("price", "pri\u200bce")), /invisible.*"pri<U\+200B>ce"/],
  [
    "a BOM in quotes",
    `\ufeff${HEADER.replace("customer_id", '"\ufeffcustomer_id"')}\n`,
    /invisible.*<U\+FEFF>/,
  ],
  ["a soft hyphen in a name", file(HEADER.replace("price", "pri\u00adce")), /invisible.*U\+00AD/],
  ["a blank in a name", file(HEADER.replace("store_id", "Store ID")), /is "Store ID" meant for store_id/],
  ["a hyphen in a name", file(HEADER.replace("store_id", "store-id")), /is "store-id" meant for store_id/],
  ["another quote", file(NAMES.map((name) => `'${name}'`).join(",")), /is "'customer_id'" meant for/],
  ["full-width letters", file(HEADER.replace("price", "ｐｒｉｃｅ")), /"ｐｒｉｃｅ" meant for price/],
  ["the line in quotes", file(`"${HEADER}"`), /whole line is in quotes/],
  ["a zip archive", Buffer.from("PK\x03\x04\x14\0"), /zip archive/],
  ["an old workbook", Buffer.from("d0cf11e0a1b11ae1", "hex"), /\.xls/],
  ["UTF-16 without a mark", Buffer.from(file(HEADER, ROW), "utf16le"), /UTF-16 text \(little-endian\)/],
  ["UTF-16 without a mark, swapped", Buffer.from(file(HEADER), "utf16le").swap16(), /big-endian/],
  ["nothing but NUL", Buffer.alloc(4096), /nothing but NUL/],
  ["a Parquet file", Buffer.from("PAR1\x15\x04"), /Parquet/],
  ["a column missing", file("customer_id,store_id,product_name,sales_date", "1,121,apple,2023-03-01"), null],
  ["other names", file("a,b,c", "1,2,3"), null],
  ["nothing", "", null],
];

Deno.test("likelyHeaderCause() says what a file is, when its header is not the contract's", () => {
  for (const [what, content, cause] of CAUSES) {
    const said = likelyHeaderCause(Buffer.from(content), EXPECTED);
    if (cause === null) assert.equal(said, null, what);
    else assert.match(said ?? "", cause, what);
  }
});

Deno.test("likelyHeaderCause() goes by the configured delimiter, when it is no comma", () => {
  const expected = { ...EXPECTED, delimiter: ";" };
  assert.match(likelyHeaderCause(Buffer.from(file(HEADER)), expected) ?? "", /delimited by ","/);
  assert.equal(likelyHeaderCause(Buffer.from(file("customer_id;store_id;price")), expected), null);
});

Deno.test("likelyEncoding() guesses the encoding, when bytes are not UTF-8", () => {
  const table: readonly (readonly [string, Uint8Array, RegExp | null])[] = [
    ["windows-1252", Buffer.from("Müller;7\n", "latin1"), /windows-1252, where fc is "ü"/],
    ["a euro sign", Buffer.from([0x31, 0x80, 0x0a]), /windows-1252, where 80 is "€"/],
    ["UTF-16 with a mark", Buffer.from("\ufeffa,b\n", "utf16le"), /UTF-16 text \(little-endian\)/],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), /UTF-32/],
    ["gzip", gzipSync("a,b\n"), /gzip/],
    ["cut off", Buffer.from([0x61, 0xe2, 0x82]), /cut off/],
    ["binary", Buffer.from([0x01, 0x02, 0xff]), /no text at all/],
    ["undefined in windows-1252", Buffer.from([0x61, 0x81, 0x62]), null],
  ];
  for (const [what, bytes, guess] of table) {
    const at = invalidUtf8At(bytes);
    assert.ok(at >= 0, what);
    const bad = bytes.subarray(at, at + 4);
    const said = likelyEncoding(bytes, bad, at + bad.length === bytes.length);
    if (guess === null) assert.equal(said, null, what);
    else assert.match(said ?? "", guess, what);
  }
});

Deno.test("invalidUtf8At() gives the first byte that is not UTF-8", () => {
  const table: readonly (readonly [number[], number])[] = [
    [[], -1],
    [[0x61, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xa5, 0xa3], -1],
    [[0x61, 0x80], 1],
    [[0xc0, 0x80], 0],
    [[0xed, 0xa0, 0x80], 0],
    [[0xc3, 0xa4, 0xe2, 0x82], 2],
    [[0xe2, 0x82, 0x61], 0],
    [[0xf8, 0x88, 0x80, 0x80, 0x80], 0],
  ];
  for (const [bytes, at] of table) assert.equal(invalidUtf8At(Uint8Array.from(bytes)), at, String(bytes));
});

Deno.test("shown() gives at most so many characters, and makes what is invisible visible", () => {
  assert.equal(shown("a b"), "a b");
  assert.equal(shown("a\tb\u00a0\u200b\ufeff\x1b[31m"), "a<U+0009>b<U+00A0><U+200B><U+FEFF><U+001B>[31m");
  assert.equal(shown("x".repeat(100)), "x".repeat(100));
  assert.equal(shown("x".repeat(101)), `${"x".repeat(99)}…`);
  assert.equal(shown("😀".repeat(200)).length <= 100, true);
  assert.equal(shown("\u200b".repeat(1e6)).length <= 100, true);
});

Deno.test("inWords() keeps to 200 characters, and leaves the line out where there is no room", () => {
  const line = { number: 7, text: "x".repeat(500) };
  assert.match(inWords("short", null, line), /^short; line 7: "x{99}…"$/);
  for (const length of [10, 100, 150, 179, 180, 195]) {
    const said = inWords("w".repeat(length), null, line);
    assert.ok(said.length <= 200, String(length));
  }
  assert.equal(inWords("w".repeat(195), null, line), "w".repeat(195));
});

Deno.test("firstLine() and isPlainText() read what is there", () => {
  assert.deepEqual(firstLine(Buffer.from("\ufeff\r\n\na,b\r\nc")), { number: 3, text: "a,b" });
  assert.equal(firstLine(Buffer.from("\n\n")), null);
  assert.equal(isPlainText(Buffer.from("a,b\r\n\t1")), true);
  for (const bytes of [Buffer.alloc(0), Buffer.from("a\0b"), gzipSync("x")]) {
    assert.equal(isPlainText(bytes), false);
  }
  assert.equal(likelyFormat(Buffer.from("a,b\n")), null);
});
