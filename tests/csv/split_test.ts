/**
 * The splitting of files and the SQL that reads what it wrote, together: whatever a file holds, its rows must come back
 * with their fields, their lines and their text as it stands in the file, whichever way they went.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { CHUNK_BYTES } from "../../lib/csv/chunks.ts";
import { NO_DELIMITER } from "../../lib/csv/marks.ts";
import { unescapeSql } from "../../lib/csv/normalised.ts";
import { encoderOf } from "../../lib/csv/encoding.ts";
import { DEFAULT_TEXT, type TextForm } from "../../lib/csv/form.ts";
import type { CsvDialect } from "../../lib/csv/row.ts";
import { RowWriter } from "../../lib/csv/row_writer.ts";
import { areExact } from "../../lib/csv/scan.ts";
import { compileSpelling, type SpellingTable } from "../../lib/csv/spelling.ts";
import { splitCsv } from "../../lib/csv/split.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { parseColumnType } from "../../lib/column_type.ts";
import type { KnownKeys } from "../../lib/csv/key_bits.ts";
import type { FileFault } from "../../lib/source_file.ts";
import { removeAtEnd } from "../support/ending.ts";

const BOM = "\ufeff";
/** Proves nothing: every row is doubtful. */
const NO_TABLE: SpellingTable = new Int32Array(512);

/** Line, raw text and fields of a row. */
type Row = readonly [line: number, raw: string, fields: readonly string[]];

/** Why a file cannot be read, or how many rows went where. */
type Result =
  | { readonly fault: FileFault }
  | { readonly exactCount: number; readonly doubtfulCount: number };

/** What is said of a header that is not the contract's. */
const HEADER_FAULT: FileFault = { reason: "missing_columns", detail: "the header lacks x", columns: ["x"] };

/** What became of one file. */
interface Split {
  readonly result: Result;
  /** `null` where none was read. */
  readonly header: readonly string[] | null;
  /** In the order of their lines. */
  readonly rows: Row[];
}

type Options = Partial<CsvDialect> & {
  readonly table?: SpellingTable | null;
  readonly keys?: readonly (KnownKeys | null)[];
  readonly text?: TextForm;
};
type SplitAll = (contents: readonly (string | Uint8Array)[], options?: Options) => Promise<Split[]>;

/** Splits files and reads the results through the engine, all of them with one query, as the contract check does. */
async function withSplit(use: (split: SplitAll, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "csv-split-" }));
  const source = join(folder, "source.csv"), files = ["exact", "doubtful"].map((name) => join(folder, name));
  try {
    await using engine = await openDuckdbEngine({ folder, resources: { memoryLimit: "1GiB", threads: 2 } });
    await use(async (contents, { table = NO_TABLE, keys = [], ...options } = {}) => {
      const dialect = { delimiter: ",", quote: '"', maxRowBytes: CHUNK_BYTES, ...options };
      const [exact, doubtful] = [new RowWriter(dialect), new RowWriter(dialect)];
      for (const file of files) await Deno.writeFile(file, new Uint8Array());
      const found: Split[] = [];
      let longestBytes = 0;
      for (const [i, content] of contents.entries()) {
        await Deno.writeFile(source, Buffer.from(content));
        let header: readonly string[] | null = null;
        const result = await splitCsv(source, dialect, (names) => {
          header = names;
          [exact, doubtful].forEach((writer, at) => writer.begin(files[at] ?? "", i));
          return table ? { table, keys, exact, doubtful } : { fault: HEADER_FAULT };
        });
        longestBytes = Math.max(longestBytes, exact.longestBytes, doubtful.longestBytes);
        const counts = { exactCount: exact.rowCount, doubtfulCount: doubtful.rowCount };
        found.push({ result: "fault" in result ? result : counts, header, rows: [] });
      }
      await engine.nameText("lines", {
        files,
        delimiter: NO_DELIMITER,
        columns: ["@text"],
        skipLines: 0,
        maxLineBytes: longestBytes,
      });
      // As JSON: the driver drops a BOM at the start of a text.
      const rows = await engine.query(`
        SELECT CAST(to_json(list_transform(parts, lambda part: ${unescapeSql("part")})) AS VARCHAR) AS json
        FROM (
          SELECT string_split(
            CASE WHEN filename LIKE '%exact' THEN replace("@text", '${dialect.delimiter}', chr(31)) ELSE "@text" END,
            chr(31)) AS parts FROM lines)
        ORDER BY CAST(parts[1] AS BIGINT), CAST(parts[2] AS BIGINT)`);
      for (const { json } of rows) {
        const [file, line, raw, ...fields] = JSON.parse(String(json));
        found[Number(file)]?.rows.push([Number(line), raw || fields.join(dialect.delimiter), fields]);
      }
      return found;
    }, folder);
  } finally {
    await removeAtEnd(folder);
  }
}

/** How a file is read to its end of which no row is exact. */
const allDoubtful = (rowCount: number): Result => ({ exactCount: 0, doubtfulCount: rowCount });

