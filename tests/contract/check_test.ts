/**
 * The contract check over sets of files, on the real engine: every file and every row must end in exactly one place, with
 * the reason that the contract names first.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { JsonValue } from "../../lib/engine/engine.ts";
import { UnavailableError } from "../../lib/errors.ts";
import type { SourceFile } from "../../lib/source_file.ts";
import {
  type CheckOptions,
  type Content,
  countsOf,
  type Dimensions,
  type Outcome,
  withContractCheck,
} from "../support/contract_check.ts";
import { SALES_COLUMNS, salesContract } from "../support/model.ts";

/** Parts of the configuration that differ from the defaults. */
type Options = { readonly contract?: Record<string, unknown>; readonly csv?: Record<string, unknown> };

type Check = (contents: Readonly<Record<string, Content>>, options?: Options) => Promise<Outcome>;

const HEADER = Object.keys(SALES_COLUMNS).join(",");
/** A row that passes; `with` takes its place: `row({ price: "x" })`. */
function row(values: Readonly<Record<string, string>> = {}): string {
  return Object.keys(SALES_COLUMNS).map((name) => values[name] ?? GOOD[name]).join(",");
}
const GOOD: Readonly<Record<string, string>> = {
  customer_id: "1",
  store_id: "121",
  product_name: "apple",
  sales_date: "2023-03-01",
  sales_person_id: "1",
  price: "1.50",
  quantity: "2",
  total_cost: "3.00",
};

/** A file of the header and the given lines, each ended by LF. */
function file(...lines: readonly string[]): string {
  return [HEADER, ...lines].map((line) => `${line}\n`).join("");
}

/** Runs with a check of sales: customers 1 and 2, store 121, sales person 1, the products apple and pear. */
async function withCheck(
  use: (check: Check) => Promise<void>,
  { customers = [], ...options }: CheckOptions & {
    /** Besides 1 and 2. */
    readonly customers?: readonly number[];
  } = {},
): Promise<void> {
  const dimensions: Dimensions = {
    customer: [{ customer_id: "BIGINT" }, [1, 2, ...customers].map((customer_id) => ({ customer_id }))],
    store: [{ id: "BIGINT" }, [{ id: 121 }]],
    sales_team: [{ id: "BIGINT" }, [{ id: 1 }]],
    product: [{ name: "VARCHAR" }, [{ name: "apple" }, { name: "pear" }, { name: null }]],
  };
  await withContractCheck(dimensions, async (check) => {
    await use((contents, { contract, csv } = {}) => check(contents, salesContract(contract), csv));
  }, options);
}

/** A UTF-8 text that is none: a byte that continues nothing at its end. */
function broken(text: string): Uint8Array {
  return Buffer.concat([Buffer.from(text), Uint8Array.of(0x80)]);
}

const SHORT_HEADER = HEADER.replace(",total_cost", "");
const LONG = "x".repeat(1_048_577);

/** What a rejected file has besides its reason. */
type Place = { readonly columns?: readonly string[]; readonly line?: number };

/** Files that are rejected whole, by reason; with more than one fault they say which one comes first. */
const FILE_REASONS: readonly (readonly [string, Content, string, Place?])[] = [
  ["no bytes", "", "empty_file"],
  ["a BOM", "\ufeff", "empty_file"],
  ["blank lines", "\n\r\n\n", "empty_file"],
  ["a BOM and blank lines", "\ufeff\r\n\n", "empty_file"],
  ["not UTF-8", broken(file(row())), "not_utf8"],
  ["not UTF-8, and an open quote", broken(file(`"${row()}`)), "not_utf8"],
  ["not UTF-8, too wide, with duplicates", broken("a,".repeat(20)), "not_utf8"],
  ["not UTF-8, and a column missing", broken(`${SHORT_HEADER}\n`), "not_utf8"],
  ["not UTF-8 after blank lines", broken("\n\n"), "not_utf8"],
  ["too wide", `${HEADER},a,b,c\n`, "too_many_columns"],
  [
    "too wide, with duplicates, columns missing, a row too long",
    `${"a,".repeat(20)}\n${LONG}\n`,
    "too_many_columns",
  ],
  ["a duplicate", `${HEADER}, PRICE\n${row()},1\n`, "duplicate_column", { columns: ["price"] }],
  ["a duplicate of an extra column", `x,${HEADER},X\n`, "duplicate_column", { columns: ["x"] }],
  ["a duplicate, and columns missing", "x,x\n1,2\n", "duplicate_column", { columns: ["x"] }],
  ["a duplicate, and an open quote", `x,x,${SHORT_HEADER}\n"1\n`, "duplicate_column", { columns: ["x"] }],
  ["a column missing", `${SHORT_HEADER}\n`, "missing_columns", { columns: ["total_cost"] }],
  ["a column missing, and an open quote", `${SHORT_HEADER}\n"`, "missing_columns", {
    columns: ["total_cost"],
  }],
  ["a column missing, and a row too long", `${SHORT_HEADER}\n1\n${LONG}\n`, "missing_columns", {
    columns: ["total_cost"],
  }],
  ["a row in place of the header", `${row({ customer_id: "5" })}\n${row()}\n`, "missing_columns", {
    columns: Object.keys(SALES_COLUMNS),
  }],
  ["lone CR for line ends", `${HEADER}\r5\r`, "missing_columns", {
    columns: ["total_cost"],
  }],
  ["another delimiter", file(row()).replaceAll(",", ";"), "missing_columns", {
    columns: Object.keys(SALES_COLUMNS),
  }],
  ["an open quote", file(row(), `"${row()}`, row()), "malformed_csv", { line: 3 }],
  ["an open quote in the header", `\n"${HEADER}\n${row()}\n`, "malformed_csv", { line: 2 }],
  ["an open quote after bad rows", file(...Array(20).fill("bad"), '"'), "malformed_csv", { line: 22 }],
  ["a row too long", file(row(), LONG, row()), "malformed_csv", { line: 3 }],
  ["a header too long", `${LONG}\n${row()}\n`, "malformed_csv", { line: 1 }],
  ["too many bad rows", file(row(), ...Array(10).fill("bad")), "too_many_rejects"],
];

