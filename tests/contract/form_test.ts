/**
 * The contract check of files in a sender's own form: what is taken, what is refused, and that lines, raw text and details
 * are those of the file as delivered.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { faultOfDateFormat, parseDateFormat } from "../../lib/contract/date_format.ts";
import { DEFAULT_FORM, type FileForm } from "../../lib/contract/form.ts";
import { type Contract, contractSchema } from "../../lib/contract/schema.ts";
import { encoderOf } from "../../lib/csv/encoding.ts";
import { type Content, countsOf, type Outcome, withContractCheck } from "../support/contract_check.ts";

const CONTRACT: Contract = contractSchema.parse({
  columns: { id: "integer", name: "text", day: "date", amount: "decimal(10,2)" },
  rules: { not_zero: { check: "amount <> 0", severity: "reject" } },
  keys: [],
  lookups: [],
  maxRejectedShare: 1,
});
const HEADER = "id;name;day;amount";

type Check = (
  contents: Readonly<Record<string, Content>>,
  form?: Partial<FileForm>,
  csv?: Record<string, unknown>,
) => Promise<Outcome>;

async function withCheck(use: (check: Check) => Promise<void>): Promise<void> {
  await withContractCheck({}, async (check) => {
    await use((contents, form = {}, csv = { delimiter: ";" }) =>
      check(contents, CONTRACT, csv, { ...DEFAULT_FORM, ...form })
    );
  });
}

/** Values that are taken, each with what it is; those of nothing are refused. */
type Values = readonly (readonly [text: string, value?: string])[];

/** Checks one value a row in a column; all others are good. */
async function assertValues(
  check: Check,
  column: "id" | "day" | "amount",
  form: Partial<FileForm>,
  values: Values,
  good: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = values.map(([text], i) => {
    const all: Record<string, string> = { id: "1", ...good, name: `n${i}`, [column]: text };
    return [all.id, all.name, all.day, all.amount].map((value) => `"${value}"`).join(";");
  });
  const { accepted, rejects } = await check({ a: [HEADER, ...rows].join("\n") }, form);
  const byName = new Map(accepted.a?.map((row) => [row.name, row[column]]));
  for (const [i, [text, value]] of values.entries()) {
    const what = `${column} ${JSON.stringify(text)}, ${JSON.stringify(form)}`;
    assert.equal(byName.get(`n${i}`), value, what);
    const reject = rejects.a?.find(({ line }) => line === i + 2);
    if (value !== undefined) assert.equal(reject, undefined, what);
    else {assert.deepEqual(
        [reject?.reason, reject?.column, reject?.raw],
        ["invalid_value", column, rows[i]],
        what,
      );}
  }
}

Deno.test("checkFiles() takes dates of the declared form, and no others", async () => {
  await withCheck(async (check) => {
    const day = (dateFormat: string, values: Values) =>
      assertValues(check, "day", { dateFormat }, values, { amount: "1" });
    await day("%d/%m/%Y", [
      ["01/03/2023", "2023-03-01"],
      [" 01/03/2023\t", "2023-03-01"],
      ["29/02/2024", "2024-02-29"],
      ["31/12/9999", "9999-12-31"],
      ["01/01/0001", "0001-01-01"],
      ["31/02/2023"],
      ["29/02/2023"],
      ["00/01/2023"],
      ["01/13/2023"],
      ["12/31/2023"],
      ["1/3/2023"],
      ["01/03/23"],
      ["01/03/0000"],
      ["2023-03-01"],
      ["01-03-2023"],
      ["01/03/2023 00:00"],
      ["01/03/20233"],
      ["٠١/٠٣/٢٠٢٣"],
    ]);
    await day("%-m.%-d.%Y", [["3.1.2023", "2023-03-01"], ["12.31.2023", "2023-12-31"], ["03.1.2023"], [
      "3x1x2023",
    ]]);
    await day("%Y%m%d", [["20230301", "2023-03-01"], ["2023-03-01"], ["20230229"]]);
    await day("%Y年%m月%d日", [["2023年03月01日", "2023-03-01"], ["2023-03-01"]]);
    await day("%d'%m'%Y", [["01'03'2023", "2023-03-01"]]);
    await day("%Y-%m-%d", [["2023-03-01", "2023-03-01"], ["01/03/2023"]]);
  });
});