/** Rows of files whose header is the line `h`. */
const READABLE: readonly (readonly [string, string, Row[]])[] = [
  ["LF", "h\n1,2\n3,4\n", [[2, "1,2", ["1", "2"]], [3, "3,4", ["3", "4"]]]],
  ["no last line end", "h\n1,2", [[2, "1,2", ["1", "2"]]]],
  ["CRLF", "h\r\n1,2\r\n3,4\r\n", [[2, "1,2", ["1", "2"]], [3, "3,4", ["3", "4"]]]],
  ["mixed line ends", "h\r\n1,2\n3,4\r\n5\n", [[2, "1,2", ["1", "2"]], [3, "3,4", ["3", "4"]], [4, "5", [
    "5",
  ]]]],
  ["a lone CR outside quotes, which is text", "h\n1\r,\r2\n", [[2, "1\r,\r2", ["1\r", "\r2"]]]],
  ["a lone CR at the end of the file", "h\n1,2\r", [[2, "1,2\r", ["1", "2\r"]]]],
  ["two CRs before LF", "h\n1,2\r\r\n3\n", [[2, "1,2\r", ["1", "2\r"]], [3, "3", ["3"]]]],
  ["blank lines before the header", "\n\r\n\nh\n1\n", [[5, "1", ["1"]]]],
  ["blank lines between and after rows", "h\n\n1\n\r\n\n2\n\n\r\n", [[3, "1", ["1"]], [6, "2", ["2"]]]],
  ["lines of blanks, which are rows", "h\n \n\t\n", [[2, " ", [" "]], [3, "\t", ["\t"]]]],
  ["empty fields", "h\nx,\n,,x\n", [[2, "x,", ["x", ""]], [3, ",,x", ["", "", "x"]]]],
  ["rows of nothing but delimiters", 'h\n,\n \t,,\r\n"",""\n1\n," "', [[5, "1", ["1"]]]],
  ["a BOM", `${BOM}h\n1\n`, [[2, "1", ["1"]]]],
  ["a BOM before a blank line", `${BOM}\r\nh\n1\n`, [[3, "1", ["1"]]]],
  ["a BOM that is not the file's first character", `h\n${BOM}1,${BOM}\n`, [[2, `${BOM}1,${BOM}`, [
    `${BOM}1`,
    BOM,
  ]]]],
  ["quoted fields", 'h\n"1","2"\n', [[2, '"1","2"', ["1", "2"]]]],
  ["delimiters within quotes", 'h\n"1,2",3\n', [[2, '"1,2",3', ["1,2", "3"]]]],
  ["an empty quoted field alone", 'h\n""\n', [[2, '""', [""]]]],
  ["escaped quotes", 'h\n"a ""b"" c",""""\n', [[2, '"a ""b"" c",""""', ['a "b" c', '"']]]],
  ["nothing but escaped quotes", 'h\n"""""",""""""\n', [[2, '"""""",""""""', ['""', '""']]]],
  ["a row that spans lines", 'h\n"a\nb",1\n2\n', [[2, '"a\nb",1', ["a\nb", "1"]], [4, "2", ["2"]]]],
  ["a row that spans lines twice", 'h\n"a\nb","c\n\nd"\n2\n', [[2, '"a\nb","c\n\nd"', ["a\nb", "c\n\nd"]], [
    6,
    "2",
    ["2"],
  ]]],
  ["CRLF and lone CR within quotes, which are kept", 'h\r\n"a\r\nb\rc\nd"\r\n2\r\n', [
    [2, '"a\r\nb\rc\nd"', ["a\r\nb\rc\nd"]],
    [5, "2", ["2"]],
  ]],
  ["blank lines within quotes, which are kept", 'h\n"\n\n\r\n"\n2\n', [[2, '"\n\n\r\n"', ["\n\n\r\n"]], [
    6,
    "2",
    ["2"],
  ]]],
  ["escaped quotes at line ends", 'h\n"a""\n""b"\n', [[2, '"a""\n""b"', ['a"\n"b']]]],
  ["a BOM at the start of a quoted field", `h\n"${BOM}1"\n`, [[2, `"${BOM}1"`, [`${BOM}1`]]]],
  ["a stray quote in an unquoted field", 'h\n5" pipe,1\n', [[2, '5" pipe,1', ['5" pipe', "1"]]]],
  ["stray quotes in pairs", 'h\na""b,"1"\n', [[2, 'a""b,"1"', ['a""b', "1"]]]],
  ["a stray quote at the end of an unquoted field", 'h\na",b\n2\n', [[2, 'a",b', ['a"', "b"]], [3, "2", [
    "2",
  ]]]],
  ["blanks before a quote, which make it a stray one", 'h\n "a",b\n', [[2, ' "a",b', [' "a"', "b"]]]],
  ["text after a closing quote", 'h\n"a"b,c\n', [[2, '"a"b,c', ['"a"b', "c"]]]],
  ["a blank after a closing quote", 'h\n"a" ,c\n', [[2, '"a" ,c', ['"a" ', "c"]]]],
  ["quotes after a closing quote", 'h\n"a"b"c,d",e\n', [[2, '"a"b"c,d",e', ['"a"b"c', 'd"', "e"]]]],
  ["text after a quote that closes on another line", 'h\n"a\n,b"c,d\n2\n', [[2, '"a\n,b"c,d', [
    '"a\n,b"c',
    "d",
  ]], [
    4,
    "2",
    ["2"],
  ]]],
  ["NUL", 'h\n\0,a\0b\n"\0"\n', [[2, "\0,a\0b", ["\0", "a\0b"]], [3, '"\0"', ["\0"]]]],
  ["the characters that normalised files are made of", "h\n\x01,\x10,\x1f\n", [[2, "\x01,\x10,\x1f", [
    "\x01",
    "\x10",
    "\x1f",
  ]]]],
  ["what looks like an escape", 'h\n\x10n,\x10e,\x10\x10s\n"\x10z\n\x10"\n', [
    [2, "\x10n,\x10e,\x10\x10s", ["\x10n", "\x10e", "\x10\x10s"]],
    [3, '"\x10z\n\x10"', ["\x10z\n\x10"]],
  ]],
  ["characters of several bytes", 'h\n"ä€",😀\n', [[2, '"ä€",😀', ["ä€", "😀"]]]],
  ["a combining mark after a delimiter", 'h\n"a",\u0301b,\u200d\n', [[2, '"a",\u0301b,\u200d', [
    "a",
    "\u0301b",
    "\u200d",
  ]]]],
  ["other line separators, which are text", "h\n1\u2028\u0085\x0b\x0c2\n", [[2, "1\u2028\u0085\x0b\x0c2", [
    "1\u2028\u0085\x0b\x0c2",
  ]]]],
];

