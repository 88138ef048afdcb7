/**
 * The contract as SQL, on DuckDB: what is made of each text, and what is said of it. Where the table that proves rows
 * disagrees with it on a single text, the result depends on the way in which a row is read.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Contract } from "../../lib/contract/schema.ts";
import { SALES_COLUMNS, salesContract } from "../support/model.ts";
import { bindHeader } from "../../lib/contract/header.ts";
import { acceptedRowsSql, judgedSql, rejectsSql } from "../../lib/contract/judge_sql.ts";
import { areExact } from "../../lib/csv/scan.ts";
import { compileSpelling } from "../../lib/csv/spelling.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import type { Engine, JsonValue } from "../../lib/engine/engine.ts";
import { parseColumnType, sqlType } from "../../lib/column_type.ts";
import { removeAtEnd } from "../support/ending.ts";

/** A contract with one more column. */
function contractWith(name: string, type: string): Contract {
  return salesContract({ columns: { ...SALES_COLUMNS, [name]: type }, rules: {} });
}

const CORE_NAMES = Object.keys(SALES_COLUMNS);

/** Runs with an engine that has dimensions: customers 1 and 2, store 121, sales person 1. */
async function withEngine(use: (engine: Engine) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "contract-judge-" }));
  try {
    await using engine = await openDuckdbEngine({ folder, resources: { memoryLimit: "1GiB", threads: 2 } });
    await engine.nameValues("customer", { customer_id: "BIGINT" }, [{ customer_id: 1 }, { customer_id: 2 }]);
    await engine.nameValues("store", { id: "BIGINT" }, [{ id: 121 }]);
    await engine.nameValues("sales_team", { id: "BIGINT" }, [{ id: 1 }]);
    await use(engine);
  } finally {
    await removeAtEnd(folder);
  }
}

/** A row by column name, and what became of it. */
type TextRow = Readonly<Record<string, string>>;
type Verdict =
  | { readonly accepted: Readonly<Record<string, JsonValue>> }
  | { readonly reason: JsonValue; readonly column: JsonValue; readonly detail: string };

/** A row that passes under the default contract. */
const GOOD: TextRow = {
  customer_id: "1",
  store_id: "121",
  product_name: "apple",
  sales_date: "2023-03-01",
  sales_person_id: "1",
  price: "1.50",
  quantity: "2",
  total_cost: "3.00",
};

/**
 * Judges rows.
 *
 * @param header The file's columns; a row may have more or fewer fields. A further column numbers the rows.
 */
async function judge(
  engine: Engine,
  contract: Contract,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<Verdict[]> {
  const bound = bindHeader(["row", ...header], contract, 2000);
  assert.ok("columns" in bound && !("reason" in bound), JSON.stringify(bound));
  await engine.nameValues("@source", { source_key: "VARCHAR", file_id: "BIGINT" }, [
    { source_key: "sales_data/file.csv", file_id: 7 },
  ]);
  const lines = rows.map((fields, i) =>
    ["7", String(i), `raw ${i}`, String(i), ...fields].map(escape).join("\x1f")
  );
  await engine.nameValues("lines", { "@text": "VARCHAR" }, lines.map((text) => ({ "@text": text })));
  await engine.nameQuery(
    "judged",
    judgedSql('SELECT "@text" FROM lines', bound, contract, { delimiter: "," }),
  );
  const accepted = await acceptedByRow(engine, acceptedRowsSql("judged", bound), contract);
  const verdicts = new Map<number, Verdict>([...accepted].map(([row, accepted]) => [row, { accepted }]));
  for (const reject of await engine.query(rejectsSql("judged"))) {
    const { file_id, line, raw, reason, column, detail } = reject;
    const row = Number(line);
    assert.deepEqual([file_id, raw], ["7", `raw ${row}`]);
    assert.ok(!verdicts.has(row), `row ${row} is in two places: ${rows[row]}`);
    verdicts.set(row, { reason: reason ?? null, column: column ?? null, detail: String(detail) });
  }
  return rows.map((fields, i) => verdicts.get(i) ?? assert.fail(`row ${i} is nowhere: ${fields}`));
}

/** The second character of each escape in normalised files. */
const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "n",
  "\r": "r",
  "\0": "z",
  "\x01": "d",
  "\x1f": "s",
  "\x10": "e",
};
// deno-lint-ignore no-control-regex -- these are the characters that have an escape
const ESCAPED = /[\n\r\0\x01\x1f\x10]/g;