Deno.test("checkFiles() takes numbers of the declared form, and no others", async () => {
  await withCheck(async (check) => {
    const amount = (form: Partial<FileForm>, values: Values) =>
      assertValues(check, "amount", form, values, { day: "2023-03-01" });
    await amount({ decimalComma: true, thousands: "." }, [
      ["1.234,56", "1234.56"],
      ["1234,56", "1234.56"],
      ["12.345.678,9", "12345678.90"],
      ["-1.234,50", "-1234.50"],
      [" +1.234 ", "1234.00"],
      [",5", "0.50"],
      ["5,", "5.00"],
      ["1,500", "1.50"],
      ["007,10", "7.10"],
      ["1.5"],
      ["0.500"],
      ["1.2345"],
      ["12.34,5"],
      ["1234.567"],
      ["1,234.56"],
      ["1,2,3"],
      ["1.234.,5"],
      [".234"],
      ["1,234"],
      ["1..234"],
      ["1 234,5"],
      [","],
      ["123.456.789,00"],
      ["1e3"],
    ]);
    await amount({ decimalComma: true }, [["1,50", "1.50"], ["1.50"], ["1.234,50"], ["2", "2.00"]]);
    await amount({ thousands: "," }, [["1,234.50", "1234.50"], ["1.50", "1.50"], ["1,50"], ["1,234,56"]]);
    for (const thousands of [" ", "'", "\u2019", "\u00a0", "\u202f"] as const) {
      await amount({ thousands }, [[`1${thousands}234.50`, "1234.50"], [`1${thousands}23`], ["1,234"]]);
    }
    const id = (form: Partial<FileForm>, values: Values) =>
      assertValues(check, "id", form, values, { day: "2023-03-01", amount: "1" });
    await id({ thousands: "." }, [
      ["9.223.372.036.854.775.807", "9223372036854775807"],
      ["-1.000", "-1000"],
      ["1000", "1000"],
      ["9.223.372.036.854.775.808"],
      ["1.0"],
      ["1.000,0"],
    ]);
    await id({ decimalComma: true }, [["7", "7"], ["7,0"], ["1.000"]]);
  });
});

Deno.test("checkFiles() says of a reject what was declared, with the row as it was delivered", async () => {
  await withCheck(async (check) => {
    const bytes = encoderOf("windows-1252")(
      `Umsätze "Mai\n\nKunde;name;Tag;Betrag €\r\n1;Jäger;01/03/2023;1.234,50\r\n` +
        `2;"M€\nü";31/02/2023;1,5\r\n3; ;01/03/2023;1\r\n4;é;01/03/2023;1.5\r\n5;x;01/03/2023\r\n6;ß;01/03/2023;0,00`,
    );
    const form: Partial<FileForm> = {
      encoding: "windows-1252",
      skipLines: 2,
      dateFormat: "%d/%m/%Y",
      decimalComma: true,
      thousands: ".",
      rename: { KUNDE: "id", Tag: "day", "betrag €": "amount" },
    };
    const { files, accepted, rejects } = await check({ a: bytes ?? "" }, form);
    assert.deepEqual(countsOf(files.a), [6, 1, 5]);
    assert.deepEqual(accepted.a, [
      { id: "1", name: "Jäger", day: "2023-03-01", amount: "1234.50", additional_column: null },
    ]);
    assert.deepEqual(rejects.a, [
      {
        line: 5,
        reason: "invalid_value",
        column: "day",
        detail: 'day: "31/02/2023" is not a date of the form %d/%m/%Y',
        raw: '2;"M€\nü";31/02/2023;1,5',
      },
      { line: 7, reason: "missing_value", column: "name", detail: "name is empty", raw: "3; ;01/03/2023;1" },
      {
        line: 8,
        reason: "invalid_value",
        column: "amount",
        detail:
          'amount: "1.5" is not an exact decimal(10,2) with a decimal comma and "." between thousands at most',
        raw: "4;é;01/03/2023;1.5",
      },
      {
        line: 9,
        reason: "field_count",
        column: null,
        detail: "3 fields where the header has 4",
        raw: "5;x;01/03/2023",
      },
      {
        line: 10,
        reason: "rule",
        column: null,
        detail: "not_zero: not amount <> 0",
        raw: "6;ß;01/03/2023;0,00",
      },
    ]);
  });
});

Deno.test("checkFiles() reads the same rows in UTF-16, with and without its mark, and in UTF-8", async () => {
  await withCheck(async (check) => {
    const text = `${HEADER}\n1;é😀;2023-03-01;1.50\n2;"=x\n";2023-03-01;x\n`;
    const expected = await check({ a: text });
    assert.deepEqual(countsOf(expected.files.a), [2, 1, 1]);
    for (const encoding of ["utf-16le", "utf-16be"] as const) {
      for (const mark of ["", "\ufeff"]) {
        const { accepted, rejects } = await check({ a: encoderOf(encoding)(mark + text) ?? "" }, {
          encoding,
        });
        assert.deepEqual([accepted, rejects], [expected.accepted, expected.rejects], encoding);
      }
    }
  });
});