Deno.test("splitCsv() gives back fields, lines and raw text, when a file can be read", async (test) => {
  await withSplit(async (split) => {
    const found = await split(READABLE.map(([, content]) => content));
    for (const [i, [what, , rows]] of READABLE.entries()) {
      await test.step(what, () => {
        assert.deepEqual(found[i], { result: allDoubtful(rows.length), header: ["h"], rows });
      });
    }
  });
});

Deno.test("splitCsv() reads the header as it reads rows, when it is unusual", async (test) => {
  const cases: readonly (readonly [string, string, readonly string[], number | null])[] = [
    ["quoted", '"a","b ""c""",d\n1\n', ["a", 'b "c"', "d"], 2],
    ["over several lines", '"a\nb\r\nc",d\n1\n', ["a\nb\r\nc", "d"], 4],
    ["quoted after a BOM", `${BOM}"a",b\n1\n`, ["a", "b"], 2],
    ["without line end", "ä,€", ["ä", "€"], null],
    ["with blanks, which the contract trims", " a ,\tb\n1\n", [" a ", "\tb"], 2],
    ["with empty names", ",a,\n1\n", ["", "a", ""], 2],
  ];
  await withSplit(async (split) => {
    const found = await split(cases.map(([, content]) => content));
    for (const [i, [what, , header, line]] of cases.entries()) {
      await test.step(what, () => {
        const rows = line === null ? [] : [[line, "1", ["1"]]];
        assert.deepEqual(found[i], { result: allDoubtful(rows.length), header, rows });
      });
    }
  });
});

Deno.test("splitCsv() finds a file empty, when it has nothing but a BOM and blank lines", async () => {
  await withSplit(async (split) => {
    const contents = ["\n", "\r\n", "\n\r\n\n", BOM, `${BOM}\n`, `${BOM}\r\n\n`];
    for (const [i, { result, rows }] of (await split(contents)).entries()) {
      const fault = { reason: "empty_file", detail: "it has nothing but blank lines" };
      assert.deepEqual({ result, rows }, { result: { fault }, rows: [] }, JSON.stringify(contents[i]));
    }
  });
});

Deno.test("splitCsv() takes other delimiters and quotes, when they are configured", async () => {
  await withSplit(async (split) => {
    const content = `h\n'1;"2"';3,4;it''s\n'it''s\nso';"\n`;
    const [found] = await split([content], { delimiter: ";", quote: "'" });
    assert.deepEqual(found?.rows, [
      [2, `'1;"2"';3,4;it''s`, ['1;"2"', "3,4", "it''s"]],
      [3, `'it''s\nso';"`, ["it's\nso", '"']],
    ]);
    const [tabs] = await split(['h\n\t"1\t2"\t\n'], { delimiter: "\t" });
    assert.deepEqual(tabs?.rows, [[2, '\t"1\t2"\t', ["", "1\t2", ""]]]);
  });
});

/** Longest row in the tests of limits. */
const LIMIT = 20;
const AT_LIMIT = "x".repeat(LIMIT), OVER = "x".repeat(LIMIT + 1);