/** A field as it stands in a normalised line. */
function escape(field: string): string {
  return field.replace(ESCAPED, (character) => `\x10${ESCAPES[character]}`);
}

/** Accepted rows by their number, values as text. */
async function acceptedByRow(engine: Engine, sql: string, contract: Contract) {
  const names = Object.keys(contract.columns).map((name) => `CAST("${name}" AS VARCHAR) AS "${name}"`);
  const rows = await engine.query(`SELECT ${names.join(", ")}, additional_column, source_key FROM (${sql})`);
  const found = rows.map(({ additional_column, source_key, ...values }) => {
    assert.equal(source_key, "sales_data/file.csv");
    return [Number(additional_column), values] as const;
  });
  const byRow = new Map(found.toSorted(([a], [b]) => a - b));
  assert.equal(byRow.size, rows.length, "a row is accepted twice");
  return byRow;
}

/**
 * What the contract makes of texts in a column of the given type: a value as text, `invalid` or `missing`. Asserts that a
 * plain cast gives the same of every text that is exact.
 */
async function judgeTexts(engine: Engine, type: string, texts: readonly string[]): Promise<JsonValue[]> {
  const header = [...CORE_NAMES, "probe"];
  const rows = texts.map((probe) => header.map((name) => ({ ...GOOD, probe })[name] ?? ""));
  const verdicts = await judge(engine, contractWith("probe", type), header, rows);
  const found = verdicts.map((verdict, i) => {
    if ("accepted" in verdict) return verdict.accepted.probe ?? null;
    assert.equal(verdict.column, "probe", `${texts[i]}: ${verdict.detail}`);
    return String(verdict.reason).replace("_value", "");
  });
  const parsed = parseColumnType(type);
  assert.ok(parsed);
  const table = compileSpelling([parsed, null], ",");
  const exact = texts.map((text, i) => ({ text, found: found[i] ?? null }))
    .filter(({ text }) => areExact(table, new TextEncoder().encode(`${text},`)));
  await engine.nameValues("exact", { text: "VARCHAR", found: "VARCHAR" }, exact);
  const wrong = `SELECT * FROM exact WHERE CAST(CAST(text AS ${
    sqlType(parsed)
  }) AS VARCHAR) IS DISTINCT FROM found`;
  assert.deepEqual(await engine.query(wrong), []);
  return found;
}

/** Texts of a type by what the contract makes of them. */
interface ValueTable {
  /** `text=value`, the value as DuckDB prints it; separated by white space, `_` stands for a blank. */
  readonly valid: string;
  /** Texts, written in the same way. */
  readonly invalid: string;
}

/** Invalid for any number or date. */
const NEVER = String.raw`
  abc NaN nan Infinity inf -inf NULL null true - + . --1 +-1 -_1 1e3 1E3 1e0 1e-0 0x10 0b1 1,000 1_000 1a a1 $5 5% (5) 5-
  1/2 '5 "5" １ １２ ١ −1 ½ 5');_DROP_TABLE_customer;_--`;

/** The same, with characters that are blank or look so, but are neither space nor tab. */
const NEVER_BLANK = [
  ...["\u00a05", "5\u00a0", "\u20035", "\ufeff5", "5\ufeff", "5\0", "\0", "5\n", "\r5", "5\x0b", "\x0c5"],
  ...["1\u20285", "\u00a0", "\n"],
];

const NINES = "9".repeat(38), DIGITS = "12345678901234567890123456789012345678", ZEROS = "0".repeat(38);

