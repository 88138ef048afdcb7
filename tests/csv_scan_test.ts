/**
 * What the first look at a file finds: a wrong "regular" would lose or merge rows, since such a file is read as its
 * lines.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type CsvScan, scanCsv } from "../lib/csv_scan.ts";

/** Bytes that scanCsv() reads at a time, and so the least `maxRowBytes` with which a file can be regular. */
const CHUNK_BYTES = 1024 * 1024;
const BOM = "\ufeff";

/** What is compared; the count of delimiters is asserted for every regular file. */
type Scan = Exclude<CsvScan, { kind: "regular" }> | { kind: "regular"; header: string; rowCount: number };

const EMPTY: Scan = { kind: "empty" };
const NOT_UTF8: Scan = { kind: "not_utf8" };
const IRREGULAR: Scan = { kind: "irregular" };
const regular = (header: string, rowCount: number): Scan => ({ kind: "regular", header, rowCount });

/** Scans files of the given content, all under one name. */
async function withScan(
  use: (
    scan: (content: string | Uint8Array, options?: Partial<ScanOptions>) => Promise<Scan>,
  ) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  try {
    await use(async (content, options) => {
      await Deno.writeFile(path, Buffer.from(content));
      return await scanCsv(path, { delimiter: ",", quote: '"', maxRowBytes: CHUNK_BYTES, ...options });
    });
  } finally {
    await Deno.remove(path);
  }
}

type ScanOptions = Parameters<typeof scanCsv>[1];

/** A header and rows of 64 bytes that end exactly `before` bytes in front of the second chunk, and their row count. */
function fillChunk(before: number): { text: string; rowCount: number } {
  const line = `${"x".repeat(63)}\n`;
  const rest = (CHUNK_BYTES - before - 2) % line.length + line.length;
  const rowCount = (CHUNK_BYTES - before - 2 - rest) / line.length;
  return { text: `h\n${"y".repeat(rest - 1)}\n${line.repeat(rowCount)}`, rowCount: rowCount + 1 };
}

const SMALL_FILES: readonly (readonly [string, string | number[], Scan])[] = [
  ["no bytes", "", EMPTY],
  ["nothing but a BOM", BOM, IRREGULAR],
  ["a BOM and a blank line", `${BOM}\n`, IRREGULAR],
  ["a blank line", "\n", IRREGULAR],
  ["a header", "a,b\n", regular("a,b", 0)],
  ["a header without line end", "a,b", IRREGULAR],
  ["LF", "a,b\n1,2\n3,4\n", regular("a,b", 2)],
  ["no last line end", "a,b\n1,2\n3,4", regular("a,b", 2)],
  ["a BOM", `${BOM}a,b\n1,2\n`, regular("a,b", 1)],
  ["two BOMs, the second of which is text", `${BOM}${BOM}a,b\n1,2\n`, regular(`${BOM}a,b`, 1)],
  ["a BOM within the text", `a,b\n${BOM}1,2\n`, regular("a,b", 1)],
  ["a line of blanks", "a,b\n \t\n", regular("a,b", 1)],
  ["CRLF", "a,b\r\n1,2\r\n", IRREGULAR],
  ["one CRLF among LFs", "a,b\n1,2\r\n3,4\n", IRREGULAR],
  ["a lone CR within a line", "a,b\n1,\r2\n", IRREGULAR],
  ["a lone CR at the end", "a,b\n1,2\r", IRREGULAR],
  ["a quote in the header", '"a",b\n1,2\n', IRREGULAR],
  ["a quote in a row", 'a,b\n1,2"\n', IRREGULAR],
  ["NUL", "a,b\n1,\0\n", IRREGULAR],
  ["the character that is no delimiter", "a,b\n1,\x01\n", IRREGULAR],
  ["the escape character", "a,b\n1,\x10\n", IRREGULAR],
  ["the field separator", "a,b\n1,\x1f\n", IRREGULAR],
  ["other control characters", "a,b\n\x02\x0b\x0c\x1a\x1b,\x7f\u0085\u2028\n", regular("a,b", 1)],
  ["a blank line before the header", "\na,b\n1,2\n", IRREGULAR],
  ["a blank line after the header", "a,b\n\n1,2\n", IRREGULAR],
  ["a blank line between rows", "a,b\n1,2\n\n3,4\n", IRREGULAR],
  ["a blank line at the end", "a,b\n1,2\n\n", IRREGULAR],
  ["characters of 2, 3 and 4 bytes", "ä,€\n😀,ä\n", regular("ä,€", 1)],
  ["an invalid byte at the start", [0xff, 0x61, 0x0a], NOT_UTF8],
  ["an invalid byte at the end", [0x61, 0x0a, 0x31, 0x80], NOT_UTF8],
  ["Latin-1", [0x61, 0x0a, 0x4d, 0xfc, 0x6c, 0x6c, 0x65, 0x72, 0x0a], NOT_UTF8],
  ["UTF-16", [0xff, 0xfe, 0x61, 0x00, 0x0a, 0x00], NOT_UTF8],
  ["an overlong character", [0x61, 0x0a, 0xc0, 0xaf, 0x0a], NOT_UTF8],
  ["a surrogate", [0x61, 0x0a, 0xed, 0xa0, 0x80, 0x0a], NOT_UTF8],
  ["a character above U+10FFFF", [0x61, 0x0a, 0xf4, 0x90, 0x80, 0x80, 0x0a], NOT_UTF8],
  ["a character of 2 bytes cut off", [0x61, 0x0a, 0xc3], NOT_UTF8],
  ["a character of 3 bytes cut off", [0x61, 0x0a, 0xe2, 0x82], NOT_UTF8],
  ["a character of 4 bytes cut off", [0x61, 0x0a, 0xf0, 0x9f, 0x98], NOT_UTF8],
  ["nothing but the first byte of a character", [0xe2], NOT_UTF8],
  ["an invalid byte in an irregular file", [0x0a, 0x0d, 0x22, 0xff], NOT_UTF8],
];