/** Files that cannot be read further, and the line of the row that cannot be read. */
const MALFORMED: readonly (readonly [string, string, number])[] = [
  ["a quote open at the end of the file", 'h\n1\n2,"3\n', 3],
  ["a quote open at the end, without line end", 'h\n1\n2,"3', 3],
  ["a quote as the last character", 'h\n1\n2\n"', 4],
  ["a quote open for some lines", 'h\n1\n\n"a\n2\n3\n4\n', 4],
  ["a quote that an escaped one does not close", 'h\n"a""\n', 2],
  ["a quote opened on a later line of a row", 'h\n1\n"a\n\n","b\n2', 3],
  ["a quote open in the header", 'h,"i\n1\n', 1],
  ["a quote open in the header after blank lines", '\n\r\nh,"i\n1\n', 3],
  ["a row too long", `h\n1\n${OVER}\n2\n`, 3],
  ["the last row too long", `h\n1\n${OVER}`, 3],
  ["a row too long with CRLF", `h\r\n1\r\n${OVER}\r\n2\r\n`, 3],
  ["a quoted row too long", `h\n"${AT_LIMIT}"\n2\n`, 2],
  ["a row too long by all its lines", `h\n1\n"${"abcd\n".repeat(4)}"\n2\n`, 3],
  ["a row too long by the line ends within it", `h\n"${"\n".repeat(LIMIT - 1)}"\n2\n`, 2],
  ["the header too long", `${OVER}\n1\n`, 1],
];

Deno.test("splitCsv() says from which line it cannot read, when a file is malformed", async (test) => {
  await withSplit(async (split) => {
    const found = await split(MALFORMED.map(([, content]) => content), { maxRowBytes: LIMIT });
    for (const [i, [what, , line]] of MALFORMED.entries()) {
      await test.step(what, () => {
        const { result, rows } = found[i] ?? {};
        assert.ok(result && "fault" in result, JSON.stringify(result));
        const { fault } = result;
        assert.ok(fault.reason === "malformed_csv", JSON.stringify(result));
        const reason = what.startsWith("a quote ") ? /quote/ : new RegExp(`longer than ${LIMIT} bytes`);
        assert.match(fault.detail, reason);
        assert.ok(fault.detail.startsWith(`line ${line}: `), fault.detail);
        // What was read before is taken back.
        assert.deepEqual([fault.line, rows], [line, []]);
      });
    }
  });
});

Deno.test("splitCsv() reads a row of exactly maxRowBytes, when it is counted without its line end", async (test) => {
  const cases: readonly (readonly [string, string])[] = [
    ["LF", `${AT_LIMIT}\n1\n`],
    ["CRLF", `${AT_LIMIT}\r\n1\r\n`],
    ["no line end", `1\n${AT_LIMIT}`],
    ["in quotes", `"${"x".repeat(LIMIT - 2)}"\n1\n`],
    ["over several lines", `"${"\r\n".repeat(LIMIT / 2 - 1)}"\r\n1\n`],
    ["of several bytes a character", `${"€".repeat(6)}ä\n1\n`],
  ];
  await withSplit(async (split) => {
    const contents = [...cases.map(([, rows]) => `h\n${rows}`), `${BOM}${AT_LIMIT}\n1\n2\n`];
    const found = await split(contents, { maxRowBytes: LIMIT });
    for (const [i, what] of [...cases.map(([what]) => what), "the header after a BOM"].entries()) {
      await test.step(what, () => {
        const { result, rows } = found[i] ?? {};
        assert.ok(result && !("fault" in result), JSON.stringify(result));
        assert.equal(rows?.length, 2);
      });
    }
  });
});

Deno.test("splitCsv() reads on as before, wherever its reads cut a row", async () => {
  const row = '"a ""b""\r\nc\n","é",x\r\n';
  const bytes = Buffer.from(row).length;
  await withSplit(async (split) => {
    const starts = Array.from({ length: bytes + 2 }, (_, i) => CHUNK_BYTES - bytes - 1 + i);
    const contents = starts.map((start) => `h\n${"y".repeat(start - 3)}\n${row}1\n`);
    for (const [i, { result, rows }] of (await split(contents)).entries()) {
      assert.deepEqual(rows.slice(1), [
        [3, row.trimEnd(), ['a "b"\r\nc\n', "é", "x"]],
        [6, "1", ["1"]],
      ], `a row that starts at byte ${starts[i]}`);
      assert.deepEqual(result, allDoubtful(3));
    }
  });
});

Deno.test("splitCsv() reads a row of exactly maxRowBytes, wherever its reads cut the line end", async () => {
  const limit = CHUNK_BYTES * 3 / 4;
  await withSplit(async (split) => {
    // The row ends some bytes before or after the end of the first read.
    const contents = [-2, -1, 0, 1].map((end) =>
      `h\n${"y".repeat(CHUNK_BYTES - limit - 3 + end)}\n${"x".repeat(limit)}\r\n1\n`
    );
    for (const { result, rows } of await split(contents, { maxRowBytes: limit })) {
      assert.ok(!("fault" in result), JSON.stringify(result));
      assert.deepEqual(rows.slice(1).map(([line, raw]) => [line, raw.length]), [[3, limit], [4, 1]]);
    }
  });
});

