import fc from "fast-check";
import assert from "node:assert/strict";
import { advance, areExact, EXACT, markLines } from "../../lib/csv/scan.ts";
import { compileSpelling, DOUBTFUL, ROW_START } from "../../lib/csv/spelling.ts";
import { type ColumnType, parseColumnType } from "../../lib/column_type.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const typeOf = (text: string): ColumnType => parseColumnType(text)!;

/** Spellings by type: what a typed reader takes exactly, and what it could take for something else. */
const SPELLINGS: Readonly<Record<string, { exact: readonly string[]; doubtful: readonly string[] }>> = {
  integer: {
    exact: ["0", "7", "007", "-7", "999999999999999999", "-999999999999999999"],
    doubtful: [
      "",
      "-",
      "+7",
      "1.0",
      "1.5",
      "1e3",
      " 7",
      "7 ",
      "9999999999999999999",
      "1_0",
      "0x1",
      "٣",
      "--1",
    ],
  },
  "decimal(4,2)": {
    exact: ["0", "12", "-12", "1.5", "12.34", "-12.34", "0.00", "01.50"],
    doubtful: ["", ".5", "5.", "123", "1.234", "1.230", "1e1", "1,5", "+1.5", "NaN", "1.2.3", " 1.5", "-.5"],
  },
  "decimal(3,0)": { exact: ["0", "123", "-123"], doubtful: ["1234", "1.0", "12."] },
  "decimal(2,2)": { exact: [], doubtful: ["0.50", ".50", "0"] },
  date: {
    exact: [
      "2023-03-31",
      "0001-01-01",
      "9999-12-31",
      "1000-10-10",
      "2024-02-29",
      "2000-02-29",
      "0400-02-29",
    ],
    doubtful: [
      "",
      "0000-01-01",
      "2023-02-29",
      "1900-02-29",
      "2024-02-30",
      "2023-04-31",
      "2023-00-10",
      "2023-13-01",
      "2023-01-00",
      "2023-01-32",
      "2023-3-31",
      "2023/03/31",
      "02023-03-31",
      "2023-03-31 ",
      "infinity",
      "2023-03-31T00",
    ],
  },
  text: {
    exact: ["x", " x ", "\tx", "é", "日本", "=1+1", "'", "\x02", "x".repeat(5000)],
    doubtful: ["", " ", "\t \t", 'a"b', "a\rb", "a\0b", "a\x01b", "a\x10b", "a\x1fb"],
  },
};

for (const [type, { exact, doubtful }] of Object.entries(SPELLINGS)) {
  Deno.test(`areExact() tells what is exact from what may not be, when a value is of type ${type}`, () => {
    const layout = [typeOf(type), null];
    const table = compileSpelling(layout, ",");
    for (const end of ["\n", ""]) {
      for (const value of exact) assert.ok(areExact(table, bytesOf(`${value},rest${end}`)), value);
      for (const value of doubtful) {
        assert.ok(!areExact(table, bytesOf(`${value},rest${end}`)), JSON.stringify(value));
      }
    }
  });
}

Deno.test("areExact() proves rows of as many fields as the header has, when other columns are of any text", () => {
  const table = compileSpelling([null, typeOf("integer"), null], "|", { quote: "'" });
  for (const rows of ["|1|\n", 'a b,"c|1|\n', "é|1|x\n|2|\n"]) {
    assert.ok(areExact(table, bytesOf(rows)), rows);
  }
  for (const rows of ["\n", "|1\n", "|1||\n", "'|1|\n", "|1|'\n", "|1|\r\n", "|1|\n\n", "|1|\n|2\n"]) {
    assert.ok(!areExact(table, bytesOf(rows)), JSON.stringify(rows));
  }
});

Deno.test("advance() comes to the same in any pieces, when rows are of any length", () => {
  const table = compileSpelling([typeOf("integer"), typeOf("text"), typeOf("date")], ",");
  const good = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 300 }))
    .map(([id, length]) => `${id},${"x".repeat(length)},2023-03-31\n`);
  const rows = fc.array(
    fc.oneof({ weight: 50, arbitrary: good }, fc.constantFrom("1,,2023-03-31\n", "\n", "x")),
    {
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(rows, fc.nat(), (rows, at) => {
      const bytes = bytesOf(rows.join(""));
      const cut = bytes.length === 0 ? 0 : at % bytes.length;
      let byByte = ROW_START;
      for (const byte of bytes) byByte = table[byByte + byte]!;
      assert.equal(advance(table, bytes, ROW_START), byByte);
      const inTwo = advance(table, bytes.subarray(cut), advance(table, bytes.subarray(0, cut), ROW_START));
      assert.equal(inTwo, byByte);
      assert.equal(byByte === DOUBTFUL, !rows.every((row) => /^\d+,x+,2023-03-31\n$/.test(row)));
    }),
    { numRuns: 300 },
  );
});

Deno.test("areExact() proves every day of 800 years and no other, when a date has the right digits", () => {
  const table = compileSpelling([typeOf("date")], ",");
  const two = (number: number) => String(number).padStart(2, "0");
  for (let year = 1700; year < 2500; year++) {
    for (let month = 0; month <= 13; month++) {
      const dayCount = month >= 1 && month <= 12 ? new Date(Date.UTC(year, month, 0)).getUTCDate() : 0;
      for (const day of [0, 1, 10, 28, 29, 30, 31, 32]) {
        const date = `${year}-${two(month)}-${two(day)}`;
        assert.equal(areExact(table, bytesOf(date)), day >= 1 && day <= dayCount, date);
      }
    }
  }
});

Deno.test("compileSpelling() gives the start of a row a state of its own, whatever the first column is", () => {
  for (const type of [null, typeOf("text"), typeOf("integer"), typeOf("date")]) {
    const table = compileSpelling([type, null], ",");
    for (const value of ["x", " x", " ", "7", "2"]) {
      let state = ROW_START;
      for (const byte of bytesOf(value)) assert.notEqual(state = table[state + byte]!, ROW_START, value);
    }
  }
});

Deno.test("markLines() tells of each line what areExact() tells of it alone, when lines are of any kind", () => {
  const layout = [typeOf("integer"), typeOf("text"), typeOf("date")];
  const byLine = compileSpelling(layout, ",", { byLine: true }), table = compileSpelling(layout, ",");
  const good = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 }), fc.constantFrom("", "\r"))
    .map(([id, length, cr]) => `${id},${"x".repeat(length)},2023-03-31${cr}`);
  const doubtful = fc.constantFrom(
    "1,,2023-03-31",
    "",
    "x",
    "\r",
    "1,x,2023-02-29",
    "1,x",
    '1,"x",2023-03-31',
    "1,x,2023-03-31,",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: good }, doubtful), { maxLength: 80 }), (lines) => {
      const bytes = bytesOf(lines.map((line) => `${line}\n`).join(""));
      const marks = new Uint8Array(bytes.length);
      markLines(byLine, bytes, marks);
      const found = [...bytes].flatMap((byte, i) => byte === 10 ? marks[i] === EXACT : []);
      // A CR before an LF is part of the line's end.
      const expected = lines.map((line) => line !== "" && areExact(table, bytesOf(line.replace(/\r$/, ""))));
      assert.deepEqual(found, expected.map((exact, i) => exact && lines[i] !== "\r"));
    }),
    { numRuns: 300 },
  );
});