const VALUES: Readonly<Record<string, ValueTable>> = {
  integer: {
    valid: `0=0 1=1 -1=-1 +1=1 007=7 -007=-7 +007=7 -0=0 +0=0 00=0 _5=5 5_=5 __-5_=-5 _+5_=5
      9223372036854775807=9223372036854775807 +9223372036854775807=9223372036854775807
      -9223372036854775808=-9223372036854775808 ${ZEROS}${ZEROS}1=1 -${ZEROS}9223372036854775808=-9223372036854775808`,
    invalid: `1.0 1. 1.5 .5 0.0 -0.0 5_5 +_5 9223372036854775808 -9223372036854775809 9223372036854775807.0
      18446744073709551615 ${DIGITS} ${NINES}${NINES} 2023-03-01`,
  },
  "decimal(10,2)": {
    valid:
      `0=0.00 1=1.00 1.5=1.50 1.50=1.50 -1.50=-1.50 +1.5=1.50 .5=0.50 -.5=-0.50 +.05=0.05 5.=5.00 -5.=-5.00
      .0=0.00 0.=0.00 2.990=2.99 2.9900000=2.99 007.1=7.10 -0=0.00 -0.00=0.00 0.1=0.10 00.10=0.10 _1.5=1.50 1.5_=1.50
      __+.5__=0.50 99999999.99=99999999.99 -99999999.99=-99999999.99 +99999999.990=99999999.99
      ${ZEROS}99999999.99${ZEROS}=99999999.99 .01${ZEROS}${ZEROS}=0.01`,
    invalid:
      `2.999 0.001 -0.001 1.005 1.0050 0.0000000001 .00${ZEROS}1 99999999.991 99999999.995 99999999.999 100000000
      100000000.00 -100000000 ${NINES}${NINES} 1.2.3 1..2 1,50 1.5. ..5 -. +. 1.5e1 15e-1 1.5E+1 .e1 1.5_0 1._5 1.5- 1.5f
      2023-03-01`,
  },
  "decimal(5,0)": {
    valid:
      `0=0 12345=12345 99999=99999 -99999=-99999 +5=5 5.=5 5.0=5 5.000=5 .0=0 -.0=0 00099999.00=99999 _7_=7 7._=7`,
    invalid: `100000 -100000 99999.5 0.5 .5 4.9 4.99999999999999999999999 5.01 5.00000001 -0.4`,
  },
  "decimal(38,38)": {
    valid:
      `0=.${ZEROS} -0.0=.${ZEROS} .${DIGITS}=.${DIGITS} 0.${DIGITS}=.${DIGITS} -000.${DIGITS}000=-.${DIGITS}
      .${NINES}=.${NINES} _.${DIGITS}_=.${DIGITS}`,
    invalid: `1 -1 1.0 5.5 .${DIGITS}1 .${NINES}9 0.${ZEROS}1 1.${DIGITS}`,
  },
  "decimal(38,0)": {
    valid: `${DIGITS}=${DIGITS} -${NINES}=-${NINES} 0${NINES}.0=${NINES}`,
    invalid: `1${ZEROS} -1${ZEROS} ${NINES}.5 ${NINES}9`,
  },
  date: {
    valid: `2023-03-01=2023-03-01 0001-01-01=0001-01-01 9999-12-31=9999-12-31 2024-02-29=2024-02-29
      2000-02-29=2000-02-29 1582-10-10=1582-10-10 _2023-03-01=2023-03-01 __1999-12-31__=1999-12-31`,
    invalid:
      `2023-02-29 1900-02-29 2100-02-29 2023-02-30 2023-04-31 2023-00-01 2023-13-01 2023-01-00 2023-01-32 0000-01-01
      0000-12-31 10000-01-01 02023-03-01 -2023-03-01 +2023-03-01 2023-3-1 2023-03-1 2023-3-01 23-03-01 223-03-01 2023/03/01
      2023.03.01 20230301 2023_03_01 2023-03 2023 2023-03-01_00:00:00 2023-03-01T00:00:00 2023-03-01Z 2023-03-01_x
      01-03-2023 01.03.2023 1_March_2023 2023-Mar-01 2023-060 2023-W09-3 2023-03-01_(BC) 0044-03-15_(BC) epoch infinity
      -infinity today now yesterday 2023‐03‐01 ２０２３-03-01 2023-03-0１ 2023-_03-01 44986 1677628800`,
  },
};