/** Any text, made of what matters to a reader of CSV and to the normalised form. */
const text = fc.string({
  unit: fc.constantFrom(
    ...["a", "n", "e", "1", " ", "\t", "é", "😀", "\u0301", ",", ",", '"', '"', "\n", "\r", "\r\n"],
    ...["\0", "\x01", "\x10", "\x1f", BOM],
  ),
  maxLength: 8,
});

/** A field and how it is printed: in quotes where it must be, or for no reason. */
const field = fc.tuple(text, fc.boolean()).map(([value, quoted]) => ({
  value,
  printed: quoted || /[,"\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value,
}));

/** A row with its line end and blank lines after it. A row of one empty field must not look like a blank line. */
const printedRow = fc.record({
  fields: fc.array(field, { minLength: 1, maxLength: 4 }),
  end: fc.constantFrom("\n", "\n", "\r\n"),
  blank: fc.constantFrom("", "", "", "\n", "\r\n\n"),
}).map(({ fields, ...ends }) => {
  const raw = fields.map(({ printed }) => printed).join(",");
  return { values: fields.map(({ value }) => value), raw: raw === "" ? '""' : raw, ...ends };
});

const printedFile = fc.record({
  start: fc.constantFrom("", "", BOM, "\n", `${BOM}\r\n`),
  rows: fc.array(printedRow, { maxLength: 12 }),
  ended: fc.boolean(),
});

/** Whether a row is a blank line: nothing but delimiters, and blanks between them. */
const isBlank = (values: readonly string[]) =>
  values.length > 1 && values.every((value) => /^[ \t]*$/.test(value));
/** What may stand between rows. */
const NO_ROWS = /^(([ \t"]*,[ \t",]*)?\r?\n)*([ \t"]*,[ \t",]*)?$/;

Deno.test("splitCsv() gives back what was printed as RFC 4180, when quoting, line ends and blank lines vary", async () => {
  await withSplit(async (split) => {
    await fc.assert(
      fc.asyncProperty(fc.array(printedFile, { minLength: 20, maxLength: 40 }), async (files) => {
        const printed = files.map(({ start, rows, ended }) => {
          let content = `${start}h\n`;
          const expected: Row[] = [];
          for (const [i, { values, raw, end, blank }] of rows.entries()) {
            if (!isBlank(values)) expected.push([content.split("\n").length, raw, values]);
            content += raw + (i < rows.length - 1 || ended ? end + blank : "");
          }
          return { content, expected };
        });
        const found = await split(printed.map(({ content }) => content));
        for (const [i, { content, expected }] of printed.entries()) {
          assert.deepEqual(found[i]?.rows, expected, JSON.stringify(content));
          assert.deepEqual(found[i]?.result, allDoubtful(expected.length));
        }
      }),
      { seed: 3, numRuns: 12, endOnFailure: true },
    );
  });
});

Deno.test("splitCsv() keeps every byte of a file in the raw text of its rows, when it is of any characters", async () => {
  await withSplit(async (split) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(text, { maxLength: 6 }), { minLength: 40 }), async (files) => {
        const contents = files.map((parts) => `h\n${parts.join("")}`);
        for (const [i, { result, rows }] of (await split(contents)).entries()) {
          const content = contents[i] ?? "";
          if ("fault" in result && result.fault.reason === "malformed_csv") {
            const unread = content.split("\n").slice(result.fault.line - 1).join("\n");
            return assert.ok(unread.includes('"'), JSON.stringify(content));
          }
          assert.deepEqual(result, allDoubtful(rows.length));
          // Put back where they were, the rows must leave nothing between them but line ends.
          let at = 1;
          for (const [line, raw] of rows) {
            const start = content.indexOf(raw, at);
            assert.match(content.slice(at, start), NO_ROWS, JSON.stringify({ content, line, raw }));
            assert.equal(content.slice(0, start).split("\n").length, line, JSON.stringify({ content, raw }));
            at = start + raw.length;
          }
          assert.match(content.slice(at), NO_ROWS, JSON.stringify({ content, rows }));
        }
      }),
      { seed: 4, numRuns: 8, endOnFailure: true },
    );
  });
});

Deno.test("splitCsv() stops with the signal's reason, when it is aborted", async () => {
  const reason = new Error("stopped");
  await withSplit(async (_, folder) => {
    const source = join(folder, "aborted.csv");
    await Deno.writeTextFile(source, "h\n1\n");
    const options = { delimiter: ",", quote: '"', maxRowBytes: 10, signal: AbortSignal.abort(reason) };
    await assert.rejects(splitCsv(source, options, () => ({ fault: HEADER_FAULT })), reason);
  });
});