Deno.test("scanCsv() finds what a file is, when it is small", async (test) => {
  await withScan(async (scan) => {
    for (const [what, content, expected] of SMALL_FILES) {
      const bytes = typeof content === "string" ? content : Uint8Array.from(content);
      await test.step(what, async () => assert.deepEqual(await scan(bytes), expected));
    }
  });
});

Deno.test("scanCsv() looks for the configured quote, when there is another one", async () => {
  await withScan(async (scan) => {
    assert.deepEqual(await scan('a\n"1"\n', { quote: "'" }), regular("a", 1));
    assert.deepEqual(await scan("a\n'1'\n", { quote: "'" }), IRREGULAR);
  });
});

Deno.test("scanCsv() takes a character for whole, wherever the boundary of two chunks cuts it", async () => {
  await withScan(async (scan) => {
    for (const character of ["é", "€", "😀"]) {
      const { length } = Buffer.from(character);
      for (let before = 0; before <= length; before++) {
        const { text, rowCount } = fillChunk(before);
        const found = await scan(`${text}${character}\n1\n`);
        assert.deepEqual(
          found,
          regular("h", rowCount + 2),
          `${character} ${before} bytes before the boundary`,
        );
      }
    }
  });
});

Deno.test("scanCsv() sees what is wrong, when it lies at the boundary of two chunks or behind it", async (test) => {
  const cases: readonly (readonly [string, number, number[], Scan["kind"]])[] = [
    ["a character cut off by another one", 1, [0xc3, 0x61, 0x0a], "not_utf8"],
    ["a longer one cut off by another one", 3, [0xf0, 0x9f, 0x98, 0x61, 0x0a], "not_utf8"],
    ["a character cut off by the end of the file", 2, [0xf0, 0x9f], "not_utf8"],
    ["continued behind the boundary, and cut off there", 2, [0xf0, 0x9f, 0x98], "not_utf8"],
    ["a byte that continues nothing", 0, [0x80, 0x0a], "not_utf8"],
    ["a byte too many", 2, [0xc3, 0xa9, 0xa9, 0x0a], "not_utf8"],
    ["a blank line just behind", 0, [0x0a, 0x31, 0x0a], "irregular"],
    ["a blank line just before", 1, [0x0a, 0x31, 0x0a], "irregular"],
    ["CR and LF on either side", 2, [0x31, 0x0d, 0x0a], "irregular"],
    ["a quote behind", 1, [0x31, 0x22, 0x0a], "irregular"],
    ["nothing", 1, [0x31, 0x0a, 0x32, 0x0a], "regular"],
    ["nothing, and the file ends there", 0, [], "regular"],
  ];
  await withScan(async (scan) => {
    for (const [what, before, bytes, expected] of cases) {
      const content = Buffer.concat([Buffer.from(fillChunk(before).text), Uint8Array.from(bytes)]);
      await test.step(what, async () => assert.equal((await scan(content)).kind, expected));
    }
  });
});