Deno.test("checkFiles() rejects a file for the first reason that applies, when it has one or several", async (test) => {
  await withCheck(async (check) => {
    const contents = Object.fromEntries(FILE_REASONS.map(([what, content]) => [what, content]));
    const { files, accepted, rejects } = await check(
      { ...contents, "a good file": file(row()) },
      { csv: { maxColumns: 10, maxRowBytes: 1_048_576 } },
    );
    for (const [what, , reason, also] of FILE_REASONS) {
      await test.step(what, () => {
        const { status, detail, columns, line, ...found }: SourceFile & Place = files[what] ?? assert.fail();
        assert.deepEqual([status, found.reason], ["rejected", reason], detail ?? "");
        assert.deepEqual({ columns, line }, { columns: also?.columns, line: also?.line });
        assert.ok(detail, "it has no detail");
        for (const column of columns ?? []) assert.ok(detail.includes(column), detail);
        if (line !== undefined) assert.match(detail, new RegExp(`\\b${line}\\b`));
        const share = reason === "too_many_rejects";
        assert.deepEqual(countsOf(files[what]), share ? [11, 0, 11] : [0, 0, 0]);
        assert.equal(rejects[what]?.length ?? 0, share ? 10 : 0);
      });
    }
    await test.step("the others go on", () => {
      assert.deepEqual(Object.keys(accepted), ["a good file"]);
      assert.deepEqual(countsOf(files["a good file"]), [1, 1, 0]);
    });
  });
});

/** Faulty rows, each with what is said of it. */
const ROW_REASONS: readonly (readonly [string, string, string | null, RegExp])[] = [
  [row().slice(0, -5), "field_count", null, /7 fields.* 8/],
  [`${row()},`, "field_count", null, /9 fields.* 8/],
  [`${row()},,`, "field_count", null, /10 fields.* 8/],
  [`${row()},x`, "field_count", null, /9 fields.* 8/],
  ["1", "field_count", null, /1 field/],
  [" ", "field_count", null, /1 field/],
  [row({ customer_id: "", price: "" }), "missing_value", "customer_id", /empty/],
  [row({ product_name: "" }), "missing_value", "product_name", /empty/],
  [row({ product_name: " \t" }), "missing_value", "product_name", /empty/],
  [row({ total_cost: "\t" }), "missing_value", "total_cost", /empty/],
  [row({ customer_id: "1.0" }), "invalid_value", "customer_id", /"1\.0"/],
  [row({ sales_date: "2023-02-29" }), "invalid_value", "sales_date", /"2023-02-29"/],
  [row({ price: "2.999" }), "invalid_value", "price", /"2\.999".*decimal\(10,2\)/],
  [row({ quantity: "x", total_cost: "" }), "invalid_value", "quantity", /"x"/],
  [row({ quantity: "0" }), "rule", null, /^quantity_positive\b/],
  [row({ quantity: "0", price: "-1" }), "rule", null, /^quantity_positive\b/],
  [row({ price: "-1", customer_id: "9" }), "rule", null, /^price_not_negative\b/],
  [row({ customer_id: "9", store_id: "9" }), "unknown_customer_id", "customer_id", /\b9\b.*customer/],
  [row({ store_id: "9", sales_person_id: "9" }), "unknown_store_id", "store_id", /\b9\b.*store/],
  [row({ sales_person_id: "9" }), "unknown_sales_person_id", "sales_person_id", /\b9\b.*sales_team/],
];