Deno.test("splitCsv() reads a row of many lines as fast as many rows, when each line has a stray quote", async () => {
  await withSplit(async (split) => {
    const durationMs = async (content: string) => {
      const started = performance.now();
      await split([content]);
      return performance.now() - started;
    };
    const lines = 60_000;
    // About the same; where each stray quote costs as much as the row, it is a hundred times as long, every time. A
    // machine that is busy with something else may make it as long once.
    const ratios: number[] = [];
    while (ratios.length < 5 && !ratios.some((ratio) => ratio < 20)) {
      const manyRows = await durationMs(`h\n${'"a"x\n'.repeat(lines)}`);
      const oneRow = await durationMs(`h\n${'"a\n"x,'.repeat(lines)}`);
      ratios.push(oneRow / manyRows);
    }
    assert.ok(Math.min(...ratios) < 20, `one row took ${ratios} times as long as ${lines} rows`);
  });
});

Deno.test("splitCsv() reads no row, when the header is not the contract's", async () => {
  await withSplit(async (split) => {
    const [found] = await split(['h\n1\n"open'], { table: null });
    assert.deepEqual(found, { result: { fault: HEADER_FAULT }, header: ["h"], rows: [] });
  });
});

/** A header and rows of 64 bytes that end exactly `before` bytes in front of the second chunk. */
function fillChunk(before: number): string {
  const line = `${"x".repeat(63)}\n`;
  const rest = (CHUNK_BYTES - before - 2) % line.length + line.length;
  return `h\n${"y".repeat(rest - 1)}\n${line.repeat((CHUNK_BYTES - before - 2 - rest) / line.length)}`;
}

Deno.test("splitCsv() finds what is not UTF-8, wherever it is, whatever else is wrong", async (test) => {
  const cases: readonly (readonly [string, string, readonly number[]])[] = [
    ["an invalid byte at the start", "", [0xff, 0x61, 0x0a]],
    ["an invalid byte at the end", "a\n1", [0x80]],
    ["Latin-1", "a\nM", [0xfc, 0x6c, 0x0a]],
    ["an overlong character", "a\n", [0xc0, 0xaf, 0x0a]],
    ["a surrogate", "a\n", [0xed, 0xa0, 0x80, 0x0a]],
    ["a character above U+10FFFF", "a\n", [0xf4, 0x90, 0x80, 0x80, 0x0a]],
    ["a character of 2 bytes cut off", "a\n", [0xc3]],
    ["a character of 4 bytes cut off", "a\n", [0xf0, 0x9f, 0x98]],
    ["nothing but the first byte of a character", "", [0xe2]],
    ["after an open quote", '\n\r"', [0xff]],
    ["in a later chunk, after a row that does not end", `h\n"${fillChunk(0)}`, [0xff]],
    ["cut off by another character at the end of a chunk", fillChunk(1), [0xc3, 0x61, 0x0a]],
    ["cut off by the end of the file at the end of a chunk", fillChunk(2), [0xf0, 0x9f]],
    ["a byte that continues nothing at the start of a chunk", fillChunk(0), [0x80, 0x0a]],
  ];
  await withSplit(async (split) => {
    const contents = cases.map(([, text, bytes]) =>
      Buffer.concat([Buffer.from(text), Uint8Array.from(bytes)])
    );
    for (const [i, { result, rows }] of (await split([...contents, "", "h\n"])).entries()) {
      const what = cases[i]?.[0];
      await test.step(what ?? `another file, ${i}`, () => {
        const others = [{ fault: { reason: "empty_file", detail: "it has no bytes" } }, allDoubtful(0)];
        const notUtf8 = { fault: { reason: "not_utf8", detail: "it is not UTF-8 text" } };
        assert.deepEqual([result, rows], [what ? notUtf8 : others[i - cases.length], []]);
      });
    }
  });
});

Deno.test("splitCsv() takes a character for whole, wherever the boundary of two chunks cuts it", async () => {
  await withSplit(async (split) => {
    for (const character of ["é", "€", "😀"]) {
      const { length } = Buffer.from(character);
      const contents = Array.from(
        { length: length + 1 },
        (_, before) => `${fillChunk(before)}${character}\n1\n`,
      );
      for (const { rows } of await split(contents)) {
        assert.deepEqual(rows.slice(-2).map(([, raw]) => raw), [character, "1"]);
      }
    }
  });
});