/** The texts of a {@linkcode ValueTable}, once with each kind of blank. */
function textsOf(list: string): string[] {
  return list.trim().split(/\s+/).flatMap((text) =>
    text.includes("_") ? [" ", "\t"].map((blank) => text.replaceAll("_", blank)) : [text]
  );
}

Deno.test("judgedSql() takes values exactly or not at all, when texts of any form are given", async (test) => {
  await withEngine(async (engine) => {
    for (const [type, { valid, invalid }] of Object.entries(VALUES)) {
      await test.step(type, async () => {
        const expected = new Map<string, string>();
        for (const pair of textsOf(valid)) {
          const [text = "", value = ""] = pair.split("=");
          expected.set(text, value);
        }
        for (const text of [...textsOf(invalid), ...textsOf(NEVER), ...NEVER_BLANK]) {
          expected.set(text, "invalid");
        }
        for (const text of ["", " ", "\t", " \t \t"]) expected.set(text, "missing");
        const texts = [...expected.keys()];
        const found = await judgeTexts(engine, type, texts);
        assert.deepEqual(texts.map((text, i) => [text, found[i]]), [...expected]);
      });
    }
  });
});

Deno.test("judgedSql() keeps text as it is, when it is not blank", async () => {
  const texts = [
    "x",
    " x ",
    "\tx",
    "\n",
    "\u00a0",
    "\u2003",
    "NULL",
    "''",
    '"',
    "007",
    "ä😀",
    "\0",
    "\x1f\x10\x01",
  ];
  await withEngine(async (engine) => {
    assert.deepEqual(await judgeTexts(engine, "text", texts), texts);
    assert.deepEqual(await judgeTexts(engine, "text", ["", " ", "\t \t"]), ["missing", "missing", "missing"]);
  });
});

/** The value of a text by plain arithmetic on digits. */
function readExactly(type: string, text: string): string {
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, "");
  if (trimmed === "") return "missing";
  if (type === "date") return readDate(trimmed) ?? "invalid";
  const [precision, scale] = type === "integer" ? [19, 0] : (type.match(/\d+/g) ?? []).map(Number);
  const [, sign, whole = "", point, fraction = ""] = /^([+-]?)(\d*)(\.?)(\d*)$/.exec(trimmed) ?? [];
  if (sign === undefined || whole + fraction === "" || (type === "integer" && point !== "")) return "invalid";
  const kept = fraction.slice(0, scale).padEnd(scale ?? 0, "0");
  if (/[1-9]/.test(fraction.slice(scale))) return "invalid";
  const units = BigInt(whole + kept) * (sign === "-" ? -1n : 1n);
  const [least, most] = type === "integer"
    ? [-(2n ** 63n), 2n ** 63n - 1n]
    : [1n - 10n ** BigInt(precision ?? 0), 10n ** BigInt(precision ?? 0) - 1n];
  if (units < least || units > most) return "invalid";
  // Where a type has no digits before the point, DuckDB prints none.
  const width = (scale ?? 0) + (precision === scale ? 0 : 1);
  const digits = (units < 0n ? -units : units).toString().padStart(width, "0");
  const at = digits.length - (scale ?? 0);
  return `${units < 0n ? "-" : ""}${digits.slice(0, at)}${scale ? `.${digits.slice(at)}` : ""}`;
}

function readDate(text: string): string | null {
  const [, year, month, day] = (/^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? []).map(Number);
  if (!year || !month || !day || month > 12) return null;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return day <= days ? text : null;
}