for (
  const [when, customers] of [
    ["when keys are near to each other", []],
    ["when keys are too far apart to be known to the scan", [2 ** 40]],
  ] as const
) {
  Deno.test(`checkFiles() says of each rejected row line, reason, column, detail and raw text, in both ways of reading, ${when}`, async (test) => {
    const lines = ROW_REASONS.flatMap(([line]) => [line, row()]);
    const contents = {
      "regular": file(...lines),
      "no last line end": file(...lines).slice(0, -1),
      "after a BOM": `\ufeff${file(...lines)}`,
      "CRLF": file(...lines).replaceAll("\n", "\r\n"),
      "quoted somewhere": file(...lines, row({ product_name: '"apple"' })),
    };
    await withCheck(async (check) => {
      const { files, rejects } = await check(contents, { contract: { maxRejectedShare: 1 } });
      for (const key of Object.keys(contents)) {
        await test.step(key, () => {
          const found = rejects[key] ?? [];
          assert.deepEqual(
            found.map(({ line, reason, column, raw }) => [line, reason, column, raw]),
            ROW_REASONS.map(([raw, reason, column], i) => [2 * i + 2, reason, column, raw]),
          );
          for (const [i, [, , , detail]] of ROW_REASONS.entries()) {
            assert.match(found[i]?.detail ?? "", detail);
          }
          assert.deepEqual(files[key]?.rejects, {
            field_count: 6,
            missing_value: 4,
            invalid_value: 4,
            rule: 3,
            unknown_customer_id: 1,
            unknown_store_id: 1,
            unknown_sales_person_id: 1,
          });
        });
      }
    }, { customers });
  });
}

Deno.test("checkFiles() finds every wrong number of fields, when one too few and one too many even out", async () => {
  const short = row().slice(0, row().lastIndexOf(","));
  const contents = {
    "even": file(row(), short, `${row()},`, row()),
    "even, and a bad row": file(`${row()},`, row({ quantity: "0" }), short),
    "even twice": file(short, `${row()},,`, short, row(), row({ quantity: "0" })),
    "none": file(row(), row({ quantity: "0" })),
  };
  await withCheck(async (check) => {
    const { rejects, accepted } = await check(contents);
    const found = Object.fromEntries(
      Object.entries(rejects).map((
        [key, rows],
      ) => [key, rows.map(({ line, reason }) => `${line} ${reason}`)]),
    );
    assert.deepEqual(found, {
      "even": ["3 field_count", "4 field_count"],
      "even, and a bad row": ["2 field_count", "3 rule", "4 field_count"],
      "even twice": ["2 field_count", "3 field_count", "4 field_count", "6 rule"],
      "none": ["3 rule"],
    });
    const counts = Object.entries(accepted).map(([key, rows]) => [key, rows.length]);
    assert.deepEqual(Object.fromEntries(counts), { "even": 2, "even twice": 1, "none": 1 });
  });
});

Deno.test("checkFiles() gives a row its first line and its whole text, when rows span lines", async () => {
  const name = '"an ""apple""\r\n\nfrom abroad"';
  const spanning = row({ product_name: name, customer_id: "9" });
  const content = `\r\n${HEADER}\n${spanning}\r\n\n${row({ product_name: name })}\n${row({ quantity: "0" })}`;
  await withCheck(async (check) => {
    const { rejects, accepted } = await check({ a: content }, { contract: { minRejectsForShare: 3 } });
    const expected = [[3, spanning], [10, row({ quantity: "0" })]];
    assert.deepEqual(rejects.a?.map(({ line, raw }) => [line, raw]), expected);
    assert.deepEqual(accepted.a?.map(({ product_name }) => product_name), ['an "apple"\r\n\nfrom abroad']);
  });
});

Deno.test("checkFiles() types numbers and dates and keeps text, when rows are accepted", async () => {
  const line = row({
    customer_id: " 002 ",
    product_name: "  äpple \t",
    price: "+.5",
    quantity: "2 ",
    total_cost: "1.",
  });
  const values = { customer_id: "2", product_name: "  äpple \t", price: "0.50", total_cost: "1.00" };
  await withCheck(async (check) => {
    const { accepted } = await check({ regular: file(line), irregular: file(line).replace("121", '"121"') });
    const expected = [{ ...GOOD, ...values, additional_column: null }];
    assert.deepEqual(accepted, { regular: expected, irregular: expected });
  });
});