/** Files of a declared text form: the form, the text, the header, and the rows. */
const FORMS: readonly (readonly [string, Partial<TextForm>, string, readonly string[], Row[]])[] = [
  ["title lines", { skipLines: 2 }, 'Sales\r\nof "May\n\nh\n1\n', ["h"], [[5, "1", ["1"]]]],
  [
    "skipped lines are lines, whatever their quotes say",
    { skipLines: 2 },
    '"a\nb"\nh,i\n"x\ny",2\n3,4\n',
    ["h", "i"],
    [[4, '"x\ny",2', ["x\ny", "2"]], [6, "3,4", ["3", "4"]]],
  ],
  ["skipped lines that are empty", { skipLines: 3 }, "\n\r\n\nh\n1\n", ["h"], [[5, "1", ["1"]]]],
  ["no header", { header: ["a", "b"] }, "1,2\n3,4", ["a", "b"], [
    [1, "1,2", ["1", "2"]],
    [2, "3,4", ["3", "4"]],
  ]],
  [
    "no header, blank lines and quotes in front",
    { header: ["a", "b"] },
    '\n,\n"1\n",2\n',
    ["a", "b"],
    [[3, '"1\n",2', ["1\n", "2"]]],
  ],
  ["its own header below the declared one", { header: ["a", "b"] }, "A,b\n1,2\n", ["a", "b"], [
    [2, "1,2", ["1", "2"]],
  ]],
  [
    "a header in other words, skipped",
    { skipLines: 1, header: ["a", "b"] },
    "x;y\n1,2\n",
    ["a", "b"],
    [[2, "1,2", ["1", "2"]]],
  ],
];

Deno.test("splitCsv() skips lines and takes a declared header, in every encoding", async (test) => {
  await withSplit(async (split) => {
    for (const [what, form, text, header, rows] of FORMS) {
      for (const encoding of ["utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-15"] as const) {
        await test.step(`${what}, ${encoding}`, async () => {
          const marks = encoding.startsWith("utf-") ? ["", BOM] : [""];
          const contents = marks.map((mark) => encoderOf(encoding)(mark + text) ?? "");
          for (const found of await split(contents, { text: { ...DEFAULT_TEXT, ...form, encoding } })) {
            assert.deepEqual(found, { result: allDoubtful(rows.length), header, rows });
          }
        });
      }
    }
  });
});

Deno.test("splitCsv() gives the same rows in any encoding, over many chunks", async () => {
  const lines = Array.from({ length: 90_000 }, (_, i) => `${i},€ ${"ä".repeat(i % 13)}`);
  const text = `t\nh,i\n${lines.join("\r\n")}`;
  const rows = lines.map((line, i): Row => [i + 3, line, line.split(",")]);
  await withSplit(async (split) => {
    for (const encoding of ["utf-16le", "utf-16be", "windows-1252"] as const) {
      const [found] = await split([encoderOf(encoding)(text) ?? ""], { text: { encoding, skipLines: 1 } });
      assert.deepEqual(found, { result: allDoubtful(rows.length), header: ["h", "i"], rows });
    }
  });
});

Deno.test("splitCsv() refuses what is none of the declared encoding, and what has nothing behind its lines", async () => {
  const fault = (reason: "bad_encoding" | "empty_file", detail: string) => ({
    result: { fault: { reason, detail } },
    rows: [],
  });
  const none = "it has nothing but blank lines";
  const cases: readonly (readonly [Partial<TextForm>, string | Uint8Array, ReturnType<typeof fault>])[] = [
    [{ encoding: "utf-16le" }, "h\n1\n\n", fault("bad_encoding", "it is not utf-16le text")],
    [
      { encoding: "utf-16be" },
      Buffer.from("0068000ad8000031", "hex"),
      fault(
        "bad_encoding",
        "it is not utf-16be text",
      ),
    ],
    [
      { encoding: "windows-1252" },
      Buffer.from("h\n1\n\x81", "latin1"),
      fault(
        "bad_encoding",
        "it is not windows-1252 text",
      ),
    ],
    [
      { encoding: "iso-8859-1" },
      Buffer.from("h\n1\n\x80", "latin1"),
      fault(
        "bad_encoding",
        "it is not iso-8859-1 text",
      ),
    ],
    [{ skipLines: 2 }, "a\nb\n\n", fault("empty_file", `${none} after the 2 that its source skips`)],
    [{ skipLines: 3 }, "a\nb", fault("empty_file", `${none} after the 3 that its source skips`)],
    [{ header: ["h"] }, "\n\n", fault("empty_file", none)],
    [{ header: ["h"] }, "", fault("empty_file", "it has no bytes")],
  ];
  await withSplit(async (split) => {
    for (const [form, content, expected] of cases) {
      const [found] = await split([content], { text: { ...DEFAULT_TEXT, ...form } });
      assert.deepEqual({ result: found?.result, rows: found?.rows }, expected);
    }
  });
});

const LAYOUT = [parseColumnType("integer"), parseColumnType("text"), null];
const PLAIN_TABLE = compileSpelling(LAYOUT, ",");
/** Proves rows of a whole number, a text and an extra column, with either line end. */
const TABLE = compileSpelling([parseColumnType("integer"), parseColumnType("text"), null], ",", {
  byLine: true,
});