Deno.test("judgedSql() finds what plain arithmetic finds, when texts are near to numbers and dates", async (test) => {
  const digits = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 4 }),
    fc.constantFrom(
      "",
      "0",
      "99999999",
      "100000000",
      "9223372036854775807",
      "9223372036854775808",
      "9".repeat(38),
    ),
  );
  const sign = fc.constantFrom("", "", "-", "+");
  const blanks = fc.constantFrom("", "", "", " ", "\t ");
  const number = fc.tuple(blanks, sign, digits, fc.constantFrom("", ".", "."), digits, blanks).map((parts) =>
    parts.join("")
  );
  const stray = fc.string({ unit: fc.constantFrom(..."0159.,+-eE_x \t\n"), maxLength: 7 });
  const part = (min: number, max: number, width: number) =>
    fc.integer({ min, max }).map((value) => String(value).padStart(width, "0"));
  const date = fc.tuple(blanks, part(0, 10_000, 4), part(0, 13, 2), part(0, 32, 2), blanks).map(
    ([before, year, month, day, after]) => `${before}${year}-${month}-${day}${after}`,
  );
  const leap = fc.tuple(part(1, 9999, 4), part(28, 30, 2)).map(([year, day]) => `${year}-02-${day}`);
  await withEngine(async (engine) => {
    for (
      const type of ["integer", "decimal(10,2)", "decimal(5,0)", "decimal(1,1)", "decimal(38,19)", "date"]
    ) {
      await test.step(type, async () => {
        const text = type === "date" ? fc.oneof(date, leap, stray) : fc.oneof(number, number, stray);
        const texts = fc.sample(text, { seed: 5, numRuns: 1500 });
        const found = await judgeTexts(engine, type, texts);
        const wrong = texts.flatMap((given, i) => {
          const expected = readExactly(type, given);
          return found[i] === expected ? [] : [{ given, expected, found: found[i] }];
        });
        assert.deepEqual(wrong.slice(0, 5), []);
      });
    }
  });
});

Deno.test("rejectsSql() rejects for a rule, when it gives false or NULL or overflows", async () => {
  const contract = salesContract({
    columns: { ...SALES_COLUMNS, discount: "decimal(5,2)" },
    rules: {
      even: { check: "nullif(quantity, 7) % 2 = 0", severity: "reject" },
      noted: { check: "1 = 2", severity: "warn" },
      square: { check: "quantity * quantity >= 0", severity: "reject" },
      any_of: { check: "discount IN (0, 0.5) OR product_name LIKE 'a%'", severity: "reject" },
      ratio: { check: "10 / discount IS NOT NULL OR discount = 0", severity: "reject" },
    },
  });
  const cases: readonly (readonly [TextRow, string | null])[] = [
    [{ quantity: "2", discount: "0" }, null],
    [{ quantity: "3", discount: "0" }, "even"],
    [{ quantity: "7", discount: "0" }, "even"],
    [{ quantity: "4000000000", discount: "0.50" }, "square"],
    [{ quantity: "-9223372036854775808", discount: "0" }, "square"],
    [{ quantity: "2", discount: "1", product_name: "pear" }, "any_of"],
    [{ quantity: "2", discount: "1", product_name: "apple" }, null],
    [{ quantity: "3", discount: "1", product_name: "pear" }, "even"],
  ];
  const header = [...CORE_NAMES, "discount"];
  await withEngine(async (engine) => {
    const rows = cases.map(([row]) => header.map((name) => ({ ...GOOD, ...row })[name] ?? ""));
    const verdicts = await judge(engine, contract, header, rows);
    for (const [i, [row, rule]] of cases.entries()) {
      const verdict = verdicts[i];
      assert.ok(verdict);
      if (rule === null) assert.ok("accepted" in verdict, JSON.stringify([row, verdict]));
      else {
        assert.ok("reason" in verdict, JSON.stringify(row));
        assert.deepEqual([verdict.reason, verdict.column], ["rule", null]);
        assert.equal(verdict.detail, `${rule}: not ${contract.rules[rule]?.check}`);
      }
    }
  });
});