Deno.test("checkFiles() joins the values of extra columns in header order, when they are not empty", async () => {
  const header = `note,${HEADER.replace("price", "x,price")},,colour`;
  const fill = (note: string, x: string, unnamed: string, colour: string) =>
    `${note},${row().replace("1.50", `${x},1.50`)},${unnamed},${colour}`;
  const lines = [
    fill("n", "x", "u", "c"),
    fill("", "x", "", "c"),
    fill("", "", "", ""),
    fill("", "", "u", ""),
    fill(" ", "", "", "a "),
  ];
  const text = [header, ...lines].join("\n");
  await withCheck(async (check) => {
    const { accepted } = await check({
      regular: text,
      irregular: text.replaceAll("\n", "\r\n"),
      quoted: `${header}\n${fill('"n, ""m"""', '""', '"\n"', "c")}\n`,
    });
    const additional = (key: string) =>
      accepted[key]?.map(({ additional_column }) => additional_column).toSorted();
    const expected = [" , a ", "n, x, u, c", "u", "x, c", null].toSorted();
    assert.deepEqual(additional("regular"), expected);
    assert.deepEqual(additional("irregular"), expected);
    assert.deepEqual(additional("quoted"), ['n, "m", \n, c']);
  });
});

Deno.test("checkFiles() counts warnings over accepted rows only, when rules warn or a product is unknown", async () => {
  const rules = {
    quantity_positive: { check: "quantity > 0", severity: "reject" },
    total_matches: { check: "total_cost = price * quantity", severity: "warn" },
    square: { check: "nullif(quantity, 3) * quantity > 0", severity: "warn" },
  };
  const lines = [
    row(),
    row({ total_cost: "3.01" }),
    row({ quantity: "3", total_cost: "4.50" }),
    row({ quantity: "4000000000", total_cost: "6000000000" }),
    row({ product_name: "Apple", total_cost: "4" }),
    row({ product_name: "pear ", quantity: "1", total_cost: "1.50" }),
    row({ product_name: "kiwi", quantity: "0", total_cost: "9" }),
    row({ product_name: "kiwi", customer_id: "9", total_cost: "9" }),
  ];
  await withCheck(async (check) => {
    const contents = {
      regular: file(...lines),
      irregular: file(...lines, ""),
      clean: file(row({ quantity: "1", total_cost: "1.5" })),
    };
    const { files } = await check(contents, { contract: { rules } });
    // NULL (of 3) and an overflow are failures too.
    const warnings = { total_matches: 2, square: 2, unknown_product: 2 };
    assert.deepEqual(files.regular?.warnings, warnings);
    assert.deepEqual(files.irregular?.warnings, warnings);
    assert.deepEqual(files.clean?.warnings, {});
  });
});

Deno.test("checkFiles() rejects a file for too many rejects, when they are strictly above the share and enough", async (test) => {
  const cases: readonly (readonly [string, number, number, Options["contract"], boolean])[] = [
    ["exactly the share", 10, 100, {}, false],
    ["one above the share", 11, 100, {}, true],
    ["a little above the share", 10, 99, {}, true],
    ["above the share, one below the least number", 9, 20, {}, false],
    ["above the share, exactly the least number", 10, 20, {}, true],
    ["all of them, below the least number", 9, 9, {}, false],
    ["all of them", 10, 10, {}, true],
    ["exactly a share that is no binary fraction", 29, 100, { maxRejectedShare: 0.29 }, false],
    ["above a share that is no binary fraction", 30, 100, { maxRejectedShare: 0.29 }, true],
    ["exactly a share with many digits", 57, 1000, { maxRejectedShare: 0.057 }, false],
    ["no rejects, with limits of 0", 0, 10, { maxRejectedShare: 0, minRejectsForShare: 0 }, false],
    ["one reject, with limits of 0", 1, 10, { maxRejectedShare: 0, minRejectsForShare: 0 }, true],
    ["one reject, with a least number of 1", 1, 2, { minRejectsForShare: 1 }, true],
    ["all of them, with a share of 1", 20, 20, { maxRejectedShare: 1 }, false],
    ["no rows, with limits of 0", 0, 0, { maxRejectedShare: 0, minRejectsForShare: 0 }, false],
  ];
  await withCheck(async (check) => {
    for (const [what, bad, rows, contract, tooMany] of cases) {
      await test.step(what, async () => {
        const lines = Array.from({ length: rows }, (_, i) => row(i < bad ? { quantity: "0" } : {}));
        const { files: { a } } = await check({ a: file(...lines) }, { ...(contract ? { contract } : {}) });
        assert.deepEqual(
          [a?.status, a?.reason, countsOf(a), a?.rejects],
          tooMany
            ? ["rejected", "too_many_rejects", [rows, 0, rows], { rule: bad }]
            : ["accepted", null, [rows, rows - bad, bad], bad > 0 ? { rule: bad } : {}],
        );
        const share = new RegExp(`${bad} of ${rows}\\b.*${(100 * bad / rows).toFixed(1)} %`);
        if (tooMany) assert.match(a?.detail ?? "", share);
      });
    }
  });
});

