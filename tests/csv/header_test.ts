/**
 * The header as it is written: what `splitCsv()` takes for the first row, told without it.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { readHeader } from "../../lib/csv/header.ts";
import { splitCsv } from "../../lib/csv/split.ts";
import { removeAtEnd } from "../support/ending.ts";

const DIALECT = { delimiter: ",", quote: '"', maxRowBytes: 1000 };

/** The file in pieces of a few bytes, so that every character is cut somewhere. */
async function* piecesOf(text: string | Uint8Array, sizeBytes = 2): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += sizeBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + sizeBytes));
  }
}

async function headerOf(text: string, dialect = DIALECT): Promise<string | null> {
  return (await readHeader(piecesOf(text), dialect))?.toString() ?? null;
}

const CASES: readonly (readonly [what: string, text: string, header: string | null])[] = [
  ["ends in LF", "a,b\n1,2\n", "a,b"],
  ["ends in CRLF", "a,b\r\n1,2\r\n", "a,b"],
  ["ends the file", "a,b", "a,b"],
  ["ends the file with a CR", "a,b\r", "a,b\r"],
  ["has a CR before its CRLF", "a,b\r\r\n1,2", "a,b\r"],
  ["follows a BOM", "\ufeffa,b\n1,2\n", "a,b"],
  ["follows a BOM and is quoted", '\ufeff"a\n",b\n1,2\n', '"a\n",b'],
  ["begins with a second BOM", "\ufeff\ufeffa,b\n", "\ufeffa,b"],
  ["begins with a letter that shares bytes with the BOM", "\ufec0,b\n", "\ufec0,b"],
  ["follows blank lines", "\n\r\n\r\na,b\n1,2\n", "a,b"],
  ["follows a BOM and blank lines", "\ufeff\r\n\na,b\n", "a,b"],
  ["follows a line of blanks, which is the header", " \na,b\n", " "],
  ["follows rows of nothing but delimiters", '\ufeff,,\r\n"", "\t"\n , \na,b\n', '"", "\t"'],
  ["follows empty quoted fields", '"",""\n,"" \n', ',"" '],
  ["is not there, after rows of nothing but delimiters", ',,\n"",""', null],
  ["spans lines", '"a\r\n\n1","b ""x"" ",c\n1,2,3\n', '"a\r\n\n1","b ""x"" ",c'],
  ["has a quote in an unquoted field", 'a"b,c"\n1,2\n', 'a"b,c"'],
  ["has text after a closing quote", '"a"x"y,b\n1,2\n', '"a"x"y,b'],
  ["is one field of two quotes", '""\n1\n', '""'],
  ["is not there", "", null],
  ["is not there, after a BOM", "\ufeff", null],
  ["is not there, after blank lines", "\n\r\n\n", null],
];

for (const [what, text, header] of CASES) {
  Deno.test(`readHeader() gives the header as it is written, when it ${what}`, async () => {
    assert.equal(await headerOf(text), header);
  });
}

Deno.test("readHeader() uses the delimiter and the quote of the files", async () => {
  assert.equal(await headerOf("a;'b\n1';c\n2\n", { ...DIALECT, delimiter: ";", quote: "'" }), "a;'b\n1';c");
});

Deno.test("readHeader() gives up, when the header is longer than a row may be, and reads no further", async () => {
  const limit = { ...DIALECT, maxRowBytes: 7 };
  assert.equal(await headerOf("\ufeff1234567\r\nx", limit), "1234567");
  let readCount = 0;
  const endless = async function* () {
    while (true) {
      readCount++;
      yield await Promise.resolve(Buffer.from('"xx'));
    }
  };
  assert.equal(await readHeader(endless(), limit), null);
  assert.ok(readCount < 10, `${readCount} pieces were read`);
});

Deno.test("readHeader() and splitCsv() agree on every header", async () => {
  const folder = await Deno.makeTempDir();
  const source = join(folder, "source");
  const headerFound = async (text: string) => {
    await Deno.writeTextFile(source, text);
    let header: readonly string[] | null = null;
    await splitCsv(source, DIALECT, (names) => {
      header = names;
      return { fault: { reason: "missing_columns", detail: "it lacks some", columns: [] } };
    });
    return header;
  };
  const texts = fc.array(fc.constantFrom("a", "b", '"', '""', ",", "\n", "\r", "\r\n", "\ufeff", "\u00e9"), {
    maxLength: 14,
  });
  try {
    await fc.assert(
      fc.asyncProperty(texts, async (parts) => {
        const text = parts.join(""), expected = await headerFound(text);
        // Where a quote stays open there is no header.
        if (expected === null) return;
        const header = await headerOf(text);
        assert.notEqual(header, null, JSON.stringify(text));
        // By itself, and with a BOM in front in case it begins with one, it is read as it was in its file.
        assert.deepEqual(await headerFound(`\ufeff${header}\r\n`), expected, JSON.stringify(text));
      }),
      { numRuns: 1500 },
    );
  } finally {
    await removeAtEnd(folder);
  }
});
