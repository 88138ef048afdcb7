/**
 * The reference's reader beside csv-parse, which knows nothing of the contract: they must read the same fields wherever
 * RFC 4180 says what these are.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomDelivery } from "./random_files.ts";
import { readRows } from "./reference_reader.ts";

const FILES_PER_SETTING = 200;
const SETTINGS = 5;

Deno.test("readRows() reads what csv-parse reads, when RFC 4180 leaves nothing open", () => {
  let compared = 0;
  for (let number = 0; number < SETTINGS; number++) {
    const { settings: { csv }, files } = randomDelivery(11, number, FILES_PER_SETTING);
    const delimiter = String(csv?.delimiter ?? ","), quote = String(csv?.quote ?? '"');
    for (const { pieces } of files.values()) {
      const text = Buffer.concat(pieces).toString("latin1");
      const { rows, malformedLine } = readRows(text, { delimiter, quote, maxRowBytes: text.length });
      if (malformedLine !== null || rows.some(({ isOpen }) => isOpen)) continue;
      const records: string[][] = parse(text.replace(/^\xef\xbb\xbf/, ""), {
        delimiter,
        quote,
        escape: quote,
        record_delimiter: ["\r\n", "\n"],
        relax_column_count: true,
        skip_empty_lines: true,
      });
      // What csv-parse has of rows of nothing but delimiters are records.
      const some = records.filter((fields) =>
        fields.length === 1 || fields.some((field) => !/^[ \t]*$/.test(field))
      );
      assert.deepEqual(rows.map(({ fields }) => fields), some, JSON.stringify(text));
      compared++;
    }
  }
  assert.ok(compared > FILES_PER_SETTING * SETTINGS / 2, `only ${compared} files leave nothing open`);
});

Deno.test("readRows() gives a row its lines and text, or says where it cannot go on, when a text is read", () => {
  const dialect = { delimiter: ",", quote: '"', maxRowBytes: 12 };
  const found = readRows('\xef\xbb\xbf\r\na,"b\n""c"\n\n\rd,x"y\r\n"e"f\n"123456789012"', dialect);
  assert.deepEqual(found, {
    rows: [
      { line: 2, raw: 'a,"b\n""c"', fields: ["a", 'b\n"c'], isOpen: false },
      { line: 5, raw: '\rd,x"y', fields: ["\rd", 'x"y'], isOpen: true },
      { line: 6, raw: '"e"f', fields: ["ef"], isOpen: true },
    ],
    malformedLine: 7,
  });
  assert.equal(readRows('a\n"b', dialect).malformedLine, 2);
});