Deno.test("checkFiles() takes out the accepted rows of a rejected file, when others share its Parquet", async () => {
  const bad = Array.from({ length: 10 }, () => row({ customer_id: "9" }));
  const quoted = row({ product_name: '"pear"', total_cost: "9" });
  const reordered = (content: string) =>
    content.split("\n").map((line) => line.split(",").toReversed().join(",")).join("\n");
  const contents = {
    "bad 1": file(row(), row(), ...bad),
    "good 1": file(row(), row({ customer_id: "2" })),
    "bad 2": file(...bad, quoted),
    "good 2": file(quoted, row()),
    "bad 3": reordered(file(row(), ...bad)),
    "good 3": reordered(file(row())),
    "nothing accepted": file(...bad),
    "good 4": file(`${row().replace("apple", '"apple"')}`, ""),
  };
  await withCheck(async (check) => {
    const { files, accepted, rejects } = await check(contents);
    const status = (key: string) => [files[key]?.status, ...countsOf(files[key])];
    assert.deepEqual(["bad 1", "bad 2", "bad 3", "nothing accepted"].map(status), [
      ["rejected", 12, 0, 12],
      ["rejected", 11, 0, 11],
      ["rejected", 11, 0, 11],
      ["rejected", 10, 0, 10],
    ]);
    assert.deepEqual(Object.keys(accepted).sort(), ["good 1", "good 2", "good 3", "good 4"]);
    assert.deepEqual(accepted["good 1"]?.map(({ customer_id }) => customer_id), ["1", "2"]);
    assert.deepEqual(Object.values(rejects).map(({ length }) => length), [10, 10, 10, 10]);
    assert.deepEqual(files["bad 2"]?.warnings, {});
  });
});

Deno.test("checkFiles() tells files apart, when they have the same header or another, many rows or none", async () => {
  const names = Object.keys(SALES_COLUMNS);
  const contents: Record<string, string> = {
    "header only": `${HEADER}\n`,
    "header only, no line end": HEADER,
  };
  for (let i = 0; i < 8; i++) {
    // Four orders of columns, each without quotes and with them.
    const order = [...names.slice(i % 4), ...names.slice(0, i % 4)];
    const lines = Array.from({ length: i + 1 }, (_, quantity) => {
      const values: Readonly<Record<string, string>> = { ...GOOD, quantity: String(quantity) };
      return order.map((name) => i < 4 ? values[name] : `"${values[name]}"`).join(",");
    });
    contents[`file ${i}`] = [order.join(","), ...lines].join("\n");
  }
  await withCheck(async (check) => {
    const { files, accepted, rejects } = await check(contents);
    for (let i = 0; i < 8; i++) {
      const quantities = accepted[`file ${i}`]?.map(({ quantity }) => Number(quantity)) ?? [];
      assert.deepEqual(quantities, Array.from({ length: i }, (_, n) => n + 1));
      assert.deepEqual(rejects[`file ${i}`]?.map(({ line, reason }) => [line, reason]), [[2, "rule"]]);
    }
    for (const key of ["header only", "header only, no line end"]) {
      assert.deepEqual([files[key]?.status, ...countsOf(files[key])], ["accepted", 0, 0, 0]);
    }
  });
});

Deno.test("checkFiles() gives every reject its own line, when files are larger than the engine's read buffers", async () => {
  // Enough for several threads to read one file: DuckDB's buffer is 16 times the longest line allowed.
  const rowCount = 50_000;
  const good = `${row({ product_name: "apple".padEnd(400) })}\n`;
  const bad = (line: number) => `${row({ product_name: `line ${line}`, quantity: "0" })}\n`;
  const large = (badLines: readonly number[]) => {
    let text = `${HEADER}\n`, line = 2;
    for (const badLine of badLines) {
      text += good.repeat(badLine - line) + bad(badLine);
      line = badLine + 1;
    }
    return text + good.repeat(rowCount + 2 - line);
  };
  const lines = {
    a: [2, 3, 40_000, rowCount + 1],
    b: [5, 12_345, 45_001],
  };
  await withCheck(async (check) => {
    const contents = {
      a: large(lines.a),
      small: file(row(), bad(3).trimEnd()),
      b: large(lines.b),
    };
    const { files, rejects } = await check(contents);
    for (const [key, expected] of Object.entries({ ...lines, small: [3] })) {
      assert.deepEqual(
        rejects[key]?.map(({ line, raw }) => [line, /line (\d+)/.exec(raw)?.[1]]),
        expected.map((line) => [line, String(line)]),
        key,
      );
    }
    assert.deepEqual(countsOf(files.a), [rowCount, rowCount - 4, 4]);
  });
});

