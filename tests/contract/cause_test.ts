/**
 * The words that go with files that are rejected whole: the line that was read, and the likely cause.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Content, withContractCheck } from "../support/contract_check.ts";
import { SALES_COLUMNS, salesContract } from "../support/model.ts";

const HEADER = Object.keys(SALES_COLUMNS).join(",");
const ROW = "1,121,apple,2023-03-01,1,1.50,2,3.00";
const file = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");
const MANY = Array(40_000).fill(ROW).join("\n");

/** Files with their reason, and what its detail must say. */
const FILES: readonly (readonly [what: string, content: Content, reason: string, detail: RegExp])[] = [
  [
    "semicolons",
    file(HEADER, ROW).replaceAll(",", ";"),
    "missing_columns",
    /lacks customer_id, .*, total_cost; .* by ";"; line 1: "customer_id;store_id/,
  ],
  [
    "a title",
    `\ufeff\r\nSales\r\n${HEADER}\r\n`,
    "missing_columns",
    /seems to be line 3.*; line 2: "Sales"$/,
  ],
  [
    "no header",
    file("1,121,apple,2023-03-01,2,1.50,3,4.50"),
    "missing_columns",
    /no header.*; line 1: "1,121,/,
  ],
  [
    "no header, a value twice",
    file(ROW),
    "duplicate_column",
    /has 1 more than once; it seems to have no header/,
  ],
  ["lone CR", `${HEADER}\r${ROW}\r`, "too_many_columns", /lone CR.*; line 1: "/],
  [
    "a column missing",
    HEADER.replace(",price", "") + "\n",
    "missing_columns",
    /^the header lacks price; line 1: "/,
  ],
  ["too wide", `${HEADER},a,b,c\n`, "too_many_columns", /^the header has 11 .*; line 1: "customer_id,/],
  [
    "windows-1252",
    Buffer.from(file(HEADER, ROW, ROW.replace("apple", "Äpfel")), "latin1"),
    "not_utf8",
    /line 3, byte offset 130, bytes c4 70 66 65; .*windows-1252, where c4 is "Ä".*; line 3: "1,121,Äpfel,/,
  ],
  [
    "windows-1252 behind the first chunk",
    Buffer.from(file(HEADER, MANY, ROW.replace("apple", "Äpfel")), "latin1"),
    "not_utf8",
    /line 40002, byte offset \d{7}, bytes c4 /,
  ],
  ["UTF-16", Buffer.from(`\ufeff${file(HEADER)}`, "utf16le"), "not_utf8", /UTF-16.*little-endian/],
  [
    "an open quote",
    file(HEADER, ROW, `"${ROW}`, ROW),
    "malformed_csv",
    /^line 3: a quote .*; line 3: ""1,121,apple/,
  ],
  ["an open quote far behind", file(HEADER, MANY, `"x`), "malformed_csv", /; line 40002: ""x"$/],
  [
    "a row too long",
    `${"x".repeat(1_048_577)}\n`,
    "malformed_csv",
    /longer than 1048576 bytes; line 1: "x+…"$/,
  ],
  [
    "lone CR and a row too long",
    `${HEADER}\r${Array(40_000).fill(ROW).join("\r")}`,
    "malformed_csv",
    /longer than 1048576 bytes; it has lone CR/,
  ],
  [
    "too many rejects",
    file(HEADER, ...Array(9).fill(ROW.replace("1.50", "1,50")), ...Array(21).fill(ROW.replace("1.50", "x"))),
    "too_many_rejects",
    /^30 of 30 rows \(100.0 %\).*; commonest is invalid_value of price, 21 \(70.0 %\); see rejects\//,
  ],
];

Deno.test("checkFiles() shows the line that was read and the likely cause, when a file is rejected whole", async () => {
  await withContractCheck(
    {
      customer: [{ customer_id: "BIGINT" }, [{ customer_id: 1 }]],
      store: [{ id: "BIGINT" }, [{ id: 121 }]],
      sales_team: [{ id: "BIGINT" }, [{ id: 1 }]],
      product: [{ name: "VARCHAR" }, [{ name: "apple" }]],
    },
    async (check) => {
      const contents = Object.fromEntries(FILES.map(([what, content]) => [what, content]));
      const { files } = await check(contents, salesContract(), { maxColumns: 10 });
      for (const [what, , reason, detail] of FILES) {
        const found = files[what];
        assert.equal(found?.reason, reason, what);
        assert.match(found?.detail ?? "", detail, `${what}: ${found?.detail}`);
        assert.ok((found?.detail ?? "").length <= 200, what);
      }
    },
  );
});