Deno.test("scanCsv() says not_utf8 rather than irregular, when a later chunk is not text", async () => {
  await withScan(async (scan) => {
    const content = Buffer.concat([Buffer.from(`\r\n"${fillChunk(0).text}`), Uint8Array.of(0xff)]);
    assert.deepEqual(await scan(content), NOT_UTF8);
  });
});

Deno.test("scanCsv() leaves rows over maxRowBytes to the normaliser, when there are any", async (test) => {
  const limit = CHUNK_BYTES + 1000;
  const atLimit = "x".repeat(limit), over = "x".repeat(limit + 1);
  const cases: readonly (readonly [string, string, Scan])[] = [
    ["the header at the limit", `${atLimit}\n1\n`, IRREGULAR],
    ["a row at the limit", `h\n${atLimit}\n1\n`, regular("h", 2)],
    ["the last row at the limit", `h\n1\n${atLimit}\n`, regular("h", 2)],
    ["the last row at the limit, without line end", `h\n1\n${atLimit}`, regular("h", 2)],
    ["rows at the limit, one after the other", `h\n${atLimit}\n${atLimit}\n1\n`, regular("h", 3)],
    ["a row over the limit", `h\n${over}\n1\n`, IRREGULAR],
    ["the last row over the limit", `h\n1\n${over}\n`, IRREGULAR],
    ["the last row over the limit, without line end", `h\n1\n${over}`, IRREGULAR],
    ["the header over the limit", `${over}\n1\n`, IRREGULAR],
  ];
  await withScan(async (scan) => {
    for (const [what, content, expected] of cases) {
      await test.step(what, async () => {
        assert.deepEqual(await scan(content, { maxRowBytes: limit }), expected);
      });
    }
    await test.step("a limit below one chunk, which is not looked at here", async () => {
      assert.deepEqual(await scan("h\n1\n", { maxRowBytes: CHUNK_BYTES - 1 }), IRREGULAR);
    });
  });
});

/** What is regular, said once more in the plainest way. */
function scanPlainly(text: string): Scan {
  if (text === "") return EMPTY;
  const lines = text.replace(/^\ufeff/, "").split("\n");
  if (lines.length === 1) return IRREGULAR;
  if (lines.at(-1) === "") lines.pop();
  // deno-lint-ignore no-control-regex -- these are the characters that it is about
  if (lines.includes("") || /["\r\0\x01\x10\x1f]/.test(text)) return IRREGULAR;
  return regular(lines[0] ?? "", lines.length - 1);
}

Deno.test("scanCsv() finds what a plain reading finds, when a small file is of any characters", async () => {
  const unit = fc.constantFrom(
    "a",
    ",",
    " ",
    "\n",
    "\n",
    "é",
    "😀",
    BOM,
    '"',
    "\r",
    "\r\n",
    "\0",
    "\x10",
    "\x1f",
  );
  const tame = fc.constantFrom("a", ",", "\n", "é", "😀", BOM);
  const text = fc.oneof(fc.string({ unit, maxLength: 12 }), fc.string({ unit: tame, maxLength: 40 }));
  await withScan(async (scan) => {
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        assert.deepEqual(await scan(content), scanPlainly(content));
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

Deno.test("scanCsv() counts the rows that a plain reading counts, when they cross the boundary of two chunks", async () => {
  const line = fc.string({ unit: fc.constantFrom("a", ",", "é", "€", "😀"), minLength: 1, maxLength: 9 });
  const file = fc.record({
    before: fc.integer({ min: 0, max: 40 }),
    lines: fc.array(line, { maxLength: 30 }),
    ended: fc.boolean(),
  });
  await withScan(async (scan) => {
    await fc.assert(
      fc.asyncProperty(file, async ({ before, lines, ended }) => {
        const content = fillChunk(before).text + lines.join("\n") + (ended && lines.length > 0 ? "\n" : "");
        assert.deepEqual(await scan(content), scanPlainly(content));
      }),
      { seed: 2, numRuns: 60 },
    );
  });
});

Deno.test("scanCsv() counts thousands of rows, when all are of one length", async () => {
  await withScan(async (scan) => {
    for (let length = 1; length <= 9; length++) {
      const rows = `${"x".repeat(length)}\n`.repeat(5000);
      assert.deepEqual(await scan(`h\n${rows}`), regular("h", 5000), `rows of ${length} bytes`);
    }
  });
});

Deno.test("scanCsv() stops with the signal's reason, when it is aborted", async () => {
  const reason = new Error("stopped");
  await withScan(async (scan) => {
    await assert.rejects(scan("a\n1\n", { signal: AbortSignal.abort(reason) }), reason);
  });
});