Deno.test("checkFiles() reads rows of exactly maxRowBytes, in both ways of reading", async (test) => {
  const maxRowBytes = 1_048_576;
  const long = (values: Readonly<Record<string, string>> = {}) => {
    const bytes = maxRowBytes - row({ ...values, product_name: "" }).length;
    return row({ ...values, product_name: "é".repeat(Math.floor(bytes / 2)) + "x".repeat(bytes % 2) });
  };
  await withCheck(async (check) => {
    await test.step("good and bad ones between others", async () => {
      const lines = [
        row(),
        long(),
        long({ quantity: "0" }),
        row({ quantity: "0" }),
        row(),
        long({ quantity: "00" }),
      ];
      const contents = { regular: file(...lines), irregular: file(...lines).replaceAll("\n", "\r\n") };
      const { rejects, files } = await check(contents, { csv: { maxRowBytes } });
      for (const key of Object.keys(contents)) {
        assert.deepEqual(rejects[key]?.map(({ line, raw }) => [line, raw === lines[line - 2]]), [
          [4, true],
          [5, true],
          [7, true],
        ]);
        assert.deepEqual(countsOf(files[key]), [6, 3, 3]);
      }
    });
    await test.step("one that grows most when it is normalised", async () => {
      // Twice, as text and as a field, and each character an escape; with a line number of many digits.
      const worst = `x"${"\0".repeat(maxRowBytes - 2)}`;
      const { rejects } = await check({ a: `${"\n".repeat(1_234_567)}${file(worst)}` });
      assert.deepEqual(rejects.a?.map(({ line, raw }) => [line, raw === worst]), [[1_234_569, true]]);
    });
  });
});

Deno.test("checkFiles() gives the same result, wherever the run's folder lies", async (test) => {
  const names = [
    "env=prod",
    "price=1",
    "source_key=x",
    "normalised",
    "it's [a] *?{b}",
    "% #&;$HOME",
    "ümläut 😀",
  ];
  const contents = {
    regular: file(row(), row({ quantity: "0" })),
    irregular: file(row(), row({ quantity: "0" }), ""),
    rejected: file(row(), ...Array(10).fill("bad")),
  };
  const results: unknown[] = [];
  for (const within of ["plain", ...names]) {
    await test.step(within, () =>
      withCheck(async (check) => {
        const { accepted, rejects, files } = await check(contents);
        results.push({ accepted, rejects, files });
        assert.deepEqual(results.at(-1), results[0]);
        assert.deepEqual(countsOf(files.irregular), [2, 1, 1]);
      }, { within: `${within}/run` }));
  }
});

Deno.test("checkFiles() gives the same result again, when it is run twice on the same folder", async () => {
  await withCheck(async (check) => {
    const contents = {
      a: file(row(), row({ quantity: "0" })),
      b: file(row(), ...Array(10).fill("bad")),
      c: file(`"${row()}`),
      d: file(row(), ""),
    };
    const first = await check(contents);
    const { written: _, ...again } = await check(contents);
    assert.deepEqual(again, { files: first.files, accepted: first.accepted, rejects: first.rejects });
    const nothing = await check({ e: file("bad") });
    assert.deepEqual([nothing.accepted, nothing.written.accepted.files], [{}, []]);
  });
});

Deno.test("checkFiles() reads many small files with as few queries as some", async () => {
  let callCount = 0;
  await withCheck(async (check) => {
    const callsFor = async (fileCount: number) => {
      callCount = 0;
      const contents = Object.fromEntries(Array.from({ length: fileCount }, (_, i) => {
        const lines = [row(), ...(i % 2 === 0 ? [row({ quantity: "0" })] : []), ...(i % 3 === 0 ? [""] : [])];
        return [`${i}.csv`, file(...lines)];
      }));
      const { files } = await check(contents);
      for (let i = 0; i < fileCount; i++) {
        assert.deepEqual(countsOf(files[`${i}.csv`]), i % 2 === 0 ? [2, 1, 1] : [1, 1, 0]);
      }
      return callCount;
    };
    const some = await callsFor(6);
    assert.ok(some > 0 && some < 30, `${some} calls of the engine`);
    assert.equal(await callsFor(300), some);
  }, { watch: () => callCount++ });
});

/** A generated file: its text, and line and raw text of its rows as they were printed. */
interface PrintedFile {
  readonly header: readonly string[];
  readonly content: string;
  readonly rows: readonly { readonly line: number; readonly raw: string }[];
}

/** Columns in an order and spelling of their own, with extra ones. */
const LAYOUTS: readonly (readonly string[])[] = [
  Object.keys(SALES_COLUMNS),
  ["note", ...Object.keys(SALES_COLUMNS).toReversed()],
  Object.keys(SALES_COLUMNS).flatMap((name) => name === "price" ? ["", " PRICE ", "Colour"] : [name]),
];

/** Texts that pass in each column, in many spellings, and some that do not. */
const SPELLINGS: Readonly<
  Record<string, { readonly good: readonly string[]; readonly bad: readonly string[] }>
