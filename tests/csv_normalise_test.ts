/**
 * The normaliser and the SQL that reads what it wrote, together: whatever a file holds, its rows must come back with
 * their fields, their lines and their text as it stands in the file.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { normalisedRowsSql } from "../lib/contract_sql.ts";
import { type CsvDialect, normaliseCsv, type NormalisedCsv } from "../lib/csv_normalise.ts";
import { NO_DELIMITER } from "../lib/csv_marks.ts";
import { openDuckdbEngine } from "../lib/engine/duckdb.ts";

/** Bytes that normaliseCsv() reads at a time. */
const READ_BYTES = 1024 * 1024;
const BOM = "\ufeff";

/** Line, raw text and fields of a row. */
type Row = readonly [line: number, raw: string, fields: readonly string[]];

/** What became of one file. */
interface Normalised {
  readonly result: NormalisedCsv;
  readonly rows: Row[];
}

type Normalise = (contents: readonly string[], dialect?: Partial<CsvDialect>) => Promise<Normalised[]>;

/** Normalises files and reads the results through the engine, all of them with one query, as the contract check does. */
async function withNormalise(use: (normalise: Normalise) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "csv-normalise-" }));
  const source = join(folder, "source.csv");
  try {
    await using engine = await openDuckdbEngine({ folder, resources: { memoryLimit: "1GiB", threads: 2 } });
    await use(async (contents, options) => {
      const dialect = { delimiter: ",", quote: '"', maxRowBytes: READ_BYTES, ...options };
      const files = contents.map((_, i) => join(folder, `${i}.txt`));
      const found: Normalised[] = [];
      for (const [i, content] of contents.entries()) {
        await Deno.writeFile(source, Buffer.from(content));
        found.push({ result: await normaliseCsv(source, files[i] ?? "", dialect), rows: [] });
      }
      await engine.nameText("lines", {
        files,
        delimiter: NO_DELIMITER,
        columns: ["@text"],
        skipLines: 0,
        maxLineBytes: 5 * dialect.maxRowBytes,
      });
      // As JSON: the driver drops a BOM at the start of a text.
      const rows = await engine.query(`
        SELECT filename, CAST(to_json({ line: "@line", raw: "@raw", fields: "@f" }) AS VARCHAR) AS json
        FROM (${normalisedRowsSql("lines", dialect.delimiter)}) ORDER BY filename, "@line"`);
      for (const { filename, json } of rows) {
        const { line, raw, fields } = JSON.parse(String(json));
        found[files.indexOf(String(filename))]?.rows.push([line, raw, fields]);
      }
      return found;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

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
  ["empty fields", "h\n,\n,,\n", [[2, ",", ["", ""]], [3, ",,", ["", "", ""]]]],
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

Deno.test("normaliseCsv() gives back fields, lines and raw text, when a file can be read", async (test) => {
  await withNormalise(async (normalise) => {
    const found = await normalise(READABLE.map(([, content]) => content));
    for (const [i, [what, , rows]] of READABLE.entries()) {
      await test.step(what, () => {
        const header = { kind: "rows", header: ["h"], rowCount: rows.length, malformed: null };
        assert.deepEqual(found[i], { result: header, rows });
      });
    }
  });
});

Deno.test("normaliseCsv() reads the header as it reads rows, when it is unusual", async (test) => {
  const cases: readonly (readonly [string, string, readonly string[], number | null])[] = [
    ["quoted", '"a","b ""c""",d\n1\n', ["a", 'b "c"', "d"], 2],
    ["over several lines", '"a\nb\r\nc",d\n1\n', ["a\nb\r\nc", "d"], 4],
    ["quoted after a BOM", `${BOM}"a",b\n1\n`, ["a", "b"], 2],
    ["without line end", "ä,€", ["ä", "€"], null],
    ["with blanks, which the contract trims", " a ,\tb\n1\n", [" a ", "\tb"], 2],
    ["with empty names", ",a,\n1\n", ["", "a", ""], 2],
  ];
  await withNormalise(async (normalise) => {
    const found = await normalise(cases.map(([, content]) => content));
    for (const [i, [what, , header, line]] of cases.entries()) {
      await test.step(what, () => {
        const rows = line === null ? [] : [[line, "1", ["1"]]];
        assert.deepEqual(found[i], {
          result: { kind: "rows", header, rowCount: rows.length, malformed: null },
          rows,
        });
      });
    }
  });
});

Deno.test("normaliseCsv() finds a file empty, when it has nothing but a BOM and blank lines", async () => {
  await withNormalise(async (normalise) => {
    const contents = ["", "\n", "\r\n", "\n\r\n\n", BOM, `${BOM}\n`, `${BOM}\r\n\n`];
    for (const [i, { result, rows }] of (await normalise(contents)).entries()) {
      assert.deepEqual(
        { result, rows },
        { result: { kind: "empty" }, rows: [] },
        JSON.stringify(contents[i]),
      );
    }
  });
});

Deno.test("normaliseCsv() takes other delimiters and quotes, when they are configured", async () => {
  await withNormalise(async (normalise) => {
    const content = `h\n'1;"2"';3,4;it''s\n'it''s\nso';"\n`;
    const [found] = await normalise([content], { delimiter: ";", quote: "'" });
    assert.deepEqual(found?.rows, [
      [2, `'1;"2"';3,4;it''s`, ['1;"2"', "3,4", "it''s"]],
      [3, `'it''s\nso';"`, ["it's\nso", '"']],
    ]);
    const [tabs] = await normalise(['h\n\t"1\t2"\t\n'], { delimiter: "\t" });
    assert.deepEqual(tabs?.rows, [[2, '\t"1\t2"\t', ["", "1\t2", ""]]]);
  });
});

/** Longest row in the tests of limits. */
const LIMIT = 20;
const AT_LIMIT = "x".repeat(LIMIT), OVER = "x".repeat(LIMIT + 1);

/** Files that cannot be read further: header and rows up to there, and the line of the row that cannot be read. */
const MALFORMED: readonly (readonly [string, string, readonly string[] | null, number, number])[] = [
  ["a quote open at the end of the file", 'h\n1\n2,"3\n', ["h"], 1, 3],
  ["a quote open at the end, without line end", 'h\n1\n2,"3', ["h"], 1, 3],
  ["a quote as the last character", 'h\n1\n2\n"', ["h"], 2, 4],
  ["a quote open for some lines", 'h\n1\n\n"a\n2\n3\n4\n', ["h"], 1, 4],
  ["a quote that an escaped one does not close", 'h\n"a""\n', ["h"], 0, 2],
  ["a quote opened on a later line of a row", 'h\n1\n"a\n\n","b\n2', ["h"], 1, 3],
  ["a quote open in the header", 'h,"i\n1\n', null, 0, 1],
  ["a quote open in the header after blank lines", '\n\r\nh,"i\n1\n', null, 0, 3],
  ["a row too long", `h\n1\n${OVER}\n2\n`, ["h"], 1, 3],
  ["the last row too long", `h\n1\n${OVER}`, ["h"], 1, 3],
  ["a row too long with CRLF", `h\r\n1\r\n${OVER}\r\n2\r\n`, ["h"], 1, 3],
  ["a quoted row too long", `h\n"${AT_LIMIT}"\n2\n`, ["h"], 0, 2],
  ["a row too long by all its lines", `h\n1\n"${"abcd\n".repeat(4)}"\n2\n`, ["h"], 1, 3],
  ["a row too long by the line ends within it", `h\n"${"\n".repeat(LIMIT - 1)}"\n2\n`, ["h"], 0, 2],
  ["the header too long", `${OVER}\n1\n`, null, 0, 1],
];

Deno.test("normaliseCsv() says from which line it cannot read, when a file is malformed", async (test) => {
  await withNormalise(async (normalise) => {
    const found = await normalise(MALFORMED.map(([, content]) => content), { maxRowBytes: LIMIT });
    for (const [i, [what, , header, rowCount, line]] of MALFORMED.entries()) {
      await test.step(what, () => {
        const { result } = found[i] ?? {};
        assert.ok(result?.kind === "rows" && result.malformed !== null, JSON.stringify(result));
        const reason = what.startsWith("a quote ") ? /quote/ : new RegExp(`longer than ${LIMIT} bytes`);
        assert.match(result.malformed.detail, reason);
        assert.deepEqual({ ...result, malformed: result.malformed.line }, {
          kind: "rows",
          header,
          rowCount,
          malformed: line,
        });
      });
    }
  });
});

Deno.test("normaliseCsv() reads a row of exactly maxRowBytes, when it is counted without its line end", async (test) => {
  const cases: readonly (readonly [string, string])[] = [
    ["LF", `${AT_LIMIT}\n1\n`],
    ["CRLF", `${AT_LIMIT}\r\n1\r\n`],
    ["no line end", `1\n${AT_LIMIT}`],
    ["in quotes", `"${"x".repeat(LIMIT - 2)}"\n1\n`],
    ["over several lines", `"${"\r\n".repeat(LIMIT / 2 - 1)}"\r\n1\n`],
    ["of several bytes a character", `${"€".repeat(6)}ä\n1\n`],
  ];
  await withNormalise(async (normalise) => {
    const contents = [...cases.map(([, rows]) => `h\n${rows}`), `${BOM}${AT_LIMIT}\n1\n2\n`];
    const found = await normalise(contents, { maxRowBytes: LIMIT });
    for (const [i, what] of [...cases.map(([what]) => what), "the header after a BOM"].entries()) {
      await test.step(what, () => {
        const { result, rows } = found[i] ?? {};
        assert.ok(result?.kind === "rows" && result.malformed === null, JSON.stringify(result));
        assert.equal(rows?.length, 2);
      });
    }
  });
});

Deno.test("normaliseCsv() reads on as before, wherever its reads cut a row", async () => {
  const row = '"a ""b""\r\nc\n","é",x\r\n';
  const bytes = Buffer.from(row).length;
  await withNormalise(async (normalise) => {
    const starts = Array.from({ length: bytes + 2 }, (_, i) => READ_BYTES - bytes - 1 + i);
    const contents = starts.map((start) => `h\n${"y".repeat(start - 3)}\n${row}1\n`);
    for (const [i, { result, rows }] of (await normalise(contents)).entries()) {
      assert.deepEqual(rows.slice(1), [
        [3, row.trimEnd(), ['a "b"\r\nc\n', "é", "x"]],
        [6, "1", ["1"]],
      ], `a row that starts at byte ${starts[i]}`);
      assert.equal(result.kind === "rows" && result.rowCount, 3);
    }
  });
});

Deno.test("normaliseCsv() reads a row of exactly maxRowBytes, wherever its reads cut the line end", async () => {
  const limit = READ_BYTES * 3 / 4;
  await withNormalise(async (normalise) => {
    // The row ends some bytes before or after the end of the first read.
    const contents = [-2, -1, 0, 1].map((end) =>
      `h\n${"y".repeat(READ_BYTES - limit - 3 + end)}\n${"x".repeat(limit)}\r\n1\n`
    );
    for (const { result, rows } of await normalise(contents, { maxRowBytes: limit })) {
      assert.equal(result.kind === "rows" && result.malformed, null);
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

Deno.test("normaliseCsv() gives back what was printed as RFC 4180, when quoting, line ends and blank lines vary", async () => {
  await withNormalise(async (normalise) => {
    await fc.assert(
      fc.asyncProperty(fc.array(printedFile, { minLength: 20, maxLength: 40 }), async (files) => {
        const printed = files.map(({ start, rows, ended }) => {
          let content = `${start}h\n`;
          const expected: Row[] = [];
          for (const [i, { values, raw, end, blank }] of rows.entries()) {
            expected.push([content.split("\n").length, raw, values]);
            content += raw + (i < rows.length - 1 || ended ? end + blank : "");
          }
          return { content, expected };
        });
        const found = await normalise(printed.map(({ content }) => content));
        for (const [i, { content, expected }] of printed.entries()) {
          assert.deepEqual(found[i]?.rows, expected, JSON.stringify(content));
          const { result } = found[i] ?? {};
          assert.deepEqual(result, {
            kind: "rows",
            header: ["h"],
            rowCount: expected.length,
            malformed: null,
          });
        }
      }),
      { seed: 3, numRuns: 12, endOnFailure: true },
    );
  });
});

Deno.test("normaliseCsv() keeps every byte of a file in the raw text of its rows, when it is of any characters", async () => {
  await withNormalise(async (normalise) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(text, { maxLength: 6 }), { minLength: 40 }), async (files) => {
        const contents = files.map((parts) => `h\n${parts.join("")}`);
        for (const [i, { result, rows }] of (await normalise(contents)).entries()) {
          const content = contents[i] ?? "";
          assert.ok(result.kind === "rows");
          assert.equal(result.rowCount, rows.length);
          // Put back where they were, the rows must leave nothing between them but line ends.
          let at = 1;
          for (const [line, raw] of rows) {
            const start = content.indexOf(raw, at);
            assert.match(content.slice(at, start), /^(\r?\n)+$/, JSON.stringify({ content, line, raw }));
            assert.equal(content.slice(0, start).split("\n").length, line, JSON.stringify({ content, raw }));
            at = start + raw.length;
          }
          const rest = content.slice(at);
          if (result.malformed === null) {
            return assert.match(rest, /^(\r?\n)*$/, JSON.stringify({ content, rows }));
          }
          const unread = content.split("\n").slice(result.malformed.line - 1).join("\n");
          assert.equal(rest.replace(/^(\r?\n)+/, ""), unread, JSON.stringify(content));
        }
      }),
      { seed: 4, numRuns: 8, endOnFailure: true },
    );
  });
});

Deno.test("normaliseCsv() stops with the signal's reason, when it is aborted", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "source.csv"), "h\n1\n");
    const reason = new Error("stopped");
    const dialect = { delimiter: ",", quote: '"', maxRowBytes: READ_BYTES };
    const stopped = normaliseCsv(
      join(folder, "source.csv"),
      join(folder, "target.txt"),
      dialect,
      AbortSignal.abort(reason),
    );
    await assert.rejects(stopped, reason);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("normaliseCsv() reads a row of many lines as fast as many rows, when each line has a stray quote", async () => {
  const folder = await Deno.makeTempDir({ prefix: "csv-normalise-" });
  try {
    const source = join(folder, "source.csv");
    const dialect = { delimiter: ",", quote: '"', maxRowBytes: READ_BYTES };
    const durationMs = async (content: string) => {
      await Deno.writeTextFile(source, content);
      const started = performance.now();
      await normaliseCsv(source, join(folder, "normalised.txt"), dialect);
      return performance.now() - started;
    };
    const lines = 60_000;
    const manyRows = await durationMs(`h\n${'"a"x\n'.repeat(lines)}`);
    const oneRow = await durationMs(`h\n${'"a\n"x,'.repeat(lines)}`);
    // About the same; where each stray quote costs as much as the row, it is a hundred times as long.
    assert.ok(oneRow < 20 * manyRows, `${oneRow} ms for one row, ${manyRows} ms for ${lines} rows`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