/** Every fault that a row can have, first looked for first: what to put right, and what is said of it. */
const FAULTS: readonly (readonly [fields: TextRow, reason: string, column: string | null, detail: string])[] =
  [
    [{}, "field_count", null, "10 fields where the header has 9"],
    [{ customer_id: " " }, "missing_value", "customer_id", "customer_id is empty"],
    [
      { customer_id: "1.0" },
      "invalid_value",
      "customer_id",
      'customer_id: "1.0" is not a whole number of 64 bits',
    ],
    [{ store_id: "" }, "missing_value", "store_id", "store_id is empty"],
    [{ store_id: "x" }, "invalid_value", "store_id", 'store_id: "x" is not a whole number of 64 bits'],
    [{ product_name: "\t" }, "missing_value", "product_name", "product_name is empty"],
    [{ sales_date: "" }, "missing_value", "sales_date", "sales_date is empty"],
    [
      { sales_date: "2023-02-30" },
      "invalid_value",
      "sales_date",
      'sales_date: "2023-02-30" is not a date of the form YYYY-MM-DD',
    ],
    [{ sales_person_id: "" }, "missing_value", "sales_person_id", "sales_person_id is empty"],
    [
      { sales_person_id: "1e0" },
      "invalid_value",
      "sales_person_id",
      'sales_person_id: "1e0" is not a whole number of 64 bits',
    ],
    [{ price: "" }, "missing_value", "price", "price is empty"],
    [{ price: "1.999" }, "invalid_value", "price", 'price: "1.999" is not an exact decimal(10,2)'],
    [{ quantity: "" }, "missing_value", "quantity", "quantity is empty"],
    [{ quantity: "-" }, "invalid_value", "quantity", 'quantity: "-" is not a whole number of 64 bits'],
    [{ total_cost: "" }, "missing_value", "total_cost", "total_cost is empty"],
    [{ total_cost: "1,0" }, "invalid_value", "total_cost", 'total_cost: "1,0" is not an exact decimal(18,2)'],
    [{ quantity: "0" }, "rule", null, "quantity_positive: not quantity > 0"],
    [{ price: "-0.01" }, "rule", null, "price_not_negative: not price >= 0"],
    [
      { customer_id: "3" },
      "unknown_customer_id",
      "customer_id",
      "customer_id 3 is not in the dimension customer",
    ],
    [{ store_id: "1" }, "unknown_store_id", "store_id", "store_id 1 is not in the dimension store"],
    [
      { sales_person_id: "-1" },
      "unknown_sales_person_id",
      "sales_person_id",
      "sales_person_id -1 is not in the dimension sales_team",
    ],
  ];

Deno.test("rejectsSql() names a row's first fault, when it has all that come after it, too", async () => {
  const header = [...CORE_NAMES].toReversed();
  // Going back from the last fault, each row has one more; of two for one column it keeps the one looked for first.
  const rows = FAULTS.map((_, first) => {
    const later = FAULTS.slice(first).toReversed().map(([fields]) => fields);
    const row: TextRow = Object.assign({}, GOOD, ...later);
    return [...header.map((name) => row[name] ?? ""), ...(first === 0 ? ["surplus"] : [])];
  });
  await withEngine(async (engine) => {
    const verdicts = await judge(engine, salesContract(), header, rows);
    assert.deepEqual(verdicts, FAULTS.map(([, reason, column, detail]) => ({ reason, column, detail })));
  });
});

Deno.test("rejectsSql() says field_count, when a row has one field or any other wrong number", async () => {
  const good = CORE_NAMES.map((name) => GOOD[name] ?? "");
  const rows = [good.slice(0, 7), [...good, ""], [...good, "", ""], [...good, "x"], good.slice(0, 1), []];
  await withEngine(async (engine) => {
    const verdicts = await judge(engine, salesContract(), CORE_NAMES, rows);
    assert.deepEqual(
      verdicts,
      [8, 10, 11, 10, 2, 1].map((count) => ({
        reason: "field_count",
        column: null,
        detail: `${count} fields where the header has 9`,
      })),
    );
  });
});

Deno.test("rejectsSql() gives a short detail, when the value is long", async () => {
  await withEngine(async (engine) => {
    const row = CORE_NAMES.map((name) => name === "price" ? "9".repeat(100_000) : GOOD[name] ?? "");
    const [verdict] = await judge(engine, salesContract(), CORE_NAMES, [row]);
    assert.ok(verdict && "detail" in verdict && verdict.detail.length < 200);
  });
});