> = {
  customer_id: { good: ["1", "2", "+1", "002", " 2"], bad: ["3", "", "1.0", "x", "99999999999999999999"] },
  store_id: { good: ["121", "0121", "121\t"], bad: ["122", " ", "121.", "-121"] },
  product_name: {
    good: ["apple", "pear", " pear", 'an "apple"', "a,b", "a\nb", "a\r\n\nb", "äpfel 😀"],
    bad: ["", "\t "],
  },
  sales_date: {
    good: ["2023-03-01", "2024-02-29", " 2023-12-31 "],
    bad: ["2023-02-29", "1.3.2023", "", "2023-03-01T00:00"],
  },
  sales_person_id: { good: ["1", "01", "+1 "], bad: ["2", "one", ""] },
  price: {
    good: ["1.50", "1.5", ".5", "5.", "0", "99999999.99", "1.500"],
    bad: ["1.505", "-0.01", "100000000", "1e1", "1,5"],
  },
  quantity: { good: ["1", "2", "02", "10"], bad: ["0", "-1", "2.0", "", "9223372036854775808"] },
  total_cost: { good: ["3.00", "1.50", "3", "-1", "+15.0"], bad: ["3.001", "NaN", " ", "10000000000000000"] },
};
const EXTRA_VALUES = ["", "", "x", " y", 'z"', "u,v"];

function fieldOf(name: string): fc.Arbitrary<string> {
  const { good, bad } = SPELLINGS[nameOf(name)] ?? { good: EXTRA_VALUES, bad: EXTRA_VALUES };
  return fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fc.constantFrom(...bad) },
  );
}

/** A column's name as the contract compares it. */
function nameOf(text: string): string {
  return text.trim().toLowerCase();
}

/** A row's fields, what is wrong with their number, which ones are quoted for no reason, and what follows it. */
const rowOf = (header: readonly string[]) =>
  fc.record({
    fields: fc.tuple(...header.map(fieldOf)),
    fault: fc.constantFrom(...Array(20).fill("none"), "too few", "one more", "an empty one more"),
    quotes: fc.integer({ min: 0, max: 1023 }),
    end: fc.constantFrom("\n", "\r\n", "\n\n"),
  });