Deno.test("splitCsv() tells exact rows from doubtful ones and loses none, when files are of any rows", async () => {
  const exact = fc.tuple(
    fc.integer(),
    fc.constantFrom("x", "é", " y ", "x".repeat(300)),
    fc.constantFrom("", "z"),
  )
    .map((fields) => fields.join(","));
  const doubtful = fc.constantFrom(
    "",
    "1,x",
    "1.5,x,",
    "1, ,",
    '1,"x\n\ny",',
    "1,x,\r",
    "\0,x,",
    "1,x,z,",
    '"1",x,"',
    " ",
  );
  const row = fc.oneof({ weight: 9, arbitrary: exact }, doubtful);
  const file = fc.tuple(fc.array(row, { maxLength: 60 }), fc.constantFrom("\n", "\r\n"), fc.boolean())
    .map(([rows, end, ended]) => `a,b,c\n${rows.join("\n")}${ended ? end : ""}`);
  await withSplit(async (split) => {
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 20 }), async (contents) => {
        const plain = await split(contents);
        for (const [i, { result, rows }] of (await split(contents, { table: TABLE })).entries()) {
          assert.deepEqual(rows, plain[i]?.rows, JSON.stringify(contents[i]));
          if ("fault" in result) {
            assert.deepEqual(result, plain[i]?.result);
            continue;
          }
          const spelled = rows.filter(([, raw]) => areExact(PLAIN_TABLE, Buffer.from(raw)));
          // The last row of a file without a line end is always looked at.
          assert.ok(
            [spelled.length, spelled.length - 1].includes(result.exactCount),
            JSON.stringify(contents[i]),
          );
          assert.equal(result.exactCount + result.doubtfulCount, rows.length);
        }
      }),
      { seed: 6, numRuns: 20, endOnFailure: true },
    );
  });
});

Deno.test("splitCsv() tells rows with known keys from others, when they are spelled in any way", async () => {
  const types = ["integer", "text", "integer"].map(parseColumnType);
  const table = compileSpelling(types, ",", { byLine: true }), plainTable = compileSpelling(types, ",");
  const known = [[-27, 1, 5, 15], [2 ** 53 - 20, 2 ** 53 - 3]];
  const keys = known.map((numbers) => keysOf(numbers));
  // Nearly known: what numbers, minus signs and line ends would make if they were taken for digits.
  const key = fc.oneof(
    fc.constantFrom(...known.flat().map(String)),
    fc.constantFrom("-3", "-27", "-1", "001", "05", "0", "6", "-0"),
    fc.constantFrom("9007199254740972", "9007199254740992", "9007199254740993", "900719925474097200"),
    fc.integer().map(String),
  );
  const file = fc.tuple(fc.array(fc.tuple(key, key), { maxLength: 40 }), fc.constantFrom("\n", "\r\n"))
    .map(([rows, end]) => ["a,b,c", ...rows.map(([a, c]) => `${a},x,${c}`), ""].join(end));
  const isWanted = (text: string, numbers: readonly number[]) =>
    !text.startsWith("-") && numbers.some((number) => BigInt(number) === BigInt(text));
  await withSplit(async (split) => {
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 20 }), async (contents) => {
        const plain = await split(contents);
        const found = await split(contents, { table, keys: [keys[0] ?? null, null, keys[1] ?? null] });
        for (const [i, { result, rows }] of found.entries()) {
          assert.deepEqual(rows, plain[i]?.rows, JSON.stringify(contents[i]));
          const wanted = rows.filter(([, raw, [a = "", , c = ""]]) =>
            areExact(plainTable, Buffer.from(raw)) && isWanted(a, known[0] ?? []) &&
            isWanted(c, known[1] ?? [])
          );
          const doubtfulCount = rows.length - wanted.length;
          assert.deepEqual(
            result,
            { exactCount: wanted.length, doubtfulCount },
            JSON.stringify(contents[i]),
          );
        }
      }),
      { seed: 6, numRuns: 20, endOnFailure: true },
    );
  });
});

/** Keys as `readKnownKeys()` gives them. */
function keysOf(numbers: readonly number[]): KnownKeys {
  const least = Math.min(...numbers);
  const bits = new Uint8Array(Math.ceil((Math.max(...numbers) - least + 1) / 8));
  for (const number of numbers) bits[(number - least) >> 3]! |= 128 >> ((number - least) & 7);
  return { least, bits };
}

Deno.test("splitCsv() numbers rows on, when there are thousands, some of them doubtful or over the limit", async () => {
  await withSplit(async (split) => {
    const lines = Array.from({ length: 120_000 }, (_, i) => i % 1009 === 7 ? `${i},"a\nb",` : `${i},x,`);
    const expected: [number, string][] = [];
    let line = 2;
    for (const raw of lines) {
      expected.push([line, raw]);
      line += raw.split("\n").length;
    }
    const [found] = await split([`a,b,c\n${lines.join("\n")}\n`], { table: TABLE });
    assert.deepEqual(found?.rows.map(([line, raw]) => [line, raw]), expected);
    const tooLong = await split([`a,b,c\n1,x,\n1,${"x".repeat(18)},\n`], { table: TABLE, maxRowBytes: 20 });
    const result = tooLong[0]?.result;
    assert.ok(result && "fault" in result && result.fault.reason === "malformed_csv", JSON.stringify(result));
  });
});