Deno.test("checkFiles() reads files without a header, whose columns may be in any order and more than the contract's", async () => {
  await withCheck(async (check) => {
    const { files, accepted, rejects } = await check(
      { a: "1.50;;x;2023-03-01;1\n2;note;y;2023-03-01;2\n3;a;y;2023-03-01\nAMOUNT;;name;day;id\n" },
      { header: ["amount", "", "name", "day", "id"] },
    );
    assert.deepEqual(accepted.a, [
      { id: "1", name: "x", day: "2023-03-01", amount: "1.50", additional_column: null },
      { id: "2", name: "y", day: "2023-03-01", amount: "2.00", additional_column: "note" },
    ]);
    assert.deepEqual(rejects.a?.map(({ line, reason }) => [line, reason]), [[3, "field_count"]]);
    assert.deepEqual(files.a?.warnings, { repeated_header: 1 });
  });
});

Deno.test("checkFiles() renames columns, and finds one that is there twice", async () => {
  await withCheck(async (check) => {
    const rename = { Kunde: "id", Nr: "id", amount: "name", name: "amount" };
    const { files, accepted } = await check({
      renamed: "kunde;amount;day;name\n1;x;2023-03-01;2\n",
      twice: "Kunde;NR;amount;day;name\n1;1;x;2023-03-01;2\n",
      both: "Kunde;id;amount;day;name\n1;1;x;2023-03-01;2\n",
      lacks: "Kund;amount;day;name\n1;x;2023-03-01;2\n",
    }, { rename });
    assert.deepEqual(accepted.renamed, [
      { id: "1", name: "x", day: "2023-03-01", amount: "2.00", additional_column: null },
    ]);
    for (const name of ["twice", "both"]) assert.equal(files[name]?.reason, "duplicate_column", name);
    assert.match(files.lacks?.detail ?? "", /^the header lacks id; line 1: "Kund;amount/);
  });
});

Deno.test("checkFiles() explains what is rejected whole by lines and names as they were delivered", async () => {
  await withCheck(async (check) => {
    const say = async (content: Content, form: Partial<FileForm>) => {
      const { files } = await check({ a: content }, form);
      return `${files.a?.reason}: ${files.a?.detail}`;
    };
    const utf16 = (text: string) => encoderOf("utf-16le")(text) ?? "";
    assert.equal(
      await say(`${HEADER}\nä`, { encoding: "utf-16le" }),
      "bad_encoding: it is not utf-16le text: line 1, byte offset 20, bytes a4; it seems to be UTF-8",
    );
    assert.equal(
      await say(Buffer.from("id\n\n€\x81", "latin1"), { encoding: "windows-1252" }),
      "bad_encoding: it is not windows-1252 text: line 3, byte offset 5, bytes 81",
    );
    assert.equal(
      await say(utf16("x"), { encoding: "windows-1252" }),
      'missing_columns: the header lacks id, name, day, amount; line 1: "x<U+0000>"',
    );
    assert.match(
      await say(utf16("title\nKunde,name,day,amount\n"), {
        encoding: "utf-16le",
        skipLines: 1,
        rename: { Kunde: "id" },
      }),
      /^missing_columns: .* delimited by ","; line 2: "Kunde,name/,
    );
    assert.equal(
      await say('t\nid;name;day;amount\n1;"x', { skipLines: 1 }),
      'malformed_csv: line 3: a quote that is opened here is not closed before the file ends; line 3: "1;"x"',
    );
  });
});

Deno.test("faultOfDateFormat() refuses what gives no date or not always the same one", () => {
  const faults: Readonly<Record<string, RegExp>> = {
    "": /must have %d/,
    "%d/%m": /must have %Y/,
    "%d/%m/%y": /does not know %y: two digits say no year/,
    "%d/%b/%Y": /does not know %b/,
    "%d/%m/%Y %H": /does not know %H/,
    "%d/%m/%Y%%": /does not know %%/,
    "%d/%m/%Y%": /does not know %;/,
    "%d/%m/%-Y": /does not know %-Y/,
    "%d/%d/%m/%Y": /more than once/,
    "%d/%-d/%m/%Y": /more than once/,
    "%-d%m%Y": /needs a character after/,
    "%d/%m/%Y0": /digit/,
    "%d\t%m\t%Y": /control/,
    " %d/%m/%Y": /blank/,
    "dd/mm/yyyy": /must have %d/,
  };
  for (const [given, fault] of Object.entries(faults)) {
    assert.match(faultOfDateFormat(given) ?? "", fault, given);
  }
  for (const given of ["%d/%m/%Y", "%Y%m%d", "%m/%-d/%Y", "%-m/%-d/%Y", "%Y.%m.%-d", "le %d du %m (%Y)"]) {
    assert.equal(faultOfDateFormat(given), null, given);
  }
  assert.deepEqual(parseDateFormat("%-d.%m|%Y"), {
    pattern: "([1-9][0-9]?)\\.([0-9]{2})\\|([0-9]{4})",
    parts: ["d", "m", "Y"],
  });
});