/** A file of one of the layouts. A plain one is regular: it has LF only, and no value that needs quotes. */
const generatedFile: fc.Arbitrary<PrintedFile> = fc.constantFrom(...LAYOUTS).chain((header) =>
  fc.record({
    rows: fc.array(rowOf(header), { maxLength: 14 }),
    isPlain: fc.boolean(),
    bom: fc.constantFrom("", "\ufeff"),
    isEnded: fc.boolean(),
  }).map(({ rows, isPlain, bom, isEnded }) => {
    let content = `${bom}${header.join(",")}\n`;
    const printed = rows.map(({ fields, fault, quotes, end }, i) => {
      const values = isPlain ? fields.map((value) => value.replace(/[,"\r\n]/g, "")) : fields;
      const given = fault === "none"
        ? values
        : fault === "too few"
        ? values.slice(1)
        : [...values, fault === "one more" ? "x" : ""];
      const raw = given.map((value, k) =>
        /[,"\r\n]/.test(value) || (!isPlain && (quotes >> k) % 2 === 1)
          ? `"${value.replaceAll('"', '""')}"`
          : value
      ).join(",");
      const line = content.split("\n").length;
      content += raw + (i === rows.length - 1 && !isEnded ? "" : isPlain ? "\n" : end);
      return { line, raw };
    });
    return { header, content, rows: printed };
  })
);

/** A decimal text in units of its last place; `null` where it is none, is not exact, or has too many digits. */
function readUnits(text: string, precision: number, scale: number): bigint | null {
  const [, sign, whole = "", fraction = ""] = /^[ \t]*([+-]?)(?=\.?\d)(\d*)\.?(\d*)[ \t]*$/.exec(text) ?? [];
  if (sign === undefined || /[1-9]/.test(fraction.slice(scale))) return null;
  const units = BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
  if (units >= 10n ** BigInt(precision)) return null;
  return sign === "-" ? -units : units;
}

/** The value of a field: numbers in units of their last place; `null` where it is invalid. */
function readValue(text: string, type: string): string | bigint | null {
  if (type === "text") return text;
  if (type === "date") {
    const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, "");
    const date = new Date(/^\d{4}-\d\d-\d\d$/.test(trimmed) ? `${trimmed}T00:00:00Z` : NaN);
    return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(trimmed) ? trimmed : null;
  }
  const [precision = 30, scale = 0] = (type.match(/\d+/g) ?? []).map(Number);
  const units = readUnits(text, precision, scale);
  if (type !== "integer" || units === null) return units;
  return text.includes(".") || BigInt.asIntN(64, units) !== units ? null : units;
}

/** What the contract makes of a row: its fault, or its values and warnings. */
type Judgement =
  | { readonly reason: string; readonly column: string | null }
  | { readonly values: readonly (string | null)[]; readonly warnings: readonly string[] };

/** Judges a row's fields, said once more in the plainest way. */
function judgePlainly(header: readonly string[], fields: readonly string[]): Judgement {
  if (fields.length !== header.length) return { reason: "field_count", column: null };
  const names = header.map(nameOf);
  const values = new Map<string, string | bigint>();
  for (const [column, type] of Object.entries(SALES_COLUMNS)) {
    const text = fields[names.indexOf(column)] ?? "";
    if (/^[ \t]*$/.test(text)) return { reason: "missing_value", column };
    const value = readValue(text, type);
    if (value === null) return { reason: "invalid_value", column };
    values.set(column, value);
  }
  const number = (column: string) => BigInt(values.get(column) ?? 0n);
  if (number("quantity") <= 0n || number("price") < 0n) return { reason: "rule", column: null };
  if (![1n, 2n].includes(number("customer_id"))) {
    return { reason: "unknown_customer_id", column: "customer_id" };
  }
  if (number("store_id") !== 121n) return { reason: "unknown_store_id", column: "store_id" };
  if (number("sales_person_id") !== 1n) {
    return { reason: "unknown_sales_person_id", column: "sales_person_id" };
  }
  const extra = fields.filter((value, i) => value !== "" && !values.has(names[i] ?? ""));
  const warnings = [
    ...(number("total_cost") === number("price") * number("quantity") ? [] : ["total_matches"]),
    ...(["apple", "pear"].includes(String(values.get("product_name"))) ? [] : ["unknown_product"]),
  ];
  return { values: [...[...values.values()].map(String), extra.join(", ") || null], warnings };
}

/** An accepted row as {@linkcode judgePlainly} gives it. */
function valuesOf({ additional_column, ...accepted }: Record<string, JsonValue>): (string | null)[] {
  const values = Object.entries(SALES_COLUMNS).map(([name, type]) => {
    const text = String(accepted[name]);
    return type.startsWith("decimal") ? String(BigInt(text.replace(".", ""))) : text;
  });
  return [...values, additional_column === null ? null : String(additional_column)];
}

function sortedJson(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

Deno.test("checkFiles() finds what a plain reading finds, when files are of any layout, spelling and faults", async () => {
  const contract = { maxRejectedShare: 0.4, minRejectsForShare: 3 };
  await withCheck(async (check) => {
    await fc.assert(
      fc.asyncProperty(fc.array(generatedFile, { minLength: 30, maxLength: 30 }), async (printed) => {
        const contents = Object.fromEntries(printed.map(({ content }, i) => [`${i}.csv`, content]));
        const outcome = await check(contents, { contract });
        for (const [i, { header, content, rows }] of printed.entries()) {
          const [, ...records]: string[][] = parse(content, {
            bom: true,
            relax_column_count: true,
            skip_empty_lines: true,
            record_delimiter: ["\r\n", "\n"],
          });
          assert.equal(records.length, rows.length, "the reference reads other rows than were printed");
          const judged = records.map((fields) => judgePlainly(header, fields));
          const rejects = judged.flatMap((found, k) => "reason" in found ? [{ ...rows[k], ...found }] : []);
          const passed = judged.flatMap((found) => "values" in found ? [found] : []);
          const tooMany = rejects.length >= 3 && rejects.length / rows.length > 0.4;
          const warnings: Record<string, number> = {};
          if (!tooMany) {
            for (const name of passed.flatMap((found) => found.warnings)) {
              warnings[name] = (warnings[name] ?? 0) + 1;
            }
          }

          const key = `${i}.csv`, found = outcome.files[key];
          const message = JSON.stringify(content);
          assert.deepEqual(
            outcome.rejects[key]?.map(({ detail: _, ...reject }) => reject) ?? [],
            rejects,
            message,
          );
          assert.deepEqual(
            sortedJson(outcome.accepted[key]?.map(valuesOf) ?? []),
            sortedJson(tooMany ? [] : passed.map(({ values }) => values)),
            message,
          );
          assert.deepEqual(
            { reason: found?.reason, rowsRead: found?.rowsRead, warnings: found?.warnings },
            { reason: tooMany ? "too_many_rejects" : null, rowsRead: rows.length, warnings },
            message,
          );
        }
      }),
      { seed: 6, numRuns: 3, endOnFailure: true },
    );
  });
});

Deno.test("checkFiles() fails with what the engine says and with nothing else, when that fails while files are scanned", async () => {
  const full = new UnavailableError("disk_full", "Cannot write: the disk is full");
  await withCheck(async (check) => {
    // Two chunks: the reading fails before the second one is scanned, and nobody waits for it yet.
    const large = file(...Array.from({ length: 30_000 }, () => row()));
    await assert.rejects(check({ "a.csv": large }), (error) => error === full);
  }, {
    watch(method) {
      if (method === "nameText") throw full;
    },
  });
});
